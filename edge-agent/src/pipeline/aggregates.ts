/** The aggregates that can be computed of a window on the agent, by the names that configurations use. */
import type { Partial } from '@fogline/shared/aggregate/partial';

export const aggregateNames = ['mean', 'min', 'max', 'count', 'sum', 'first', 'last', 'stddev'] as const;
type Plain = (typeof aggregateNames)[number];

const percentilePattern = /^p(\d{1,2}(\.\d{1,3})?)$/;

const readers: Readonly<Record<Plain, (partial: Partial) => number>> = {
  mean: (partial) => partial.mean(),
  min: (partial) => partial.min,
  max: (partial) => partial.max,
  count: (partial) => partial.count,
  sum: (partial) => partial.sumValue(),
  first: (partial) => partial.firstValue,
  last: (partial) => partial.lastValue,
  stddev: (partial) => partial.stddev(),
};

export function isPercentile(name: string): boolean {
  const match = percentilePattern.exec(name);
  return match !== null && Number(match[1]) > 0;
}

export function isAggregate(name: string): boolean {
  return Object.hasOwn(readers, name) || isPercentile(name);
}

/** `name` is an aggregate; NaN for a percentile of a partial without a sketch. */
export function aggregateOf(name: string, partial: Partial): number {
  return isPercentile(name) ? partial.quantile(Number(name.slice(1)) / 100) : readers[name as Plain](partial);
}
