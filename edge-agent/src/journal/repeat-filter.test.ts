import { SeededRandom } from '@fogline/shared/random';
import { describe, expect, it } from 'vitest';
import { RepeatFilter } from './repeat-filter.ts';

describe('RepeatFilter', () => {
  it('tells an exact repeat from a reading that differs in anything', () => {
    const filter = new RepeatFilter(64);
    expect(filter.isRepeat(1, 1000, 21.5, 0)).toBe(false);
    expect(filter.isRepeat(1, 1000, 21.5, 0)).toBe(true);
    expect(filter.isRepeat(2, 1000, 21.5, 0)).toBe(false);
    expect(filter.isRepeat(1, 1001, 21.5, 0)).toBe(false);
    expect(filter.isRepeat(1, 1000, 21.500000000000004, 0)).toBe(false);
    expect(filter.isRepeat(1, 1000, 21.5, 1)).toBe(false);
    expect(filter.isRepeat(1, 1000, 0, 0)).toBe(false);
    expect(filter.isRepeat(1, 1000, -0, 0)).toBe(false);
  });

  it('remembers at least its depth, and forgets what is older than two depths', () => {
    const filter = new RepeatFilter(100);
    for (let time = 0; time < 1000; time++) {
      expect(filter.isRepeat(1, time, 1, 0)).toBe(false);
      for (let back = Math.max(0, time - 99); back < time; back += 7) expect(filter.isRepeat(1, back, 1, 0)).toBe(true);
    }
    expect(filter.isRepeat(1, 0, 1, 0)).toBe(false);
  });

  it('takes no new reading for a repeat among a million', () => {
    const filter = new RepeatFilter();
    const random = new SeededRandom(1);
    let wrong = 0;
    for (let i = 0; i < 1_000_000; i++) if (filter.isRepeat(random.below(100), i, random.below(1000) / 100, 0)) wrong++;
    expect(wrong).toBe(0);
  });
});
