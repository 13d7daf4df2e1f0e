import { Partial } from '@fogline/shared/aggregate/partial';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { type Reading, reading, runOf, StreamRun } from './testing/stream-kit.ts';

const config: PipelineConfig = {
  name: 'out',
  from: 'climate',
  lane: 2,
  hopping: {
    everyMs: 5000,
    widthMs: 20_000,
    latenessMs: 2000,
    hasSketch: true,
    compute: ['mean', 'count', 'p90', 'last'],
  },
};

function found(run: StreamRun): string[] {
  return run.emitted.map(({ metric, time, value }) => `${metric}@${time}=${value}`).sort();
}

/** Of every window that holds something. */
function naive(readings: readonly Reading[]): string[] {
  const starts = new Set(
    readings.flatMap(({ time }) => [0, 1, 2, 3].map((back) => (Math.floor(time / 5000) - back) * 5000)),
  );
  return [...starts]
    .flatMap((start) => {
      const partial = Partial.empty({ sketch: true });
      for (const { time, value } of readings)
        if (time >= start && time < start + 20_000) partial.add(time, Number(value));
      const values = {
        mean: partial.mean(),
        count: partial.count,
        p90: partial.quantile(0.9),
        last: partial.lastValue,
      };
      return Object.entries(values).map(([name, value]) => `temperature.${name}@${start}=${value}`);
    })
    .sort();
}

describe('hopping windows', () => {
  it('are readings, one for each aggregate, at the start of the window', () => {
    const readings = [reading(1000, 10), reading(6000, 20), reading(27_001, 0)];
    const { emitted } = runOf([config], [{ readings, now: 0 }]);
    expect(emitted.filter(({ metric }) => metric.endsWith('mean')).map(({ time, value }) => [time, value])).toEqual([
      [-15_000, 10],
      [-10_000, 15],
      [-5000, 15],
      [0, 15],
      [5000, 20],
    ]);
    expect(emitted.find(({ metric }) => metric === 'temperature.mean')?.definition).toMatchObject({
      stream: 'out',
      kind: 'reading',
      unit: '°C',
      sampling: 'subset',
      widthMs: 0,
    });
    expect(emitted.find(({ metric }) => metric === 'temperature.count')?.definition.unit).toBe('');
  });

  it('equal the naive aggregate over any split and restart, when nothing is later than the lateness', () => {
    const row = fc.record({ gap: fc.integer({ min: 0, max: 9000 }), back: fc.integer({ min: 0, max: 2000 }) });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 40 }),
        fc.array(fc.boolean()),
        fc.integer({ min: 1, max: 7 }),
        (rows, restarts, size) => {
          let newest = 0;
          const readings = rows.map(({ gap, back }, index) => {
            newest += gap;
            return reading(newest - back, (index * 37) % 11);
          });
          const commits = readings.map((_, at) => ({ readings: readings.slice(at * size, (at + 1) * size), now: 0 }));
          const run = runOf([config], commits, restarts);
          run.end();
          expect(found(run)).toEqual(naive(readings));
          expect(run.drops()).toEqual({});
        },
      ),
    );
  });

  it('are not changed by what comes after they closed: it is in those that are open, and late when there are none', () => {
    const run = new StreamRun([config]);
    run.commit({ readings: [reading(1000, 1), reading(17_000, 1)], now: 0 });
    // [−15 s, 5 s), [−10 s, 10 s) and [−5 s, 15 s) are closed, [0, 20 s) is open.
    const closed = run.emitted.length;
    run.commit({ readings: [reading(2000, 3)], now: 0 });
    expect(run.emitted).toHaveLength(closed);
    run.commit({ readings: [reading(40_000, 1)], now: 0 });
    run.commit({ readings: [reading(3000, 9)], now: 0 });
    expect(run.emitted.find(({ metric, time }) => metric === 'temperature.count' && time === 0)?.value).toBe(3);
    expect(run.drops()).toEqual({ 'out.window.late': 1 });
  });

  it('close when a series has been idle for a window and the lateness', () => {
    const run = new StreamRun([config]);
    run.commit({ readings: [reading(1000, 1)], now: 100_000 });
    expect(run.pipeline.dueAt(run.now)).toBe(122_000);
    run.commit({ readings: [], now: 121_999 });
    expect(run.emitted).toEqual([]);
    run.commit({ readings: [], now: 122_000 });
    expect(run.emitted).toHaveLength(4 * 4);
    expect(run.pipeline.dueAt(run.now)).toBeUndefined();
  });

  it('leave out bad readings and text', () => {
    const readings = [reading(1000, 1), reading(2000, 99, 'temperature', 2), reading(2000, 'on', 'state')];
    const run = runOf([config], [{ readings, now: 0 }]);
    run.end();
    expect(run.emitted.filter(({ metric }) => metric === 'temperature.count').every(({ value }) => value === 1)).toBe(
      true,
    );
    expect(run.drops()).toEqual({ 'out.window.bad': 1, 'out.window.text': 1 });
  });
});
