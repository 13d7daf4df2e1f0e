/**
 * From buckets that hold something to the rows of an answer, with what stands in the empty ones between them. Every row knows the place
 * from which it can be told again, so that a page may end anywhere, also between two readings that are a year apart.
 */
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import type { Grid } from './grid.ts';
import { firstPlaceFrom, type Place } from './items.ts';

const fills = ['null', 'previous', 'linear'] as const;
/** What stands in an empty bucket: nothing known, the last value, a straight line between its neighbours, or a number. */
export type Fill = (typeof fills)[number] | number;

/** Throws `query_invalid`. */
export function parseFill(text: string): Fill | undefined {
  if (text === 'none') return undefined;
  const fill = fills.find((known) => known === text);
  if (fill !== undefined) return fill;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  const known = ['none', ...fills];
  const hint = didYouMean(text, known);
  throw new FoglineError(
    'query_invalid',
    `fill: "${text.slice(0, 40)}" is none of ${known.join(', ')}, or a number such as 0${hint}`,
  );
}

export interface BucketRow {
  readonly startMs: number;
  readonly cells: readonly (number | null)[];
  /** False: no reading is in it, a value stood or `fill` put the cells. */
  readonly isRecorded: boolean;
  /** Rows of the store that it cost. */
  readonly cost: number;
  /** Where a page that begins with this row begins. */
  readonly place: Place;
}

/** A bucket that holds something, read. */
export interface ReadBucket {
  readonly startMs: number;
  readonly cells: readonly (number | null)[];
  /** False: no reading is in it, a value only stood. */
  readonly isRecorded: boolean;
  readonly cost: number;
}

export interface BucketRowsOptions {
  readonly grid: Grid;
  readonly fill: Fill | undefined;
  readonly from: Place;
  /** Rows begin before it. */
  readonly toMs: number;
  /** Nothing is put into buckets that begin later. */
  readonly nowMs: number;
  /** How many cells a row has. */
  readonly columns: number;
}

/** A place after a recorded bucket: its start, how many empty ones after it were told, and this. */
const afterBucket = 1;

/** The first bucket that a page from `place` is about. */
export function coveredFrom(place: Place, grid: Grid): number {
  const [startMs, told, kind] = place;
  if (kind !== afterBucket) return startMs;
  let next = grid.endOf(startMs);
  for (let i = 0; i < told; i++) next = grid.endOf(next);
  return next;
}

/** `buckets` ascend from the time of `from`; nothing between them means that others may run. */
export function* bucketRows(
  buckets: Iterable<ReadBucket | undefined>,
  { grid, fill, from, toMs, nowMs, columns }: BucketRowsOptions,
): Generator<BucketRow | undefined> {
  let last: Known;
  let told = 0;
  let next = coveredFrom(from, grid);
  const toldStart = from[2] === afterBucket ? from[0] : undefined;
  function* empties(untilMs: number, after?: Known): Generator<BucketRow> {
    if (fill === undefined) return;
    for (; next < untilMs; told++) {
      const place: Place = last === undefined ? firstPlaceFrom(next) : [last.startMs, told, afterBucket];
      const cells = Array.from({ length: columns }, (_, column) => filled(fill, column, next, last, after));
      yield { startMs: next, cells, isRecorded: false, cost: 0, place };
      next = grid.endOf(next);
    }
  }
  for (const bucket of buckets) {
    if (bucket === undefined) {
      yield undefined;
      continue;
    }
    const { startMs, cells } = bucket;
    if (startMs === toldStart) {
      told = from[1];
    } else {
      yield* empties(startMs, { startMs, cells });
      yield { ...bucket, place: firstPlaceFrom(startMs) };
      told = 0;
      next = grid.endOf(startMs);
    }
    last = { startMs, cells };
  }
  yield* empties(Math.min(toMs, nowMs));
}

type Known = { readonly startMs: number; readonly cells: readonly (number | null)[] } | undefined;

function filled(fill: Fill, column: number, startMs: number, last: Known, next: Known): number | null {
  if (typeof fill === 'number') return fill;
  const before = last?.cells[column];
  const after = next?.cells[column];
  if (fill === 'null' || before === undefined || before === null || last === undefined) return null;
  if (fill === 'previous') return before;
  if (after === undefined || after === null || next === undefined) return null;
  return before + ((after - before) * (startMs - last.startMs)) / (next.startMs - last.startMs);
}
