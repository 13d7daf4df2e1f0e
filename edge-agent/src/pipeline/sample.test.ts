import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { reading, runOf, StreamRun, valuesOf } from './testing/stream-kit.ts';

const config: PipelineConfig = { name: 'out', from: 'climate', lane: 2, sampleMs: 10_000 };

function times(run: StreamRun): number[] {
  return valuesOf(run.emitted).map(([time]) => time);
}

describe('sample', () => {
  it('passes the last reading of each period once a later one comes, as a subset', () => {
    const readings = [3000, 9999, 4000, 10_000, 12_000, 35_000].map((time) => reading(time, time));
    const run = runOf([config], [{ readings, now: 0 }]);
    expect(times(run)).toEqual([9999, 12_000]);
    expect(run.emitted[0]?.definition).toMatchObject({ sampling: 'subset', holdMs: 0 });
    run.end();
    expect(times(run)).toEqual([9999, 12_000, 35_000]);
    expect(run.drops()).toEqual({ 'out.sample.within_period': 3 });
  });

  it('does not wait longer than a period of processing time', () => {
    const run = new StreamRun([config]);
    run.commit({ readings: [reading(3000, 1)], now: 100_000 });
    expect(run.pipeline.dueAt(run.now)).toBe(110_000);
    run.commit({ readings: [], now: 109_999 });
    expect(times(run)).toEqual([]);
    run.commit({ readings: [], now: 110_000 });
    expect(times(run)).toEqual([3000]);
    expect(run.pipeline.dueAt(run.now)).toBeUndefined();
  });

  it('thins a backlog that comes after newer readings in the same way', () => {
    const backlog = [3000, 4000, 12_000, 13_000, 25_000].map((time) => reading(time, time));
    const run = runOf([config], [{ readings: [reading(95_000, 1), ...backlog], now: 0 }]);
    expect(times(run)).toEqual([4000, 13_000, 25_000]);
  });

  it('holds texts as it holds numbers', () => {
    const readings = [reading(3000, 'on', 'state'), reading(9000, 'größer', 'state'), reading(11_000, 'off', 'state')];
    const run = runOf(
      [config],
      readings.map((one) => ({ readings: [one], now: 0 })),
      [true, true, true],
    );
    expect(valuesOf(run.end(), 'state')).toEqual([
      [9000, 'größer'],
      [11_000, 'off'],
    ]);
  });

  it('equals the naive choice while no period is closed early, whatever the commits', () => {
    // In order but for swaps within a period; the last of equal times is the last to come.
    const row = fc.record({ period: fc.integer({ min: 0, max: 1 }), offset: fc.integer({ min: 0, max: 9999 }) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (rows, size) => {
        let period = 0;
        const readings = rows.map((one, index) => reading((period += one.period) * 10_000 + one.offset, index));
        const commits = readings.map((_, at) => ({ readings: readings.slice(at * size, (at + 1) * size), now: 0 }));
        const lasts = new Map<number, (typeof readings)[number]>();
        for (const one of readings) {
          const known = lasts.get(Math.floor(one.time / 10_000));
          if (known === undefined || one.time >= known.time) lasts.set(Math.floor(one.time / 10_000), one);
        }
        const run = runOf([config], commits);
        run.end();
        expect(valuesOf(run.emitted)).toEqual([...lasts.values()].map(({ time, value }) => [time, value]));
      }),
    );
  });
});
