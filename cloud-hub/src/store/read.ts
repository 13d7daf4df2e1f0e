/**
 * What the store answers to the rest of the hub: types only, implemented by `reader.ts`. Every call is synchronous and sees
 * everything that is committed at that instant, whether it was folded into the tables or not. Generators fetch page by
 * page and hold no statement open, so they may be consumed across turns of the event loop while ingest goes on; each page
 * is consistent in itself.
 */

import type { Spread } from '@fogline/shared/aggregate/spread';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { VoidReason } from '@fogline/shared/protocol/messages';
import type { ReadingColumns, Sampling, ValueType, WindowColumns } from '@fogline/shared/reading';
import type { EventKind } from './events.ts';
import type { RollupLevelMs } from './levels.ts';
import type { QuarantineReason } from './quarantine.ts';
import type { Expiry } from './retention.ts';
import type { TombstoneRow } from './tombstones.ts';

export interface AgentInfo {
  /** Hub-wide number, never reused. */
  readonly id: number;
  readonly agent: string;
  /** As given at enrolment; '' = none. */
  readonly site: string;
  readonly createdMs: number;
  readonly isOnline: boolean;
  /** Time of the last message of any kind; undefined = never. */
  readonly lastSeenMs: number | undefined;
  /** Epoch of the process that said hello last. */
  readonly epoch: string | undefined;
  readonly software: string;
  /** Items queued per lane, as said in the last hello. */
  readonly queued: readonly number[];
  /** Agent's clock minus the hub's at the last hello. */
  readonly clockOffsetMs: number | undefined;
  readonly isClockTrusted: boolean;
  readonly hasCredential: boolean;
  readonly isRevoked: boolean;
  /** As last reported: what was counted before the outbox. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface SeriesInfo {
  readonly id: number;
  readonly agent: string;
  /** Of the agent, not of the identity. */
  readonly site: string;
  readonly stream: string;
  readonly device: string;
  readonly metric: string;
  readonly unit: string;
  readonly kind: 'reading' | 'window';
  readonly type: ValueType;
  readonly sampling: Sampling;
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Of the definition that came last. */
  readonly widthMs: number;
  readonly holdMs: number;
  /** Distinct widths of all its definitions, ascending; [0] for readings. A series whose windows grew has no complete finer roll-ups. */
  readonly widthsMs: readonly number[];
}

/** Absent = any. Results ascend by id. What has no index is left to who asks, page by page, so that no look takes long. */
export interface SeriesFilter {
  readonly agent?: string;
  readonly device?: string;
  readonly metric?: string;
  /** Only of agents of these sites. */
  readonly sites?: readonly string[];
  /** Only ids above this: the cursor of the previous page. */
  readonly after?: number;
  /** Default and most: `readLimits.seriesMax`. */
  readonly limit?: number;
}

export type LatestValue =
  | {
      readonly series: number;
      readonly timeMs: number;
      readonly kind: 'number';
      readonly value: number;
      readonly flags: number;
    }
  | {
      readonly series: number;
      readonly timeMs: number;
      readonly kind: 'text';
      readonly value: string;
      readonly flags: number;
    }
  /** The latest window: its start and everything merged into it so far. */
  | { readonly series: number; readonly timeMs: number; readonly kind: 'window'; readonly partial: Uint8Array };

export interface RollupRow {
  readonly startMs: number;
  /** Canonical bytes (shared/aggregate/partial). */
  readonly partial: Uint8Array;
}

/** What most questions need of a row, or of some rows that follow each other. */
export interface SpreadRow {
  /** Of the first of them. */
  readonly startMs: number;
  readonly spread: Spread;
  readonly rows: number;
}

export interface SpreadsAsked {
  readonly hasSum: boolean;
  /** Rows of one step from the epoch on may come as one; a multiple of the level. */
  readonly stepMs: number;
}

export interface RawQuery {
  readonly agent: string;
  /** Half open, event time; for windows their start. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Hub series ids. */
  readonly series: ReadonlySet<number>;
}

/**
 * Rows of one batch within one event hour. Chunks come in ascending hour, so a consumer that sorts the rows of one hour has time
 * order. `series` columns carry hub series ids; rows of one series are in arrival order, ids need not ascend.
 */
export interface RawChunk {
  readonly batch: number;
  readonly receivedMs: number;
  /** Start of the event hour. */
  readonly hourMs: number;
  readonly readings: ReadingColumns;
  readonly windows: WindowColumns;
  /** Width of each row of `windows`. */
  readonly widthMs: Float64Array;
}

/** Why items are not there as they were: what an agent declared, or that minutes stand for them. */
export type LossReason = VoidReason | 'thinned';

