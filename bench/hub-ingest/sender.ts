/** One agent as the hub sees it: a connection, hello, definitions, then batches; encoded as an agent encodes them, stored nowhere. */
import { pubackFrame, publishFrame, subscribeFrame } from '@fogline/shared/broker/client-frames';
import { WireClient } from '@fogline/shared/broker/testing/wire-client';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { decodeWelcome, encodeBatch, encodeHello, encodeSeries } from '@fogline/shared/protocol/messages';
import { parseTopic, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { SeriesDefinition } from '@fogline/shared/reading';

const lane = 2;
const publish = 3;
const puback = 4;
const packetIdMax = 65_535;

export interface SenderOptions {
  readonly port: number;
  readonly agent: string;
  readonly token: string;
  /** One reading of each is a batch. */
  readonly series: number;
  /** Values in hundredths, one column a series, taken in turn. */
  readonly columns: readonly Int32Array[];
  readonly firstRow: number;
  onAck(sentMs: number): void;
  onError(error: Error): void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #client: WireClient;
  readonly #epoch: string;
  /** Of batches that are not acked; acks come in order. */
  readonly #sentMs: number[] = [];
  readonly #value: Float64Array;
  #id = 0;
  #row: number;
  sent = 0;
  sumHundredths = 0;

  private constructor(options: SenderOptions, client: WireClient, epoch: string) {
    this.#options = options;
    this.#client = client;
    this.#epoch = epoch;
    this.#row = options.firstRow;
    this.#value = new Float64Array(options.series);
  }

  /** Resolves when the hub has greeted the agent and holds its definitions. */
  static async open(options: SenderOptions, index: number): Promise<Sender> {
    const { agent, token: password, port } = options;
    const epoch = index.toString(16).padStart(16, '0');
    const client = await WireClient.connect(port, { clientId: `${agent}:${epoch}`, username: agent, password });
    const sender = new Sender(options, client, epoch);
    await sender.#greet();
    sender.#listen().catch(options.onError);
    return sender;
  }

  get waiting(): number {
    return this.#sentMs.length;
  }

  /** Sends one reading of every series. */
  send(nowMs: number, wallMs: number): void {
    const { series: count, columns, agent } = this.#options;
    this.#row++;
    for (let index = 0; index < count; index++) {
      const column = columns[index % columns.length] as Int32Array;
      const hundredths = column[this.#row % column.length] as number;
      this.#value[index] = hundredths / 100;
      this.sumHundredths += hundredths;
    }
    const readings = {
      count,
      series: Uint32Array.from({ length: count }, (_, index) => index),
      time: new Float64Array(count).fill(wallMs),
      value: this.#value,
      flags: new Uint8Array(count),
      strings: [],
    };
    const first = this.sent + 1;
    this.sent += count;
    const parts = [{ kind: 'readings', bytes: encodeReadings(readings, 'fast') }] as const;
    this.#sentMs.push(nowMs);
    this.#publish('batch', encodeBatch({ agent, epoch: this.#epoch, lane, first, last: this.sent, parts }));
  }

  close(): void {
    this.#client.destroy();
  }

  #publish(kind: UpKind, payload: Uint8Array): void {
    this.#id = (this.#id % packetIdMax) + 1;
    this.#client.send(publishFrame(topicOf(this.#options.agent, kind), Buffer.from(payload), { qos: 1, id: this.#id }));
  }

  async #greet(): Promise<void> {
    const { agent, series } = this.#options;
    const zero = [0, 0, 0, 0];
    const offer = { epoch: this.#epoch, parent: undefined, seriesBase: 0, seriesCount: series, last: zero };
    const session = { session: 1, page: 1, pages: 1, current: this.#epoch, software: 'bench 1' };
    const clock = { clockMs: 0, isClockTrusted: true, queued: zero };
    this.#client.send(subscribeFrame(packetIdMax, [topicOf(agent, 'welcome'), 1], [topicOf(agent, 'flow'), 1]));
    this.#publish('hello', encodeHello({ agent, ...session, ...clock, epochs: [offer] }));
    const definitions = Array.from({ length: series }, (_, index) => definitionOf(index));
    this.#publish('series', encodeSeries({ agent, epoch: this.#epoch, first: 0, definitions }));
    let isWelcome = false;
    for (let acks = 0; acks < 2 || !isWelcome; ) {
      const frame = await this.#client.next();
      if (frame === undefined) throw new Error(`${agent}: the hub closed the connection`);
      if (frame.type === puback) acks++;
      if (frame.type === publish) isWelcome = this.#take(frame.body) || isWelcome;
    }
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
      const frame = await this.#client.next();
      if (frame === undefined) return;
      if (frame.type === publish) this.#take(frame.body);
      if (frame.type === puback) this.#options.onAck(this.#sentMs.shift() ?? Number.NaN);
    }
  }
}

function definitionOf(index: number): SeriesDefinition {
  const of = { kind: 'reading', type: 'number', sampling: 'all', tags: [], widthMs: 0, holdMs: 0 } as const;
  return { stream: 'live', device: `d${index}`, metric: 'temperature', unit: '°C', ...of };
}
