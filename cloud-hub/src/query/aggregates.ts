/**
 * The aggregates a bucket can be asked for, read from exact partials and rounded once. Which of them a series may be asked for
 * follows its sampling: where readings were left out upstream, count, sum, mean and stddev would mislead and are refused.
 */
import type { Partial } from '@fogline/shared/aggregate/partial';
import { FoglineError } from '@fogline/shared/errors';
import type { Sampling } from '@fogline/shared/reading';
import { didYouMean } from '@fogline/shared/suggest';

export const aggregates = ['min', 'max', 'mean', 'sum', 'count', 'first', 'last', 'stddev'] as const;
export type Aggregate = (typeof aggregates)[number];

const readers: Readonly<Record<Aggregate, (partial: Partial) => number>> = {
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

export function readAggregate(aggregate: Aggregate, partial: Partial): number {
  return readers[aggregate](partial);
}

const needsEveryReading: ReadonlySet<Aggregate> = new Set(['mean', 'sum', 'count', 'stddev']);

export function defaultAggregates(sampling: Sampling): readonly Aggregate[] {
  return sampling === 'all' ? ['mean', 'min', 'max', 'count'] : ['last'];
}

/** Those of `asked` that would mislead over this sampling. */
export function misleading(sampling: Sampling, asked: readonly Aggregate[]): Aggregate[] {
  return sampling === 'all' ? [] : asked.filter((aggregate) => needsEveryReading.has(aggregate));
}

/** `min,max` → names in the order asked, each once. Throws `query_invalid`. */
export function parseAggregates(text: string): readonly Aggregate[] {
  const names = text.split(',').map((name) => name.trim());
  const found = names.map((name) => {
    const aggregate = aggregates.find((known) => known === name);
    if (aggregate !== undefined) return aggregate;
    const hint = name === 'avg' ? ' (did you mean "mean"?)' : didYouMean(name, aggregates);
    throw new FoglineError('query_invalid', `agg: "${name.slice(0, 40)}" is none of ${aggregates.join(', ')}${hint}`);
  });
  return [...new Set(found)];
}
