/** The part of a page that one series fills: buckets or items as columns, until the page is full. */

import type { RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo } from '../store/read.ts';
import type { Aggregate } from './aggregates.ts';
import { type BucketRow, bucketRows, coveredFrom, type Fill, type ReadBucket } from './bucket-rows.ts';
import type { Grid } from './grid.ts';
import type { Item, Place } from './items.ts';
import type { Choice } from './stream-choice.ts';
import { compact, type TimeRange } from './time.ts';

export type Value = number | string | boolean | null;

export interface SeriesPart {
  readonly series: SeriesInfo;
  /** Name of the roll-up level, or `readings` or `windows`. */
  readonly source: string;
  readonly level: RollupLevelMs | undefined;
  readonly also: readonly SeriesInfo[];
  /** Column names; `time` comes first. */
  readonly columns: readonly string[];
  /** One array per column, all of one length. */
  readonly values: readonly (readonly Value[])[];
  /** Starts of the buckets, or times of the items, that were recorded: all but what `fill` put there. */
  readonly recordedMs: readonly number[];
  /** What this page says about: half open. */
  readonly coveredFromMs: number;
  readonly coveredToMs: number;
}

/** What is left of a page: rows of the answer, and rows of the store to be looked at. */
export interface Budget {
  rows: number;
  work: number;
}

export interface Answered {
  readonly part: SeriesPart;
  /** Where the next page goes on in this series; undefined = it ends here. */
  readonly stoppedAt: Place | undefined;
}

export interface BucketQuestion {
  readonly grid: Grid;
  readonly fill: Fill | undefined;
  readonly aggregates: readonly Aggregate[];
  readonly nowMs: number;
}

export function* bucketPart(
  choice: Choice,
  { grid, fill, aggregates, nowMs }: BucketQuestion,
  buckets: Iterable<ReadBucket | undefined>,
  range: TimeRange,
  from: Place,
  budget: Budget,
): Generator<void, Answered> {
  const values: Value[][] = [[], ...aggregates.map(() => [])];
  const recordedMs: number[] = [];
  let stopped: BucketRow | undefined;
  for (const row of bucketRows(buckets, { grid, fill, from, toMs: range.toMs, nowMs, columns: aggregates.length })) {
    if (row === undefined) {
      yield;
      continue;
    }
    if (budget.rows === 0 || budget.work <= 0) {
      stopped = row;
      break;
    }
    budget.rows--;
    budget.work -= row.cost;
    if (row.isRecorded) recordedMs.push(row.startMs);
    values[0]?.push(row.startMs);
    row.cells.forEach((cell, column) => values[column + 1]?.push(cell));
  }
  const part = {
    series: choice.series,
    source: choice.level === undefined ? 'readings' : compact(choice.level),
    level: choice.level,
    also: choice.also,
    columns: ['time', ...aggregates],
    values,
    recordedMs,
    coveredFromMs: coveredFrom(from, grid),
    coveredToMs: stopped?.startMs ?? range.toMs,
  };
  return { part, stoppedAt: stopped?.place };
}

export const qualityNames = ['good', 'uncertain', 'bad'] as const;
export type Quality = (typeof qualityNames)[number];

export const readingColumns = ['time', 'value', 'quality'] as const;
const windowColumns = ['time', 'widthMs', 'isDelta', 'count', 'mean', 'min', 'max', 'first', 'last'] as const;

export function* itemPart(
  choice: Choice,
  qualities: readonly Quality[] | undefined,
  items: Iterable<Item | undefined>,
  range: TimeRange,
  from: Place,
  budget: Budget,
): Generator<void, Answered> {
  const isWindow = choice.series.kind === 'window';
  const columns = isWindow ? windowColumns : readingColumns;
  const values: Value[][] = columns.map(() => []);
  let stoppedAt: Place | undefined;
  for (const item of items) {
    if (item === undefined) {
      yield;
      continue;
    }
    if (budget.rows === 0 || budget.work <= 0) {
      stoppedAt = item.place;
      break;
    }
    budget.work--;
    if (qualities !== undefined && 'value' in item && !qualities.includes(qualityNames[item.quality] ?? 'bad'))
      continue;
    budget.rows--;
    rowOf(item).forEach((value, column) => values[column]?.push(value));
  }
  const part = {
    series: choice.series,
    source: isWindow ? 'windows' : 'readings',
    level: undefined,
    also: choice.also,
    columns,
    values,
    recordedMs: values[0] as number[],
    coveredFromMs: from[0],
    coveredToMs: stoppedAt?.[0] ?? range.toMs,
  };
  return { part, stoppedAt };
}

function rowOf(item: Item): Value[] {
  const [timeMs] = item.place;
  if ('value' in item) return [timeMs, item.value, qualityNames[item.quality] ?? 'bad'];
  const { widthMs, isDelta, partial } = item;
  return [
    timeMs,
    widthMs,
    isDelta,
    partial.count,
    partial.mean(),
    partial.min,
    partial.max,
    partial.firstValue,
    partial.lastValue,
  ];
}
