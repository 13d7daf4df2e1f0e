/** For tests: a real store in memory, filled through the hub's ingest with the messages that an agent sends. */
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import type { Clock } from '@fogline/shared/clock';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { type Lane } from '@fogline/shared/protocol/limits';
import {
  type BatchPart,
  encodeBatch,
  encodeHello,
  encodeReported,
  encodeSeries,
  encodeVoid,
  type Reported,
  type VoidMessage,
} from '@fogline/shared/protocol/messages';
import type { UpKind } from '@fogline/shared/protocol/topics';
import { flagText, type SeriesDefinition } from '@fogline/shared/reading';
import type { Database } from '@fogline/shared/sqlite';
import { HubCore } from '../ingest/hub-core.ts';
import type { HubCorePorts } from '../ingest/ports.ts';
import { openHubDatabase } from '../store/schema.ts';

export interface ReadingInput {
  /** Index of the definition. */
  readonly series: number;
  readonly timeMs: number;
  readonly value: number | string;
  readonly quality?: 0 | 1 | 2;
}

export interface WindowInput {
  readonly series: number;
  readonly startMs: number;
  readonly partial: Uint8Array;
  readonly isDelta?: boolean;
}

export function definition(fields: Partial<SeriesDefinition> = {}): SeriesDefinition {
  return {
    stream: 'raw',
    device: 'd1',
    metric: 'temperature',
    unit: 'Cel',
    kind: 'reading',
    type: 'number',
    sampling: 'all',
    tags: [],
    widthMs: 0,
    holdMs: 0,
    ...fields,
  };
}

/** One agent in one epoch; several may share a store. */
export class FixtureAgent {
  readonly #core: HubCore;
  readonly agent: string;
  readonly epoch: string;
  #next: Record<Lane, number> = { 0: 1, 1: 1, 2: 1, 3: 1 };

  constructor(core: HubCore, agent: string, definitions: readonly SeriesDefinition[], epoch: string) {
    this.#core = core;
    this.agent = agent;
    this.epoch = epoch;
    const zero = [0, 0, 0, 0];
    const offer = { epoch, parent: undefined, seriesBase: 0, seriesCount: definitions.length, last: zero };
    const hello = {
      session: Number.parseInt(epoch.slice(-8), 16),
      page: 1,
      pages: 1,
      current: epoch,
      software: 'fixture 1',
      clockMs: 0,
      isClockTrusted: true,
      queued: zero,
    };
    this.submit('hello', encodeHello({ agent, ...hello, epochs: [offer] }));
    if (definitions.length > 0) this.submit('series', encodeSeries({ agent, epoch, first: 0, definitions }));
  }

  submit(kind: UpKind, payload: Uint8Array): void {
    this.#core.submit(this.agent, kind, payload, () => {});
    while (this.#core.commit());
  }

  /** One batch with these readings and windows. */
  send(readings: readonly ReadingInput[], windows: readonly WindowInput[] = [], lane: Lane = 2): void {
    this.submit('batch', this.batch(readings, windows, lane));
  }

  /** The same, to be submitted by and by. */
  batch(readings: readonly ReadingInput[], windows: readonly WindowInput[] = [], lane: Lane = 2): Uint8Array {
    const parts: BatchPart[] = [];
    if (readings.length > 0) parts.push({ kind: 'readings', bytes: readingBytes(readings) });
    if (windows.length > 0) parts.push({ kind: 'windows', bytes: windowBytes(windows) });
    return encodeBatch({ agent: this.agent, ...this.#range(lane, readings.length + windows.length), parts });
  }

  void(count: number, message: Pick<VoidMessage, 'reason' | 'stats' | 'statsOmitted' | 'hours'>, lane: Lane = 2): void {
    this.submit('void', encodeVoid({ agent: this.agent, ...this.#range(lane, count), ...message }));
  }

  report(rows: Reported['rows']): void {
    this.submit('reported', encodeReported({ agent: this.agent, atMs: 0, rows, counters: [['rejected', 3]] }));
  }

  #range(lane: Lane, count: number): { epoch: string; lane: Lane; first: number; last: number } {
    const first = this.#next[lane];
    this.#next[lane] += count;
    return { epoch: this.epoch, lane, first, last: first + count - 1 };
  }
}

export interface StoreFixture {
  readonly db: Database;
  readonly core: HubCore;
  agent(name: string, definitions: readonly SeriesDefinition[], epoch?: string): FixtureAgent;
}

export function openStoreFixture(
  clock: Clock,
  watchers: Pick<HubCorePorts, 'onAlarms' | 'onCommitted'> = {},
): StoreFixture {
  const db = openHubDatabase(':memory:');
  const core = new HubCore(db, { clock, send: () => {}, ...watchers });
  return {
    db,
    core,
    agent: (name, definitions, epoch = '00000000000000a1') => new FixtureAgent(core, name, definitions, epoch),
  };
}

function readingBytes(rows: readonly ReadingInput[]): Uint8Array {
  const sorted = rows.toSorted((a, b) => a.series - b.series);
  const strings = [...new Set(sorted.flatMap(({ value }) => (typeof value === 'string' ? [value] : [])))];
  const columns = {
    count: sorted.length,
    series: Uint32Array.from(sorted, (row) => row.series),
    time: Float64Array.from(sorted, (row) => row.timeMs),
    value: Float64Array.from(sorted, ({ value }) => (typeof value === 'string' ? strings.indexOf(value) : value)),
    flags: Uint8Array.from(sorted, ({ value, quality = 0 }) => quality | (typeof value === 'string' ? flagText : 0)),
    strings,
  };
  return encodeReadings(columns, 'fast');
}

function windowBytes(rows: readonly WindowInput[]): Uint8Array {
  const sorted = rows.toSorted((a, b) => a.series - b.series);
  return encodeWindows({
    count: sorted.length,
    series: Uint32Array.from(sorted, (row) => row.series),
    start: Float64Array.from(sorted, (row) => row.startMs),
    delta: Uint8Array.from(sorted, (row) => (row.isDelta === true ? 1 : 0)),
    partial: sorted.map((row) => row.partial),
  });
}
