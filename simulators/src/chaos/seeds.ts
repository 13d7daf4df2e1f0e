/** Several seeds, some at a time. */
import { FoglineError } from '@fogline/shared/errors';

const seedsMax = 100_000;

/** `100..159`, both ends included. Throws `usage`. */
export function parseSeeds(text: string): number[] {
  const match = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first) throw new FoglineError('usage', `--seeds: "${text}" is not FIRST..LAST`);
  if (last - first >= seedsMax) throw new FoglineError('usage', `--seeds: at most ${seedsMax} at a time`);
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Runs `work` on every seed, at most `jobs` at once; begins none once `stopping` is aborted. */
export async function eachSeed(
  seeds: readonly number[],
  jobs: number,
  stopping: AbortSignal,
  work: (seed: number) => Promise<void>,
): Promise<void> {
  const left = seeds.values();
  const worker = async (): Promise<void> => {
    for (const seed of left) {
      if (stopping.aborted) return;
      await work(seed);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, seeds.length) }, worker));
}
