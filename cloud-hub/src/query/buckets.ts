/**
 * One series in buckets: exact partials of one roll-up level merged to the width asked for, or of the readings themselves where no level
 * will do; rounded once at the end. Equal to a computation over the readings, in every bucket, by construction: buckets consist of
 * whole buckets of the level, and partials are exact.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { quality } from '@fogline/shared/reading';
import type { RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import type { Grid } from './grid.ts';
import { firstPlaceFrom, itemsOf } from './items.ts';

export interface Bucket {
  readonly startMs: number;
  readonly partial: Partial;
  /** Of the roll-up, that it was made of. */
  readonly rows: number;
}

const rowsPerTurn = 2_000;

/**
 * Buckets that hold something, ascending, from `fromMs` (a bucket start) on. Now and then it yields nothing instead, so that
 * others may run; it re-reads from a bucket's start afterwards, so that a bucket is never half from before and half after.
 */
export function* bucketsOf(
  store: Pick<StoreRead, 'rollups'>,
  seriesId: number,
  level: RollupLevelMs,
  grid: Grid,
  fromMs: number,
  toMs: number,
): Generator<Bucket | undefined> {
  for (let start = fromMs; start < toMs; ) {
    let rows = 0;
    let open: { startMs: number; partial: Partial; rows: number } | undefined;
    let endMs = Number.NEGATIVE_INFINITY;
    const from = start;
    start = toMs;
    for (const row of store.rollups(seriesId, level, from, toMs)) {
      if (open !== undefined && row.startMs >= endMs) {
        yield open;
        open = undefined;
        if (rows >= rowsPerTurn) {
          start = grid.startOf(row.startMs);
          break;
        }
      }
      rows++;
      const partial = Partial.decode(row.partial);
      if (open === undefined) {
        const startMs = grid.startOf(row.startMs);
        endMs = grid.endOf(startMs);
        open = { startMs, partial, rows: 1 };
      } else {
        open.partial.merge(partial);
        open.rows++;
      }
    }
    if (open !== undefined) yield open;
    if (start < toMs) yield undefined;
  }
}

/**
 * The same from the readings of a series: with a sketch, so that they have percentiles. `bad` readings and text enter no bucket. Yields nothing
 * now and then, so that others may run; readings that arrive meanwhile may or may not be seen.
 */
export function* bucketsOfReadings(
  store: Pick<StoreRead, 'raw'>,
  series: SeriesInfo,
  grid: Grid,
  fromMs: number,
  toMs: number,
): Generator<Bucket | undefined> {
  let open: { startMs: number; partial: Partial; rows: number } | undefined;
  let endMs = Number.NEGATIVE_INFINITY;
  for (const item of itemsOf(store, series, firstPlaceFrom(fromMs), toMs)) {
    if (item === undefined) {
      yield undefined;
      continue;
    }
    if (!('value' in item) || typeof item.value === 'string' || item.quality === quality.bad) continue;
    const [timeMs] = item.place;
    if (open !== undefined && timeMs >= endMs) {
      yield open;
      open = undefined;
    }
    if (open === undefined) {
      const startMs = grid.startOf(timeMs);
      endMs = grid.endOf(startMs);
      open = { startMs, partial: Partial.empty({ sketch: true }), rows: 0 };
    }
    open.partial.add(timeMs, item.value);
    open.rows++;
  }
  if (open !== undefined) yield open;
}
