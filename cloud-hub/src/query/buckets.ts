/**
 * One series in buckets: exact partials of one roll-up level merged to the width asked for, or of the readings themselves where no level
 * will do; rounded once at the end. Equal to a computation over the readings, in every bucket, by construction: buckets consist of
 * whole buckets of the level, and partials are exact.
 */

import { isPercentile } from '@fogline/shared/aggregate/names';
import { Partial } from '@fogline/shared/aggregate/partial';
import type { Spread } from '@fogline/shared/aggregate/spread';
import { FoglineError } from '@fogline/shared/errors';
import { bucketOf, hourMs, levels, type RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import { type Aggregate, countsReadings, needsPartial, needsSum, readAggregate } from './aggregates.ts';
import type { ReadBucket } from './bucket-rows.ts';
import { expiredBefore, firstWhole } from './expiry.ts';
import type { Grid } from './grid.ts';
import { LastMinute, lastReadingBefore, type Reading } from './last-before.ts';
import { heldPointsOf, pointsOf } from './points.ts';
import { ReadingBuckets } from './reading-buckets.ts';
import { nameOf } from './series.ts';
import type { TimeRange } from './time.ts';

export interface Bucket {
  readonly startMs: number;
  /** Empty where a value only stood; a spread where that is enough. */
  readonly partial: Partial | Spread;
  /** What it cost: rows of the roll-up, or what as many readings cost. */
  readonly cost: number;
  /** Value of the last reading before the bucket; undefined: none, or nobody asks. */
  readonly before: number | undefined;
  /** Null where nothing stood, or nobody asks. */
  readonly twa: number | null;
  /** Null where there are not two readings, or nobody asks. */
  readonly rate: number | null;
}

type BucketStore = Pick<StoreRead, 'rollups' | 'spreads' | 'raw' | 'expiry'>;

export interface BucketsAsked {
  readonly grid: Grid;
  readonly aggregates: readonly Aggregate[];
  /** How long a value stands at most where its series does not say it. */
  readonly holdMs: number;
  readonly nowMs: number;
}

interface Open<Summary> {
  readonly startMs: number;
  readonly partial: Summary;
  rows: number;
}

/** Rows of a roll-up, and how two of them become one. */
interface Source<Summary> {
  rows(fromMs: number): Iterable<{ readonly startMs: number; readonly summary: Summary; readonly rows: number }>;
  merge(into: Summary, other: Summary): void;
}

const rowsPerTurn = 250;
const minuteMs = levels[1];

/**
 * Buckets that hold something, ascending, from `fromMs` (a bucket start) on. Now and then it yields nothing instead, so that
 * others may run; it re-reads from a bucket's start afterwards, so that a bucket is never half from before and half after.
 */
export function bucketsOf(
  store: Pick<StoreRead, 'rollups' | 'spreads' | 'expiry'>,
  series: SeriesInfo,
  level: RollupLevelMs,
  asked: Pick<BucketsAsked, 'grid' | 'aggregates'>,
  range: TimeRange,
): Generator<Bucket | undefined> {
  const partials: Source<Partial> = {
    *rows(fromMs) {
      for (const { startMs, partial } of store.rollups(series.id, level, fromMs, range.toMs))
        yield { startMs, summary: Partial.decode(partial), rows: 1 };
    },
    merge: (into, other) => into.merge(other),
  };
  const { grid, aggregates } = asked;
  // Where buckets are fixed widths from the epoch on, rows of one come merged.
  const spreadsAsked = { hasSum: aggregates.some(needsSum), stepMs: grid.tz === undefined ? grid.stepMs : level };
  const spreads: Source<Spread> = {
    *rows(fromMs) {
      for (const { startMs, spread, rows } of store.spreads(series.id, level, fromMs, range.toMs, spreadsAsked))
        yield { startMs, summary: spread, rows };
    },
    merge: (into, other) => into.mergeSpread(other),
  };
  const place = { store, series, level };
  return aggregates.some(needsPartial) ? gather(partials, place, asked, range) : gather(spreads, place, asked, range);
}

interface Place {
  readonly store: Pick<StoreRead, 'spreads' | 'expiry'>;
  readonly series: SeriesInfo;
  readonly level: RollupLevelMs;
}

function* gather<Summary extends Partial | Spread>(
  source: Source<Summary>,
  { store, series, level }: Place,
  { grid, aggregates }: Pick<BucketsAsked, 'grid' | 'aggregates'>,
  { fromMs, toMs }: TimeRange,
): Generator<Bucket | undefined> {
  const hasBefore = aggregates.includes('delta');
  // The first bucket there is follows what expired.
  const beganMs = Math.max(fromMs, firstWhole(grid, expiredBefore(store.expiry(), series, level)));
  let before = hasBefore ? lastReadingBefore(store, series, level, beganMs) : undefined;
  // 10 s lack what was thinned to minutes, which may be the last before a bucket.
  const minutes = hasBefore && level < minuteMs ? new LastMinute(store, series, { fromMs: beganMs, toMs }) : undefined;
  const closed = ({ startMs, partial, rows }: Open<Summary>): Bucket => {
    before = minutes?.lastBefore(startMs, before) ?? before;
    const bucket = { startMs, partial, cost: rows, before: before?.value, twa: null, rate: null };
    if (hasBefore && partial.count > 0) before = { timeMs: partial.lastTime, value: partial.lastValue };
    return bucket;
  };
  for (let start = beganMs; start < toMs; ) {
    let rows = 0;
    let open: Open<Summary> | undefined;
    let endMs = Number.NEGATIVE_INFINITY;
    const from = start;
    start = toMs;
    for (const { startMs, summary, rows: merged } of source.rows(from)) {
      if (open !== undefined && startMs >= endMs) {
        yield closed(open);
        open = undefined;
        if (rows >= rowsPerTurn) {
          start = grid.startOf(startMs);
          break;
        }
      }
      rows += merged;
      if (open === undefined) {
        const bucketMs = grid.startOf(startMs);
        endMs = grid.endOf(bucketMs);
        open = { startMs: bucketMs, partial: summary, rows: merged };
      } else {
        source.merge(open.partial, summary);
        open.rows += merged;
      }
    }
    if (open !== undefined) yield closed(open);
    if (start < toMs) yield undefined;
  }
}

/** The same from the readings of a series. Yields nothing now and then; readings that arrive meanwhile may or may not be seen. */
export function* bucketsOfReadings(
  store: BucketStore,
  series: SeriesInfo,
  asked: BucketsAsked,
  range: TimeRange,
): Generator<Bucket | undefined> {
  const { maker, fromMs } = makerOf(store, series, asked, range);
  const standMs = standOf(series, asked);
  const isHeld = series.sampling === 'held' && !asked.aggregates.some(countsReadings);
  const points = isHeld
    ? heldPointsOf(store, series, standMs, fromMs, range.toMs)
    : pointsOf(store, [series], fromMs, range.toMs);
  for (const found of points) {
    if (found === undefined) yield undefined;
    else {
      yield* maker.add(found);
      yield undefined;
    }
  }
  yield* maker.finish();
}

/** Of several series of one agent, in one pass over its readings: each bucket as it closes. */
export function* bucketsOfMany(
  store: BucketStore,
  series: readonly SeriesInfo[],
  asked: BucketsAsked,
  range: TimeRange,
): Generator<{ readonly series: SeriesInfo; readonly bucket: Bucket } | undefined> {
  const makers = new Map(series.map((one) => [one.id, { series: one, ...makerOf(store, one, asked, range) }]));
  const fromMs = Math.min(...[...makers.values()].map((one) => one.fromMs));
  for (const found of pointsOf(store, series, fromMs, range.toMs)) {
    if (found === undefined) {
      yield undefined;
      continue;
    }
    const known = makers.get(found.series);
    if (known !== undefined) for (const bucket of known.maker.add(found)) yield { series: known.series, bucket };
    yield undefined;
  }
  for (const { series: one, maker } of makers.values()) {
    for (const bucket of maker.finish()) yield { series: one, bucket };
    yield undefined;
  }
}

function makerOf(
  store: BucketStore,
  series: SeriesInfo,
  asked: BucketsAsked,
  range: TimeRange,
): { readonly maker: ReadingBuckets; readonly fromMs: number } {
  const { grid, aggregates, nowMs } = asked;
  const standMs = aggregates.includes('twa') ? standOf(series, asked) : undefined;
  const fromMs = bucketOf(range.fromMs - (standMs ?? 0), hourMs);
  const hasBefore = aggregates.includes('rate') || aggregates.includes('delta');
  const previous: Reading | undefined = hasBefore ? lastReadingBefore(store, series, levels[0], fromMs) : undefined;
  const hasSketch = aggregates.some(isPercentile);
  const maker = new ReadingBuckets({
    grid,
    range,
    nowMs,
    standMs,
    hasSketch,
    hasRate: aggregates.includes('rate'),
    previous,
  });
  return { maker, fromMs };
}

/** How long a value of this series stands at most. */
function standOf(series: Pick<SeriesInfo, 'holdMs'>, { holdMs }: Pick<BucketsAsked, 'holdMs'>): number {
  return series.holdMs > 0 ? series.holdMs : holdMs;
}

/** Undefined for a bucket that holds nothing. Throws `query_invalid` where what a percentile needs was not kept. */
export function readBucket(
  bucket: Bucket,
  aggregates: readonly Aggregate[],
  series: SeriesInfo,
): ReadBucket | undefined {
  const isRecorded = bucket.partial.count > 0;
  if (!isRecorded && bucket.twa === null) return undefined;
  const cells = aggregates.map((name) => {
    const value = readAggregate(name, bucket);
    if (Number.isNaN(value)) throw noSketch(name, series);
    return value;
  });
  return { startMs: bucket.startMs, cells, isRecorded, cost: bucket.cost };
}

/** Not every agent keeps what a percentile needs, and means of percentiles are none. */
function noSketch(name: string, series: SeriesInfo): FoglineError {
  const why = `agg: ${name} was not kept with the windows of ${nameOf(series)}`;
  const fix = `add ${name} to compute of that pipeline, ask a stream of readings, or leave ${name} out`;
  return new FoglineError('query_invalid', `${why}; ${fix}`);
}
