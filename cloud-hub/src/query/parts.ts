/** The part of a page that one series fills: buckets or items as columns, until the page is full. */

import { FoglineError } from '@fogline/shared/errors';
import type { RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo } from '../store/read.ts';
import { type Aggregate, defaultAggregates, isPercentile, readAggregate } from './aggregates.ts';
import type { Bucket } from './buckets.ts';
import { firstPlaceFrom, type Item, type Place } from './items.ts';
import { nameOf } from './series.ts';
import type { Choice } from './stream-choice.ts';
import { compact, type TimeRange } from './time.ts';

export type Value = number | string | boolean;

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

export function* bucketPart(
  choice: Choice,
  asked: readonly Aggregate[] | undefined,
  buckets: Iterable<Bucket | undefined>,
  range: TimeRange,
  from: Place,
  budget: Budget,
): Generator<void, Answered> {
  const names = asked ?? defaultAggregates(choice.series.sampling);
  const values: Value[][] = [[], ...names.map(() => [])];
  let stoppedAt: Place | undefined;
  for (const bucket of buckets) {
    if (bucket === undefined) {
      yield;
      continue;
    }
    if (budget.rows === 0 || budget.work <= 0) {
      stoppedAt = firstPlaceFrom(bucket.startMs);
      break;
    }
    if (bucket.partial.count === 0) continue;
    budget.rows--;
    budget.work -= bucket.rows;
    values[0]?.push(bucket.startMs);
    names.forEach((name, column) => {
      const value = readAggregate(name, bucket.partial);
      if (Number.isNaN(value) && isPercentile(name)) throw noSketch(name, choice.series);
      values[column + 1]?.push(value);
    });
  }
  const part = {
    series: choice.series,
    source: choice.level === undefined ? 'readings' : compact(choice.level),
    level: choice.level,
    also: choice.also,
    columns: ['time', ...names],
    values,
    coveredFromMs: from[0],
    coveredToMs: stoppedAt?.[0] ?? range.toMs,
  };
  return { part, stoppedAt };
}

/** Not every agent keeps what a percentile needs, and means of percentiles are none. */
function noSketch(name: string, series: SeriesInfo): FoglineError {
  const why = `agg: ${name} was not kept with the windows of ${nameOf(series)}`;
  const fix = `add ${name} to compute of that pipeline, ask a stream of readings, or leave ${name} out`;
  return new FoglineError('query_invalid', `${why}; ${fix}`);
}

const qualities = ['good', 'uncertain', 'bad'] as const;
const readingColumns = ['time', 'value', 'quality'] as const;
const windowColumns = ['time', 'widthMs', 'isDelta', 'count', 'mean', 'min', 'max', 'first', 'last'] as const;

export function* itemPart(
  choice: Choice,
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
    budget.rows--;
    budget.work--;
    rowOf(item).forEach((value, column) => values[column]?.push(value));
  }
  const part = {
    series: choice.series,
    source: isWindow ? 'windows' : 'readings',
    level: undefined,
    also: choice.also,
    columns,
    values,
    coveredFromMs: from[0],
    coveredToMs: stoppedAt?.[0] ?? range.toMs,
  };
  return { part, stoppedAt };
}

function rowOf(item: Item): Value[] {
  const [timeMs] = item.place;
  if ('value' in item) return [timeMs, item.value, qualities[item.quality] ?? 'bad'];
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
