/** Random schedules in which lanes are thinned for want of room: aggregates are exact from a minute up, every item is accounted for (P2, P4, P6). */
import { describe, expect, it } from 'vitest';
import { CheckFailed } from './checks.ts';
import type { Canary } from './plant.ts';
import { caughtBug, runAll, stepsPerSchedule } from './run-schedules.ts';
import { runSchedule } from './schedule.ts';

describe('simulation from a seed, with lanes that are thinned', () => {
  it('loses nothing but resolution, and says so, over crashes, restores and disks that others fill', {
    timeout: 900_000,
  }, () => {
    const total = runAll('thinning', 500);
    expect(total.readings).toBeGreaterThan(total.schedules);
    expect(total.missing).toEqual([]);
  });

  it.each<Canary>(['thinning counts twice', 'thinned accepted although held', 'merge after send'])(
    'notices a planted bug: %s',
    { timeout: 120_000 },
    (canary) => {
      const caught = caughtBug(canary, 'thinning');
      expect(caught?.error).toBeInstanceOf(CheckFailed);
      expect(() => runSchedule({ seed: caught?.seed ?? 0, steps: stepsPerSchedule, buffer: 'thinning' })).not.toThrow();
    },
  );
});
