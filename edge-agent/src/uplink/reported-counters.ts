/**
 * Which counters a report carries: all of them, or, beyond the limit of a message, those that are few and matter first, then the largest of
 * each kind; the others as one sum, and how many they are, so that nothing is left out in silence.
 */
import { protocolLimits } from '@fogline/shared/protocol/limits';

type Counter = readonly [name: string, value: number];

/** Kinds of which there are as many as sources and pipelines, in the order in which they are kept. Others come before them. */
const numerous = ['rejected.', 'filtered.', 'file.'] as const;
export const othersSum = 'others.sum';
export const othersNames = 'others.names';

export function reportedCounters(counters: readonly Counter[]): readonly Counter[] {
  const most = protocolLimits.countersMax;
  if (counters.length <= most) return counters;
  const ranked = counters.toSorted(
    ([a, countOfA], [b, countOfB]) => kindOf(a) - kindOf(b) || countOfB - countOfA || (a < b ? -1 : 1),
  );
  const left = ranked.slice(most - 2);
  const sum = left.reduce((total, [, count]) => total + count, 0);
  return [...ranked.slice(0, most - 2), [othersSum, sum], [othersNames, left.length]];
}

function kindOf(name: string): number {
  return numerous.findIndex((prefix) => name.startsWith(prefix));
}
