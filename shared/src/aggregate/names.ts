/** The aggregates that can be read of a partial, by the names that configurations and queries use. */
import type { Partial } from './partial.ts';

export const plainAggregates = ['mean', 'min', 'max', 'count', 'sum', 'first', 'last', 'stddev'] as const;
export type PlainAggregate = (typeof plainAggregates)[number];
/** `p50`, `p99.9`: between 0 and 100, which are min and max; at most three decimals. */
export type Percentile = `p${number}`;
export type Aggregate = PlainAggregate | Percentile;

const percentilePattern = /^p(?!0*(?:\.0*)?$)\d{1,2}(?:\.\d{1,3})?$/;

/** What is read of a spread in the same way. */
const spreadReaders = {
  min: ({ min }: Spread) => min,
  max: ({ max }: Spread) => max,
  count: ({ count }: Spread) => count,
  first: ({ firstValue }: Spread) => firstValue,
  last: ({ lastValue }: Spread) => lastValue,
  mean: (spread: Spread) => spread.mean(),
  sum: (spread: Spread) => spread.sumValue(),
} as const;
export type SpreadAggregate = keyof typeof spreadReaders;
type Spread = Pick<Partial, 'min' | 'max' | 'count' | 'firstValue' | 'lastValue' | 'mean' | 'sumValue'>;

const readers: Readonly<Record<PlainAggregate, (partial: Partial) => number>> = {
  ...spreadReaders,
  /** Population standard deviation. */
  stddev: (partial) => partial.stddev(),
};

export function isPercentile(name: string): name is Percentile {
  return percentilePattern.test(name);
}

export function isAggregate(name: string): name is Aggregate {
  return Object.hasOwn(readers, name) || isPercentile(name);
}

export function isOfSpread(name: string): name is SpreadAggregate {
  return Object.hasOwn(spreadReaders, name);
}

export function readSpread(name: SpreadAggregate, spread: Spread): number {
  return spreadReaders[name](spread);
}

/** `name` is an aggregate, as `isAggregate` tells; NaN for a percentile of a partial without a sketch. */
export function readAggregate(name: string, partial: Partial): number {
  return isPercentile(name) ? partial.quantile(Number(name.slice(1)) / 100) : readers[name as PlainAggregate](partial);
}
