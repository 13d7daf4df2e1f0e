/** An agent reduced to the messages it sends, and a hub core on a real database that keeps what it was told to send. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { encodeThinned, ThinnedBuilder, thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { type Lane } from '@fogline/shared/protocol/limits';
import {
  type BatchPart,
  decodeWelcome,
  type EpochOffer,
  encodeBatch,
  encodeHello,
  encodeReported,
  encodeSeries,
  encodeStatus,
  encodeVoid,
  type LedgerRow,
  type VoidReason,
  type VoidStat,
  type Welcome,
} from '@fogline/shared/protocol/messages';
import type { DownKind, UpKind } from '@fogline/shared/protocol/topics';
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { Database, StorageFaults } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { keptForEver } from '../../store/retention.ts';
import { openHubDatabase } from '../../store/schema.ts';
import { HubCore } from '../hub-core.ts';
import type { CommittedChange, HubLimits } from '../ports.ts';

export interface Row {
  readonly series: number;
  readonly time: number;
  readonly value: number | string;
  readonly quality?: number;
}

export interface WindowRow {
  readonly series: number;
  readonly start: number;
  readonly values: readonly (readonly [time: number, value: number])[];
  readonly isDelta?: boolean;
  readonly hasSketch?: boolean;
}

export const hour = 3_600_000;
/** A whole day, so that hours and buckets are easy to see. */
export const t0 = Date.UTC(2026, 0, 1);
export const h0 = t0 / hour;

export function epochId(n: number): string {
  return n.toString(16).padStart(16, '0');
}

export function reading(metric: string, more: globalThis.Partial<SeriesDefinition> = {}): SeriesDefinition {
  const base = {
    stream: 'raw',
    device: 'd1',
    unit: '',
    kind: 'reading',
    type: 'number',
    sampling: 'all',
    tags: [],
    widthMs: 0,
    holdMs: 0,
  } as const;
  return { ...base, metric, ...more };
}

export function window(metric: string, widthMs: number): SeriesDefinition {
  return reading(metric, { stream: 'windows', kind: 'window', widthMs });
}

function columnsOf(rows: readonly Row[]): ReadingColumns {
  const sorted = [...rows].sort((a, b) => a.series - b.series);
  const strings: string[] = [];
  const value = sorted.map((row) => {
    if (typeof row.value === 'number') return row.value;
    if (!strings.includes(row.value)) strings.push(row.value);
    return strings.indexOf(row.value);
  });
  return {
    count: sorted.length,
    series: Uint32Array.from(sorted, (row) => row.series),
    time: Float64Array.from(sorted, (row) => row.time),
    value: Float64Array.from(value),
    flags: Uint8Array.from(sorted, (row) => (row.quality ?? 0) | (typeof row.value === 'string' ? flagText : 0)),
    strings,
  };
}

export function readingsPart(rows: readonly Row[]): BatchPart {
  return { kind: 'readings', bytes: encodeReadings(columnsOf(rows), 'fast') };
}

export function partialOf(values: readonly (readonly [number, number])[], hasSketch = false): Partial {
  const partial = Partial.empty({ sketch: hasSketch });
  for (const [time, value] of values) partial.add(time, value);
  return partial;
}

export function windowsPart(rows: readonly WindowRow[]): BatchPart {
  const sorted = [...rows].sort((a, b) => a.series - b.series);
  const bytes = encodeWindows({
    count: sorted.length,
    series: Uint32Array.from(sorted, (row) => row.series),
    start: Float64Array.from(sorted, (row) => row.start),
    delta: Uint8Array.from(sorted, (row) => (row.isDelta === true ? 1 : 0)),
    partial: sorted.map((row) => partialOf(row.values, row.hasSketch).encode()),
  });
  return { kind: 'windows', bytes };
}

/** Minutes that stand for these readings. */
export function thinnedPart(rows: readonly (Row & { readonly value: number })[]): BatchPart {
  const builder = new ThinnedBuilder();
  for (const { series, time, value } of rows)
    builder.add(series, Math.floor(time / thinnedMs) * thinnedMs, 1, partialOf([[time, value]]).encode());
  return { kind: 'thinned', bytes: encodeThinned(builder.columns()) };
}

export class Hub {
  readonly db: Database;
  readonly clock: ManualClock;
  core: HubCore;
  /** Numbers of submitted messages, in the order their dones were called. */
  readonly acked: number[] = [];
  readonly sent: { agent: string; kind: DownKind; payload: Uint8Array }[] = [];
  readonly changes: CommittedChange[] = [];
  #submitted = 0;
  readonly #limits: globalThis.Partial<HubLimits>;

  constructor(
    options: {
      file?: string | Uint8Array;
      faults?: StorageFaults;
      limits?: globalThis.Partial<HubLimits>;
      clock?: ManualClock;
    } = {},
  ) {
    const { file = ':memory:', faults, limits = {}, clock = new ManualClock() } = options;
    this.db = openHubDatabase(file, faults === undefined ? {} : { faults });
    this.clock = clock;
    this.#limits = { retention: keptForEver, ...limits };
    this.core = this.#open();
  }

  /** A new process on the same database. */
  restart(): void {
    this.core = this.#open();
  }

  submit(agent: string, kind: UpKind, payload: Uint8Array): number {
    const number = this.#submitted++;
    this.core.submit(agent, kind, payload, () => this.acked.push(number));
    return number;
  }

