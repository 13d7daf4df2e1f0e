/** One agent as the hub sees it: a connection, hello, definitions, then batches; encoded as an agent encodes them, stored nowhere. */
import { pubackFrame, publishFrame, subscribeFrame } from '@fogline/shared/broker/client-frames';
import { WireClient } from '@fogline/shared/broker/testing/wire-client';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { decodeWelcome, encodeBatch, encodeHello, encodeSeries } from '@fogline/shared/protocol/messages';
import { parseTopic, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';

const lane = 2;
const publish = 3;
const puback = 4;
const packetIdMax = 65_535;

export interface SenderOptions {
  readonly port: number;
  readonly agent: string;
  readonly token: string;
  /** 16 hex digits. */
  readonly epoch: string;
  readonly definitions: readonly SeriesDefinition[];
  /** The connection is of no use any more. */
  onError(error: Error): void;
}

export class AgentSender {
  readonly #options: SenderOptions;
  readonly #client: WireClient;
  /** Of batches that are not acked; acks come in order. */
  readonly #onAcks: (() => void)[] = [];
  #id = 0;
  #next = 1;

  private constructor(options: SenderOptions, client: WireClient) {
    this.#options = options;
    this.#client = client;
  }

  /** Resolves when the hub has greeted the agent and holds its definitions. */
  static async open(options: SenderOptions): Promise<AgentSender> {
    const { agent, epoch, token: password, port } = options;
    const client = await WireClient.connect(port, { clientId: `${agent}:${epoch}`, username: agent, password });
    const sender = new AgentSender(options, client);
    await sender.#greet();
    sender.#listen().catch(options.onError);
    return sender;
  }

  /** One batch. */
  send(rows: ReadingColumns, onAck: () => void): void {
    const { agent, epoch } = this.#options;
    const range = { lane, first: this.#next, last: this.#next + rows.count - 1 } as const;
    this.#next += rows.count;
    const parts = [{ kind: 'readings', bytes: encodeReadings(rows, 'fast') }] as const;
    this.#onAcks.push(onAck);
    this.#publish('batch', encodeBatch({ agent, epoch, ...range, parts }));
  }

  #publish(kind: UpKind, payload: Uint8Array): void {
    this.#id = (this.#id % packetIdMax) + 1;
    this.#client.send(publishFrame(topicOf(this.#options.agent, kind), Buffer.from(payload), { qos: 1, id: this.#id }));
  }

  async #greet(): Promise<void> {
    const { agent, epoch, definitions } = this.#options;
    const zero = [0, 0, 0, 0];
    const offer = { epoch, parent: undefined, seriesBase: 0, seriesCount: definitions.length, last: zero };
    const session = { session: 1, page: 1, pages: 1, current: epoch, software: 'bench 1' };
    const clock = { clockMs: Date.now(), isClockTrusted: true, queued: zero };
    this.#client.send(subscribeFrame(packetIdMax, [topicOf(agent, 'welcome'), 1], [topicOf(agent, 'flow'), 1]));
    this.#publish('hello', encodeHello({ agent, ...session, ...clock, epochs: [offer] }));
    this.#publish('series', encodeSeries({ agent, epoch, first: 0, definitions }));
    let isWelcome = false;
    for (let acks = 0; acks < 2 || !isWelcome; ) {
      const frame = await this.#frame();
      if (frame.type === puback) acks++;
      if (frame.type === publish) isWelcome = this.#take(frame.body) || isWelcome;
    }
  }

  async #frame() {
    const frame = await this.#client.next();
    if (frame === undefined) throw new Error(`${this.#options.agent}: the hub closed the connection`);
    return frame;
  }

  /** What the hub says; whether it was a welcome. */
  #take(body: Buffer): boolean {
    const topicEnd = 2 + body.readUInt16BE(0);
    this.#client.send(pubackFrame(body.readUInt16BE(topicEnd)));
    if (parseTopic(body.toString('utf8', 2, topicEnd))?.kind !== 'welcome') return false;
    const { refused } = decodeWelcome(body.subarray(topicEnd + 2));
    if (refused !== undefined) throw new Error(`${this.#options.agent} was refused: ${refused}`);
    return true;
  }

  async #listen(): Promise<void> {
    for (;;) {
      const frame = await this.#frame();
      if (frame.type === publish) this.#take(frame.body);
      if (frame.type === puback) this.#onAcks.shift()?.();
    }
  }
}
