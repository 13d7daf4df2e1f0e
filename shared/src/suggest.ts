/**
 * "Did you mean …?" for keys, commands and names: the nearest candidate, or none where a guess would be noise.
 */

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each cost 1. */
export function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const isSame = left[row - 1] === right[column - 1];
      let cost = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + (isSame ? 0 : 1),
      );
      const isSwap =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (isSwap) cost = Math.min(cost, (beforePrevious[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[right.length] ?? 0;
}

/** Case, `_` and `-` do not make two names different to a reader. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '');
}

const comparedCharsMax = 64;

/** The candidate nearest to `typed`: at most a third of its length away, ties by order. */
export function nearest(typed: string, candidates: Iterable<string>): string | undefined {
  const wanted = plainName(typed.slice(0, comparedCharsMax));
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const name = plainName(candidate.slice(0, comparedCharsMax));
    const isLonger = wanted.length >= 3 && name.startsWith(wanted);
    const distance = isLonger ? 1 : editDistance(wanted, name);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(typed: string, candidates: Iterable<string>): string {
  const guess = nearest(typed, candidates);
  return guess === undefined ? '' : ` (did you mean "${guess}"?)`;
}
