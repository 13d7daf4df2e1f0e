import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { reading, runOf, valuesOf } from './testing/stream-kit.ts';

const config: PipelineConfig = { name: 'out', from: 'climate', lane: 2, throttleMs: 10_000 };

it('passes the first reading of each period, as a subset', () => {
  const readings = [3000, 4000, 9999, 10_000, 12_000, 35_000].map((time) => reading(time, time));
  const run = runOf([config], [{ readings, now: 0 }]);
  expect(valuesOf(run.emitted).map(([time]) => time)).toEqual([3000, 10_000, 35_000]);
  expect(run.emitted[0]?.definition).toMatchObject({ sampling: 'subset', holdMs: 0 });
  expect(run.drops()).toEqual({ 'out.throttle.within_period': 3 });
});

it('thins a backlog that comes after newer readings in the same way', () => {
  const backlog = [3000, 4000, 12_000, 13_000, 25_000].map((time) => reading(time, time));
  const run = runOf([config], [{ readings: [reading(95_000, 1), ...backlog, reading(96_000, 2)], now: 0 }]);
  expect(valuesOf(run.emitted).map(([time]) => time)).toEqual([95_000, 3000, 12_000, 25_000]);
});

it('equals the naive choice for readings in order, whatever the commits', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 9000 }), { maxLength: 30 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 7 }), (rows, size) => {
      let time = -20_000;
      const readings = rows.map((gap, index) => reading((time += gap), index));
      const commits = readings.map((_, at) => ({ readings: readings.slice(at * size, (at + 1) * size), now: at }));
      const firsts = new Map<number, unknown>();
      for (const one of readings) {
        const period = Math.floor(one.time / 10_000);
        if (!firsts.has(period)) firsts.set(period, one.value);
      }
      expect(valuesOf(runOf([config], commits).emitted).map(([, value]) => value)).toEqual([...firsts.values()]);
    }),
  );
});
