/** What is left of a stream after operators that let only some readings pass (DESIGN §3). */
import { type Sampling, type SeriesDefinition, samplings } from '@fogline/shared/reading';

type Class = Pick<SeriesDefinition, 'sampling' | 'holdMs'>;

/** The lossier of two; of two that hold one after the other, the longer hold: a value can only be told again when it is told at all. */
export function lossiest(a: Class, b: Class): Class {
  const rank = (sampling: Sampling): number => samplings.indexOf(sampling);
  const sampling = rank(a.sampling) >= rank(b.sampling) ? a.sampling : b.sampling;
  const holds = [a, b].filter((one) => one.sampling === 'held').map(({ holdMs }) => holdMs);
  return { sampling, holdMs: sampling === 'held' ? Math.max(...holds) : 0 };
}
