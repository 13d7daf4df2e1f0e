/**
 * The aggregates a bucket can be asked for, read from exact partials and rounded once. Which of them a series may be asked for
 * follows its sampling: where readings were left out upstream, count, sum, mean, stddev and percentiles would mislead and are refused.
 */
import type { Partial } from '@fogline/shared/aggregate/partial';
import { FoglineError } from '@fogline/shared/errors';
import type { Sampling } from '@fogline/shared/reading';
import { didYouMean } from '@fogline/shared/suggest';

export const aggregates = ['min', 'max', 'mean', 'sum', 'count', 'first', 'last', 'stddev'] as const;
type Plain = (typeof aggregates)[number];
export type Percentile = `p${number}`;
export type Aggregate = Plain | Percentile;

const readers: Readonly<Record<Plain, (partial: Partial) => number>> = {
  min: (partial) => partial.min,
  max: (partial) => partial.max,
  mean: (partial) => partial.mean(),
  sum: (partial) => partial.sumValue(),
  count: (partial) => partial.count,
  first: (partial) => partial.firstValue,
  last: (partial) => partial.lastValue,
  /** Population standard deviation. */
  stddev: (partial) => partial.stddev(),
};

/** NaN for a percentile of a partial without a sketch. */
export function readAggregate(aggregate: Aggregate, partial: Partial): number {
  return isPercentile(aggregate) ? partial.quantile(Number(aggregate.slice(1)) / 100) : readers[aggregate](partial);
}

const percentilePattern = /^p(\d{1,2}(?:\.\d{1,3})?|100)$/;

export function isPercentile(aggregate: string): aggregate is Percentile {
  return percentilePattern.test(aggregate);
}

const needsEveryReading: ReadonlySet<Aggregate> = new Set(['mean', 'sum', 'count', 'stddev']);

export function defaultAggregates(sampling: Sampling): readonly Aggregate[] {
  return sampling === 'all' ? ['mean', 'min', 'max', 'count'] : ['last'];
}

/** Those of `asked` that would mislead over this sampling. */
export function misleading(sampling: Sampling, asked: readonly Aggregate[]): Aggregate[] {
  return sampling === 'all'
    ? []
    : asked.filter((aggregate) => isPercentile(aggregate) || needsEveryReading.has(aggregate));
}

const hints: Readonly<Record<string, string>> = { avg: 'mean', median: 'p50' };

/** `min,max` → names in the order asked, each once. Throws `query_invalid`. */
export function parseAggregates(text: string): readonly Aggregate[] {
  const names = text.split(',').map((name) => name.trim());
  const found = names.map((name): Aggregate => {
    if (isPercentile(name)) return name;
    const aggregate = aggregates.find((known) => known === name);
    if (aggregate !== undefined) return aggregate;
    const hint = hints[name] === undefined ? didYouMean(name, aggregates) : ` (did you mean "${hints[name]}"?)`;
    const known = `${aggregates.join(', ')}, or a percentile such as p95`;
    throw new FoglineError('query_invalid', `agg: "${name.slice(0, 40)}" is none of ${known}${hint}`);
  });
  return [...new Set(found)];
}
