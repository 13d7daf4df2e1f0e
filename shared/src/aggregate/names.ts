/** The aggregates that can be read of a partial, by the names that configurations and queries use. */
import type { Partial } from './partial.ts';

export const plainAggregates = ['mean', 'min', 'max', 'count', 'sum', 'first', 'last', 'stddev'] as const;
export type PlainAggregate = (typeof plainAggregates)[number];
/** `p50`, `p99.9`: between 0 and 100, which are min and max; at most three decimals. */
export type Percentile = `p${number}`;
export type Aggregate = PlainAggregate | Percentile;

const percentilePattern = /^p(?!0*(?:\.0*)?$)\d{1,2}(?:\.\d{1,3})?$/;

const readers: Readonly<Record<PlainAggregate, (partial: Partial) => number>> = {
  mean: (partial) => partial.mean(),
  min: (partial) => partial.min,
  max: (partial) => partial.max,
  count: (partial) => partial.count,
  sum: (partial) => partial.sumValue(),
  first: (partial) => partial.firstValue,
  last: (partial) => partial.lastValue,
  /** Population standard deviation. */
  stddev: (partial) => partial.stddev(),
};

export function isPercentile(name: string): name is Percentile {
  return percentilePattern.test(name);
}

export function isAggregate(name: string): name is Aggregate {
  return Object.hasOwn(readers, name) || isPercentile(name);
}

/** `name` is an aggregate, as `isAggregate` tells; NaN for a percentile of a partial without a sketch. */
export function readAggregate(name: string, partial: Partial): number {
  return isPercentile(name) ? partial.quantile(Number(name.slice(1)) / 100) : readers[name as PlainAggregate](partial);
}