  commitAll(): void {
    while (this.core.commit());
  }

  /** Submits one message in a group of its own. */
  take(agent: string, kind: UpKind, payload: Uint8Array): void {
    this.submit(agent, kind, payload);
    this.commitAll();
  }

  welcomes(agent: string): Welcome[] {
    return this.sent
      .filter((sent) => sent.agent === agent && sent.kind === 'welcome')
      .map(({ payload }) => decodeWelcome(payload));
  }

  lastWelcome(agent: string): Welcome {
    const welcome = this.welcomes(agent).at(-1);
    if (welcome === undefined) throw new Error(`no welcome was sent to ${agent}`);
    return welcome;
  }

  #open(): HubCore {
    const ports = {
      clock: this.clock,
      send: (agent: string, kind: DownKind, payload: Uint8Array) => void this.sent.push({ agent, kind, payload }),
      onCommitted: (change: CommittedChange) => void this.changes.push(change),
    };
    return new HubCore(this.db, ports, this.#limits);
  }
}

export interface OfferOptions {
  readonly parent?: { readonly epoch: string; readonly last: readonly number[] };
  readonly seriesBase?: number;
  readonly seriesCount?: number;
  readonly last?: readonly number[];
}

export function offer(epoch: string, options: OfferOptions = {}): EpochOffer {
  const { parent, seriesBase = 0, seriesCount = 0, last = [0, 0, 0, 0] } = options;
  return { epoch, parent, seriesBase, seriesCount, last };
}

export class Agent {
  readonly hub: Hub;
  readonly name: string;
  epoch: string;
  #session = 0;

  constructor(hub: Hub, name = 'gw1', epoch = epochId(1)) {
    this.hub = hub;
    this.name = name;
    this.epoch = epoch;
  }

  /** Its hello, committed. */
  hello(...offers: EpochOffer[]): void {
    this.hub.take(this.name, 'hello', this.helloBytes(offers.length === 0 ? [offer(this.epoch)] : offers));
  }

  helloBytes(epochs: readonly EpochOffer[], page = 1, pages = 1, session = ++this.#session): Uint8Array {
    const { name: agent, epoch: current } = this;
    const common = {
      software: 'test 1',
      clockMs: this.hub.clock.now() + 5,
      isClockTrusted: true,
      queued: [1, 2, 3, 4],
    };
    return encodeHello({ agent, session, page, pages, current, ...common, epochs });
  }

  define(first: number, ...definitions: SeriesDefinition[]): void {
    this.hub.take(this.name, 'series', this.seriesBytes(first, definitions));
  }

  seriesBytes(first: number, definitions: readonly SeriesDefinition[]): Uint8Array {
    return encodeSeries({ agent: this.name, epoch: this.epoch, first, definitions });
  }

  batchBytes(first: number, parts: readonly BatchPart[], items: number, lane: Lane = 2): Uint8Array {
    return encodeBatch({ agent: this.name, epoch: this.epoch, lane, first, last: first + items - 1, parts });
  }

  rowsBytes(first: number, rows: readonly Row[], lane: Lane = 2): Uint8Array {
    return this.batchBytes(first, [readingsPart(rows)], rows.length, lane);
  }

  /** A batch of readings, committed. */
  send(first: number, ...rows: Row[]): void {
    this.hub.take(this.name, 'batch', this.rowsBytes(first, rows));
  }

  sendWindows(first: number, ...rows: WindowRow[]): void {
    this.hub.take(this.name, 'batch', this.batchBytes(first, [windowsPart(rows)], rows.length));
  }

  void(
    first: number,
    last: number,
    options: {
      hours?: readonly (readonly [number, number])[];
      stats?: readonly VoidStat[];
      reason?: VoidReason;
      lane?: Lane;
    } = {},
  ): void {
    const { hours = [], stats = [], reason = 'evicted_size', lane = 2 } = options;
    const payload = encodeVoid({
      agent: this.name,
      epoch: this.epoch,
      lane,
      first,
      last,
      reason,
      stats,
      statsOmitted: 0,
      hours,
    });
    this.hub.take(this.name, 'void', payload);
  }

  report(rows: readonly LedgerRow[], atMs = 0, counters: readonly (readonly [string, number])[] = []): void {
    this.hub.take(this.name, 'reported', encodeReported({ agent: this.name, atMs, rows, counters }));
  }

  status(isOnline: boolean, epoch = this.epoch): void {
    this.hub.take(this.name, 'status', encodeStatus({ agent: this.name, epoch, isOnline }));
  }
}

/** Every derived thing an outsider can see, as comparable values. */
export function visible(hub: Hub): unknown {
  const { read } = hub.core;
  const series = read.listSeries({});
  const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
  const min = -8_640_000_000_000_000;
  return {
    series,
    rollups: series.map(({ id }) =>
      levels.map((level) =>
        [...read.rollups(id, level, min, -min)].map(({ startMs, partial }) => [
          startMs,
          Buffer.from(partial).toString('hex'),
        ]),
      ),
    ),
    latest: read
      .latest(series.map(({ id }) => id))
      .map((latest) =>
        'partial' in latest ? { ...latest, partial: Buffer.from(latest.partial).toString('hex') } : latest,
      ),
    ledger: read.ledger(),
    voids: read.voids(),
    gaps: read.gaps(undefined, min, -min),
  };
}
