import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeadbandConfig, PipelineConfig } from '../core-config.ts';
import { type Reading, reading, resplit, runOf, valuesOf } from './testing/stream-kit.ts';

function calm(config: { readonly [K in keyof DeadbandConfig]?: DeadbandConfig[K] }): PipelineConfig {
  const deadband = { thresholds: { temperature: 0.5 }, heartbeatMs: 60_000, ...config };
  return { name: 'calm', from: 'climate', lane: 2, deadband };
}

function pass(config: PipelineConfig, readings: readonly Reading[]): number[] {
  return runOf([config], [{ readings, now: 0 }]).emitted.map(({ time }) => time);
}

describe('deadband', () => {
  it('passes the first reading, changes by the threshold, and the heartbeat', () => {
    const rows = [
      [0, 20],
      [1000, 20.4],
      [2000, 20.5],
      [3000, 20.1],
      [61_999, 20.5],
      [62_000, 20.5],
    ] as const;
    expect(
      pass(
        calm({}),
        rows.map(([time, value]) => reading(time, value)),
      ),
    ).toEqual([0, 2000, 62_000]);
  });

  it('takes a share of the last value that passed', () => {
    const rows = [
      [0, 100],
      [1, 101.9],
      [2, 102],
      [3, 100],
      [4, 99.96],
      [5, 0],
      [6, 0],
      [7, 1e-300],
    ] as const;
    const config = calm({ thresholds: {}, shares: { temperature: 0.02 } });
    expect(
      pass(
        config,
        rows.map(([time, value]) => reading(time, value)),
      ),
    ).toEqual([0, 2, 4, 5, 7]);
  });

  it('passes every change of metrics without a threshold, and of texts', () => {
    const rows = ['on', 'on', 'off', 'off', 'on'].map((value, time) => reading(time, value, 'state'));
    expect(pass(calm({}), rows)).toEqual([0, 2, 4]);
    expect(
      pass(
        calm({}),
        [1, 1, 1.1].map((value, time) => reading(time, value, 'humidity')),
      ),
    ).toEqual([0, 2]);
  });

  it('passes a change of quality', () => {
    expect(pass(calm({}), [reading(0, 20), reading(1, 20, 'temperature', 2), reading(2, 20)])).toEqual([0, 1, 2]);
  });

  it('passes late readings and leaves its reference alone', () => {
    expect(pass(calm({}), [reading(10_000, 20), reading(5000, 25), reading(11_000, 20.1)])).toEqual([10_000, 5000]);
  });

  it('marks its stream as held, for as long as the heartbeat; what lost readings before stays a subset', () => {
    const readings = [reading(0, 1)];
    const [first] = runOf([calm({})], [{ readings, now: 0 }]).emitted;
    expect(first?.definition).toMatchObject({ stream: 'calm', sampling: 'held', holdMs: 60_000 });
    const thinned: PipelineConfig = { name: 'few', from: 'climate', lane: 2, throttleMs: 1000 };
    const chained: PipelineConfig = { ...calm({}), from: 'few', isFromPipeline: true };
    const { emitted } = runOf([thinned, chained], [{ readings, now: 0 }]);
    expect(emitted.find(({ stream }) => stream === 'calm')?.definition.sampling).toBe('subset');
  });

  it('tells every reading within the threshold: what was left out differs from what stands by less', () => {
    const row = fc.record({ gap: fc.integer({ min: 1, max: 30_000 }), value: fc.integer({ min: -20, max: 20 }) });
    fc.assert(
      fc.property(
        fc.array(row, { maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (rows, sizes) => {
          let time = 0;
          const readings = rows.map(({ gap, value }) => reading((time += gap), value / 10));
          const { emitted } = runOf([calm({})], resplit([{ readings, now: 0 }], sizes));
          const passed = new Map(valuesOf(emitted).map(([at, value]) => [at, Number(value)]));
          let standing = { time: Number.NEGATIVE_INFINITY, value: Number.NaN };
          for (const one of readings) {
            const value = passed.get(one.time);
            if (value !== undefined) standing = { time: one.time, value };
            else {
              expect(Math.abs(Number(one.value) - standing.value)).toBeLessThan(0.5);
              expect(one.time - standing.time).toBeLessThan(60_000);
            }
          }
        },
      ),
    );
  });
});
