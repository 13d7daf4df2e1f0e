/**
 * The aggregates a bucket can be asked for, read from exact partials and rounded once. Which of them a series may be asked for
 * follows its sampling: where readings were left out upstream, count, sum, mean, stddev and percentiles would mislead and are refused.
 */
import {
  isOfSpread,
  isPercentile,
  type Percentile,
  plainAggregates,
  readAggregate as readPartial,
  readSpread,
} from '@fogline/shared/aggregate/names';
import { Partial } from '@fogline/shared/aggregate/partial';
import { FoglineError, invariant } from '@fogline/shared/errors';
import type { Sampling } from '@fogline/shared/reading';
import { didYouMean } from '@fogline/shared/suggest';
import type { SeriesInfo } from '../store/read.ts';
import type { Bucket } from './buckets.ts';

/** Those of partials, and those that need what stands around a bucket. */
export const aggregates = [...plainAggregates, 'twa', 'rate', 'delta'] as const;
export type Aggregate = (typeof aggregates)[number] | Percentile;

/** Null where a bucket has none; NaN for a percentile of a partial without a sketch. */
export function readAggregate(aggregate: Aggregate, { partial, before, twa, rate }: Bucket): number | null {
  if (aggregate === 'twa') return twa;
  if (aggregate === 'rate') return rate;
  if (partial.count === 0) return aggregate === 'count' ? 0 : null;
  if (aggregate === 'delta') return partial.lastValue - (before ?? partial.firstValue);
  if (isOfSpread(aggregate)) return readSpread(aggregate, partial);
  invariant(partial instanceof Partial, 'a whole partial where it is asked for');
  return readPartial(aggregate, partial);
}

/** Those for which a spread is not enough. */
export function needsPartial(aggregate: Aggregate): boolean {
  return !isOfSpread(aggregate) && aggregate !== 'delta';
}

/** Those of a spread that are read of its sum. */
export function needsSum(aggregate: Aggregate): boolean {
  return aggregate === 'mean' || aggregate === 'sum';
}

/** Those that follow the readings one after the other, so that windows cannot have them. */
export function isOfReadings(aggregate: Aggregate): boolean {
  return aggregate === 'twa' || aggregate === 'rate';
}

const countEveryReading: ReadonlySet<Aggregate> = new Set(['mean', 'sum', 'count', 'stddev']);

/** Those for which the first and last of equal readings are not enough. */
export function countsReadings(aggregate: Aggregate): boolean {
  return isPercentile(aggregate) || countEveryReading.has(aggregate);
}

export function defaultAggregates({ sampling, kind }: Pick<SeriesInfo, 'sampling' | 'kind'>): readonly Aggregate[] {
  if (sampling === 'all') return ['mean', 'min', 'max', 'count'];
  return sampling === 'held' && kind === 'reading' ? ['twa', 'last'] : ['last'];
}

/** Those of `asked` that would mislead over this sampling. */
export function misleading(sampling: Sampling, asked: readonly Aggregate[]): Aggregate[] {
  if (sampling === 'all') return [];
  return asked.filter((aggregate) => countsReadings(aggregate) || (sampling === 'subset' && isOfReadings(aggregate)));
}

const hints: Readonly<Record<string, string>> = {
  avg: 'mean',
  average: 'mean',
  median: 'p50',
  p0: 'min',
  p100: 'max',
  time_weighted_average: 'twa',
  increase: 'delta',
  derivative: 'rate',
  std: 'stddev',
};

/** `min,max` → names in the order asked, each once. Throws `query_invalid`. */
export function parseAggregates(text: string): readonly Aggregate[] {
  const names = text.split(',').map((name) => name.trim());
  const found = names.map((name): Aggregate => {
    if (isPercentile(name)) return name;
    const aggregate = aggregates.find((known) => known === name);
    if (aggregate !== undefined) return aggregate;
    const hint = Object.hasOwn(hints, name) ? ` (did you mean "${hints[name]}"?)` : didYouMean(name, aggregates);
    const known = `${aggregates.join(', ')}, or a percentile such as p95`;
    throw new FoglineError('query_invalid', `agg: "${name.slice(0, 40)}" is none of ${known}${hint}`);
  });
  return [...new Set(found)];
}
