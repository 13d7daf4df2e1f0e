/**
 * Largest-Triangle-Three-Buckets: the readings of one series that show its shape (S. Steinarsson, Downsampling Time Series for Visual
 * Representation, 2013). The first and the last stay; of each of `points − 2` runs of equal length that one stays which spans the largest triangle
 * with the one chosen before and the mean of the next run. Every point of the answer is a reading.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import type { Budget, SeriesPart } from './parts.ts';
import { pointsOf } from './points.ts';
import { readingsPerCost } from './reading-buckets.ts';
import { type Group, nameOf } from './series.ts';
import type { Choice } from './stream-choice.ts';
import type { TimeRange } from './time.ts';

export const lttbPointsMin = 3;
const readingsMax = 1_000_000;

/** Rows to keep, ascending; all when they are no more than `points`, which is at least 3. Times ascend. */
export function lttb(time: ArrayLike<number>, value: ArrayLike<number>, points: number): number[] {
  const count = time.length;
  if (count <= points) return Array.from({ length: count }, (_, row) => row);
  const kept = [0];
  const step = (count - 2) / (points - 2);
  const startOf = (run: number): number => Math.min(count - 1, Math.floor(run * step) + 1);
  for (let run = 0; run < points - 2; run++) {
    const from = startOf(run);
    const to = startOf(run + 1);
    const [nextTime, nextValue] = meanOf(time, value, to, run === points - 3 ? count : startOf(run + 2));
    kept.push(largest(time, value, from, to, kept.at(-1) ?? 0, nextTime, nextValue));
  }
  kept.push(count - 1);
  return kept;
}

/** Of rows [from, to), at least one. */
function meanOf(time: ArrayLike<number>, value: ArrayLike<number>, from: number, to: number): [number, number] {
  const origin = time[from] ?? 0;
  let times = 0;
  let values = 0;
  for (let row = from; row < to; row++) {
    times += (time[row] ?? 0) - origin;
    values += value[row] ?? 0;
  }
  return [origin + times / (to - from), values / (to - from)];
}

/** The row of [from, to) whose triangle with row `before` and the point of the next run is the largest; the first of equals. */
function largest(
  time: ArrayLike<number>,
  value: ArrayLike<number>,
  from: number,
  to: number,
  before: number,
  nextTime: number,
  nextValue: number,
): number {
  const beforeTime = time[before] ?? 0;
  const beforeValue = value[before] ?? 0;
  let best = from;
  let bestArea = -1;
  for (let row = from; row < to; row++) {
    const area = Math.abs(
      (beforeTime - nextTime) * ((value[row] ?? 0) - beforeValue) -
        (beforeTime - (time[row] ?? 0)) * (nextValue - beforeValue),
    );
    if (area <= bestArea) continue;
    best = row;
    bestArea = area;
  }
  return best;
}

/** Only streams of readings in numbers have a shape. Throws `query_invalid` when there is none. */
export function withShape(group: Group): Group {
  const members = group.members.filter(({ kind, type }) => kind === 'reading' && type !== 'text');
  const [first] = group.members;
  if (members.length === 0 && first !== undefined) {
    const what = first.type === 'text' ? 'text' : 'windows';
    throw refuse(`selects readings, and ${nameOf(first)} carries ${what}; leave downsample out`);
  }
  return { id: group.id, members };
}

/** Readings of one series within the range. */
export interface Columns {
  readonly time: number[];
  readonly value: number[];
}

/**
 * Readings of several series of one agent, in one pass; undefined when they are more than are looked at. Yields where others may
 * run. Throws `query_invalid` where readings are gone.
 */
export function* readColumns(
  store: Pick<StoreRead, 'rollups' | 'raw' | 'expiry'>,
  series: readonly SeriesInfo[],
  range: TimeRange,
): Generator<void, Map<number, Columns> | undefined> {
  const columns = new Map(series.map(({ id }): [number, Columns] => [id, { time: [], value: [] }]));
  let readings = 0;
  for (const found of pointsOf(store, series, range.fromMs, range.toMs)) {
    yield;
    const own = found === undefined ? undefined : columns.get(found.series);
    if (found === undefined || own === undefined) continue;
    for (let row = 0; row < found.count; row++) {
      const timeMs = found.time[row] ?? 0;
      if (timeMs < range.fromMs || timeMs >= range.toMs) continue;
      own.time.push(timeMs);
      own.value.push(found.value[row] ?? 0);
      readings++;
    }
    if (readings > readingsMax) return undefined;
  }
  return columns;
}

/** The part of one series, whole. Throws `query_invalid` where there are more readings than are looked at (no columns). */
export function lttbPart(
  { series, also }: Choice,
  columns: Columns | undefined,
  points: number,
  range: TimeRange,
  budget: Budget,
): SeriesPart {
  if (columns === undefined) throw tooMany(series);
  const { time, value } = columns;
  const rows = lttb(time, value, points);
  const times = rows.map((row) => time[row] ?? 0);
  budget.rows -= rows.length;
  budget.work -= Math.ceil(time.length / readingsPerCost);
  return {
    series,
    also,
    source: 'readings',
    level: undefined,
    columns: ['time', 'value'],
    values: [times, rows.map((row) => value[row] ?? 0)],
    recordedMs: times,
    coveredFromMs: range.fromMs,
    coveredToMs: range.toMs,
  };
}

function tooMany(series: SeriesInfo): FoglineError {
  return refuse(
    `looks at every reading, and ${nameOf(series)} has more than ${readingsMax} in this range; leave downsample out for the min/max envelope, which roll-ups answer, or narrow the range`,
  );
}

function refuse(message: string): FoglineError {
  return new FoglineError('query_invalid', `downsample: lttb ${message}`);
}
