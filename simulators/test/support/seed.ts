/**
 * A seed decides what a test does to the processes and in which order; the moments at which that hits them are the machine's. So a replay
 * repeats the schedule, and usually the failure.
 */
import { env } from 'node:process';
import { SeededRandom } from '@fogline/shared/random';

export interface Seeded {
  readonly seed: number;
  readonly random: SeededRandom;
}

/** Runs `work` with the seed of FOGLINE_SEED, else with `usual`; a failure names the seed and how to run it again. */
export async function withSeed(test: string, usual: number, work: (seeded: Seeded) => Promise<void>): Promise<void> {
  const seed = Number(env['FOGLINE_SEED'] ?? usual);
  try {
    await work({ seed, random: new SeededRandom(seed) });
  } catch (error) {
    const mode = test.endsWith('.long.test.ts') ? ' --mode long' : '';
    const again = `FOGLINE_SEED=${seed} npm exec -- vitest run${mode} ${test}`;
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}\nreplay: ${again}`, {
      cause: error,
    });
  }
}
