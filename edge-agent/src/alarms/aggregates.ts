/** What an alarm reads from the partial of a window. */
import type { Partial } from '@fogline/shared/aggregate/partial';

/** NaN when the partial has no such value. */
export function aggregateOf(partial: Partial, aggregate: string): number {
  switch (aggregate) {
    case 'mean':
      return partial.mean();
    case 'min':
      return partial.min;
    case 'max':
      return partial.max;
    case 'count':
      return partial.count;
    case 'sum':
      return partial.sumValue();
    case 'first':
      return partial.firstValue;
    case 'last':
      return partial.lastValue;
    default:
      return partial.quantile(Number(aggregate.slice(1)) / 100);
  }
}