/** What was lost, or is there as minutes only, of one series in one event hour. */
export interface GapRow {
  readonly agent: string;
  /** Hub series id; undefined while its definition has not arrived. */
  readonly series: number | undefined;
  readonly hourMs: number;
  readonly reason: LossReason;
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

export interface VoidRow {
  readonly agent: string;
  readonly epoch: string;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly reason: VoidReason;
  /** Items that are really void: those that arrived after all are not counted. */
  readonly items: number;
  /** Items that no row of `gaps` describes. */
  readonly statsOmitted: number;
  readonly receivedMs: number;
}

export interface LedgerLine {
  readonly agent: string;
  readonly lane: Lane;
  /** Event hour: hours since the epoch; −1 = not known. */
  readonly hour: number;
  readonly delivered: number;
  /** Arrived as minutes that stand for them. */
  readonly thinned: number;
  readonly quarantined: number;
  readonly voided: Readonly<Record<VoidReason, number>>;
  /** As the agent reported last. */
  readonly produced: number;
  readonly queued: number;
  readonly evicted: number;
}

export interface HubEvent {
  readonly id: number;
  readonly atMs: number;
  readonly agent: string;
  readonly kind: EventKind;
  readonly epoch: string | undefined;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface QuarantineRow {
  readonly id: number;
  readonly agent: string;
  readonly kind: string;
  readonly reason: QuarantineReason;
  readonly detail: string;
  readonly receivedMs: number;
  /** How often the same bytes came for the same reason. */
  readonly times: number;
  readonly bytes: number;
}

export interface QuarantinedInfo extends QuarantineRow {
  /** As it came. */
  readonly payload: Uint8Array;
  /** Its range counts as held: the agent does not send it again. */
  readonly isHeld: boolean;
}

/** A range of a series that was deleted: what was delivered for it is in the ledger as delivered, and here as deleted. */
export interface TombstoneInfo extends TombstoneRow {
  /** Undefined while no such series is known. */
  readonly series: number | undefined;
}

export interface StoreStats {
  readonly usedBytes: number;
  readonly agents: number;
  readonly series: number;
  readonly epochs: number;
  /** Applied since the database was made. */
  readonly batches: number;
  /** Batches and items that only the log holds so far. */
  readonly tailBatches: number;
  readonly tailItems: number;
  /** Bytes of quarantined payloads. */
  readonly quarantineBytes: number;
}

/** Counted since this process started. */
export interface HubCounters {
  readonly batchesApplied: number;
  readonly itemsApplied: number;
  readonly batchesRepeated: number;
  readonly voidsApplied: number;
  readonly voidsRepeated: number;
  readonly voidsWithdrawn: number;
  readonly seriesDefined: number;
  readonly groups: number;
  readonly folds: number;
  /** Blocks of old roll-ups written. */
  readonly blocksPacked: number;
  /** Batches older than their retention removed. */
  readonly batchesDropped: number;
  /** Small batches merged into denser ones. */
  readonly batchesMerged: number;
  readonly quarantined: Readonly<Record<QuarantineReason, number>>;
}

export const readLimits = {
  seriesMax: 10_000,
  eventsMax: 1000,
  quarantineMax: 1000,
  voidsMax: 10_000,
  gapsMax: 100_000,
} as const;

export interface PageOptions {
  readonly agent?: string;
  /** Only of agents of these sites. */
  readonly sites?: readonly string[];
  readonly before?: number;
  readonly limit?: number;
}

export interface StoreRead {
  /** Ascending by name. */
  listAgents(): AgentInfo[];
  agent(name: string): AgentInfo | undefined;
  listSeries(filter: SeriesFilter): SeriesInfo[];
  series(id: number): SeriesInfo | undefined;
  /** What its agent calls it, and what was merged into it, whatever they were renamed to. */
  namesAtAgent(id: number): Pick<SeriesInfo, 'device' | 'metric' | 'tags'>[];
  /** The highest id of all; 0 when there is none. */
  newestSeries(): number;
  /** In the order asked for; series without a value are left out. */
  latest(seriesIds: readonly number[]): LatestValue[];
  /** Buckets with `fromMs ≤ start < toMs`, ascending; none that expired. */
  rollups(seriesId: number, levelMs: RollupLevelMs, fromMs: number, toMs: number): Generator<RollupRow>;
  /** The same buckets at a small part of the cost; by default each for itself, without their sums. */
  spreads(
    seriesId: number,
    levelMs: RollupLevelMs,
    fromMs: number,
    toMs: number,
    asked?: SpreadsAsked,
  ): Generator<SpreadRow>;
  /** None that expired. */
  raw(query: RawQuery): Generator<RawChunk>;
  /**
   * Grows whenever what the store answers about an agent before `toMs` may have changed: readings, gaps, definitions. Comparable within
   * one process only.
   */
  stamp(agent: string, toMs: number): number;
  /** Up to `readLimits.gapsMax`, ascending by hour. */
  gaps(agent: string | undefined, fromMs: number, toMs: number): GapRow[];
  /** Newest first, up to `readLimits.voidsMax`. */
  voids(agent?: string): VoidRow[];
  /** Ascending by agent, lane, hour. */
  ledger(agent?: string): LedgerLine[];
  /** Newest first, ids below `before`. */
  events(options?: PageOptions): HubEvent[];
  /** Newest first, ids below `before`. */
  quarantine(options?: PageOptions): QuarantineRow[];
  quarantined(id: number): QuarantinedInfo | undefined;
  /** Messages quarantined per agent and reason since the database was made. */
  quarantineCounts(): { agent: string; reason: QuarantineReason; count: number }[];
  storeStats(): StoreStats;
  counters(): HubCounters;
  /** What retention removed. */
  expiry(): Expiry;
  /** Ranges that an operator deleted, oldest first. */
  tombstones(): TombstoneInfo[];
}
