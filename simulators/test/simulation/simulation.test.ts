/**
 * Thousands of random schedules (P1 to P4). A failure names its seed; replay one with
 *   FOGLINE_SEED=123 npx vitest run simulators/test/simulation
 */
import { env } from 'node:process';
import { describe, expect, it } from 'vitest';
import { CheckFailed } from './checks.ts';
import { type Canary, runSchedule } from './schedule.ts';

const seedOf = env.FOGLINE_SEED;
const schedules = Number(env.FOGLINE_SCHEDULES ?? 1000);
const seeds = seedOf === undefined ? Array.from({ length: schedules }, (_, i) => i + 1) : [Number(seedOf)];

function runAll(hasLoss: boolean): { readings: number; crashes: number; hubCrashes: number } {
  const total = { readings: 0, crashes: 0, hubCrashes: 0 };
  for (const seed of seeds) {
    try {
      const outcome = runSchedule({ seed, steps: 120, hasLoss });
      total.readings += outcome.readings;
      total.crashes += outcome.crashes;
      total.hubCrashes += outcome.hubCrashes;
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return total;
}

describe('simulation from a seed', () => {
  it('delivers exactly once, with equal bytes, over any crashes, cuts, duplicates, ghosts and restores', {
    timeout: 600_000,
  }, () => {
    const total = runAll(false);
    expect(total.readings).toBeGreaterThan(seeds.length);
  });

  it('declares every loss when the buffer is too small', { timeout: 600_000 }, () => {
    const total = runAll(true);
    expect(total.readings).toBeGreaterThan(seeds.length);
  });

  it('is repeatable: the same seed does the same', () => {
    const once = runSchedule({ seed: 7, steps: 120, hasLoss: false });
    expect(runSchedule({ seed: 7, steps: 120, hasLoss: false })).toEqual(once);
  });

  it.each<Canary>(['delete on send', 'merge after send', 'ack before commit'])(
    'notices a planted bug: %s',
    { timeout: 120_000 },
    (canary) => {
      let caught: { seed: number; error: unknown } | undefined;
      for (let seed = 1; seed <= 300 && caught === undefined; seed++) {
        try {
          runSchedule({ seed, steps: 120, hasLoss: false }, canary);
        } catch (error) {
          caught = { seed, error };
        }
      }
      expect(caught?.error).toBeInstanceOf(CheckFailed);
      // Without the bug the very same schedule passes.
      expect(() => runSchedule({ seed: caught?.seed ?? 0, steps: 120, hasLoss: false })).not.toThrow();
    },
  );
});
