/**
 * One series in buckets: exact partials of one roll-up level merged to the width asked for, rounded once at the end. Equal to a
 * computation over the readings themselves, in every bucket, by construction: levels divide widths and partials are exact.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { bucketOf, type RollupLevelMs } from '../store/levels.ts';
import type { StoreRead } from '../store/read.ts';

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
  everyMs: number,
  fromMs: number,
  toMs: number,
): Generator<Bucket | undefined> {
  for (let start = fromMs; start < toMs; ) {
    let rows = 0;
    let open: { startMs: number; partial: Partial; rows: number } | undefined;
    const from = start;
    start = toMs;
    for (const row of store.rollups(seriesId, level, from, toMs)) {
      const startMs = bucketOf(row.startMs, everyMs);
      if (open !== undefined && open.startMs !== startMs) {
        yield open;
        open = undefined;
        if (rows >= rowsPerTurn) {
          start = startMs;
          break;
        }
      }
      rows++;
      const partial = Partial.decode(row.partial);
      if (open === undefined) open = { startMs, partial, rows: 1 };
      else {
        open.partial.merge(partial);
        open.rows++;
      }
    }
    if (open !== undefined) yield open;
    if (start < toMs) yield undefined;
  }
}
