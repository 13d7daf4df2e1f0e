/** Random schedules with room enough: nothing is lost, nothing counts twice (P1 to P3, P9). */
import { describe, expect, it } from 'vitest';
import { CheckFailed } from './checks.ts';
import type { Canary } from './plant.ts';
import { caughtBug, runAll, stepsPerSchedule } from './run-schedules.ts';
import { runSchedule } from './schedule.ts';

describe('simulation from a seed', () => {
  it('delivers exactly once, with equal bytes, over any crashes, cuts, duplicates, ghosts and restores', {
    timeout: 600_000,
  }, () => {
    const total = runAll('ample');
    expect(total.readings).toBeGreaterThan(total.schedules);
    expect(total.missing).toEqual([]);
  });

  it('is repeatable: the same seed does the same', () => {
    const once = runSchedule({ seed: 7, steps: stepsPerSchedule, buffer: 'ample' });
    expect(runSchedule({ seed: 7, steps: stepsPerSchedule, buffer: 'ample' })).toEqual(once);
  });

  it.each<Canary>(['delete on send', 'merge after send', 'ack before commit'])(
    'notices a planted bug: %s',
    { timeout: 120_000 },
    (canary) => {
      const caught = caughtBug(canary, 'ample');
      expect(caught?.error).toBeInstanceOf(CheckFailed);
      // Without the bug the very same schedule passes.
      expect(() => runSchedule({ seed: caught?.seed ?? 0, steps: stepsPerSchedule, buffer: 'ample' })).not.toThrow();
    },
  );
});
