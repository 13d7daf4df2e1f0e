/** Random schedules in which the buffer is too small, its age too short, or its lanes must be kept: every loss is declared (P4, P6). */
import { describe, expect, it } from 'vitest';
import { runAll } from './run-schedules.ts';

describe('simulation from a seed, with a buffer that is too small', () => {
  it('declares every loss, and loses nothing of a lane that keeps', { timeout: 600_000 }, () => {
    const total = runAll('small');
    expect(total.readings).toBeGreaterThan(total.schedules);
    expect(total.missing).toEqual([]);
  });
});
