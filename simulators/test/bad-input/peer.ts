/** An agent reduced to a raw MQTT connection with a valid token: it says to the hub whatever a case wants it to say. */
import { publishFrame, WireClient } from '@fogline/shared/broker/testing/wire-client';
import { encodeReadings } from '@fogline/shared/codec/readings';
import type { Lane } from '@fogline/shared/protocol/limits';
import { type BatchPart, encodeBatch, encodeHello, encodeSeries } from '@fogline/shared/protocol/messages';
import { type answerKind, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { SeriesDefinition } from '@fogline/shared/reading';
import type { Stage } from '../support/stage.ts';
import type { System } from '../support/system.ts';
import { ackOf } from './rig.ts';

export interface PeerRow {
  readonly series: number;
  readonly time: number;
  readonly value: number;
}

export class Peer {
  readonly agent: string;
  readonly epoch: string;
  readonly #client: WireClient;
  #id = 0;

  private constructor(agent: string, epoch: string, client: WireClient) {
    this.agent = agent;
    this.epoch = epoch;
    this.#client = client;
  }

  /** Throws when the hub refuses it. */
  static async connect(port: number, agent: string, epoch: string, token: string): Promise<Peer> {
    return new Peer(
      agent,
      epoch,
      await WireClient.connect(port, { clientId: `${agent}:${epoch}`, username: agent, password: token }),
    );
  }

  /** Publishes at QoS 1 and waits for the ack, which is the commit. Throws when the connection ends instead. */
  async say(kind: UpKind | typeof answerKind, payload: Uint8Array, agent = this.agent): Promise<void> {
    const id = this.#next();
    this.#client.send(publishFrame(topicOf(agent, kind), Buffer.from(payload), { qos: 1, id }));
    await ackOf(this.#client, id);
  }

  async hello(epochs: readonly string[] = [this.epoch]): Promise<void> {
    const zero = [0, 0, 0, 0];
    const offers = epochs.map((epoch) => ({ epoch, parent: undefined, seriesBase: 0, seriesCount: 1, last: zero }));
    const { agent, epoch: current } = this;
    const said = { session: 1, page: 1, pages: 1, software: 'peer 1', clockMs: 0, isClockTrusted: true, queued: zero };
    await this.say('hello', encodeHello({ agent, current, ...said, epochs: offers }));
  }

  async define(first: number, definitions: readonly SeriesDefinition[], epoch = this.epoch): Promise<void> {
    await this.say('series', encodeSeries({ agent: this.agent, epoch, first, definitions }));
  }

  batch(first: number, rows: readonly PeerRow[], lane: Lane = 2): Uint8Array {
    return this.batchOf(first, first + rows.length - 1, [partOf(rows)], lane);
  }

  batchOf(first: number, last: number, parts: readonly BatchPart[], lane: Lane = 2): Uint8Array {
    return encodeBatch({ agent: this.agent, epoch: this.epoch, lane, first, last, parts });
  }

  close(): void {
    this.#client.destroy();
  }

  get closed(): Promise<void> {
    return this.#client.closed;
  }

  #next(): number {
    this.#id = (this.#id % 65_535) + 1;
    return this.#id;
  }
}

/** Makes an agent known to the hub, which runs; returns its token. */
export async function enrol(stage: Stage, system: System, agent: string): Promise<string> {
  const { code, out, error } = await stage.run('hub', ['agent', 'add', agent, '--data', system.hubFolder]);
  if (code !== 0) throw new Error(`the hub does not enrol ${agent}: ${error}`);
  return out.trim();
}

export function definitionOf(metric: string, more: Partial<SeriesDefinition> = {}): SeriesDefinition {
  const base = { stream: 'live', device: 'peer', unit: '', kind: 'reading', type: 'number', sampling: 'all' } as const;
  return { ...base, metric, tags: [], widthMs: 0, holdMs: 0, ...more };
}

/** Rows of ascending series. */
export function partOf(rows: readonly PeerRow[]): BatchPart {
  const columns = {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row.series),
    time: Float64Array.from(rows, (row) => row.time),
    value: Float64Array.from(rows, (row) => row.value),
    flags: new Uint8Array(rows.length),
    strings: [],
  };
  return { kind: 'readings', bytes: encodeReadings(columns, 'fast') };
}
