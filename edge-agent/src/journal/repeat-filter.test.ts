import { SeededRandom } from '@fogline/shared/random';
import fc from 'fast-check';
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

  it('tells what a list of the last readings tells, in whatever order times come', () => {
    const depth = 8;
    const reading = fc.record({ series: fc.nat(3), time: fc.nat(12), value: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(reading, { maxLength: 200 }), (readings) => {
        const filter = new RepeatFilter(depth);
        const taken: string[] = [];
        for (const { series, time, value } of readings) {
          const key = `${series} ${time} ${value}`;
          const isRepeat = filter.isRepeat(series, time, value, 0);
          if (taken.slice(-depth).includes(key)) expect(isRepeat).toBe(true);
          if (!taken.slice(-2 * depth).includes(key)) expect(isRepeat).toBe(false);
          if (!isRepeat) taken.push(key);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('takes no new reading for a repeat among a million', () => {
    const filter = new RepeatFilter();
    const random = new SeededRandom(1);
    let wrong = 0;
    // Every other one backwards: each of those has to be searched.
    for (let i = 0; i < 1_000_000; i++) {
      const time = i % 2 === 0 ? i : 1_000_000 - i;
      if (filter.isRepeat(random.below(100), time, random.below(1000) / 100, 0)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
