/** The aggregates that configurations and queries name, read from exact partials and rounded once. */
import type { Partial } from './partial.ts';

export const plainAggregates = ['min', 'max', 'mean', 'sum', 'count', 'first', 'last', 'stddev'] as const;
type Plain = (typeof plainAggregates)[number];
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

/** `p95`, `p99.9`; from p0 to p100. */
export function isPercentile(aggregate: string): aggregate is Percentile {
  return percentilePattern.test(aggregate);
}

export function isAggregate(name: string): name is Aggregate {
  return plainAggregates.some((known) => known === name) || isPercentile(name);
}
