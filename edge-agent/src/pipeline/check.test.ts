import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CheckConfig, PipelineConfig } from '../core-config.ts';
import { type Reading, reading, runOf } from './testing/stream-kit.ts';

type CheckRule = CheckConfig[string];

function checking(check: CheckRule): PipelineConfig {
  return { name: 'out', from: 'climate', lane: 2, check: { temperature: check } };
}

function qualities(config: CheckRule, rows: readonly (readonly [time: number, value: number, quality?: number])[]) {
  const readings = rows.map(([time, value, quality = 0]) => reading(time, value, 'temperature', quality));
  return runOf([checking(config)], [{ readings, now: 0 }]).emitted.map(({ quality }) => quality);
}

describe('range', () => {
  it('makes bad what is outside, and nothing better than it was', () => {
    const range = { min: -40, max: 125 };
    expect(
      qualities({ range }, [
        [1, -40],
        [2, 125],
        [3, -40.1],
        [4, 126],
        [5, 20, 1],
        [6, 20, 2],
      ]),
    ).toEqual([0, 0, 2, 2, 1, 2]);
  });

  it('holds for late readings, too', () => {
    expect(
      qualities({ range: { min: 0, max: 9 } }, [
        [10, 1],
        [5, 99],
      ]),
    ).toEqual([0, 2]);
  });
});

describe('max_rate', () => {
  const ratePerMs = 0.002;

  it('doubts a spike alone, not what follows it', () => {
    expect(
      qualities({ ratePerMs }, [
        [0, 20],
        [1000, 80],
        [2000, 20.5],
        [3000, 22.5],
      ]),
    ).toEqual([0, 1, 0, 0]);
  });

  it('believes a true step once it could have come about', () => {
    expect(
      qualities({ ratePerMs }, [
        [0, 20],
        [1000, 30],
        [4000, 30],
        [5000, 30],
        [6000, 30],
      ]),
    ).toEqual([0, 1, 1, 0, 0]);
  });

  it('measures from the last believable reading: neither bad nor doubted', () => {
    expect(
      qualities({ ratePerMs, range: { min: 0, max: 50 } }, [
        [0, 20],
        [1000, 99],
        [2000, 21],
      ]),
    ).toEqual([0, 2, 0]);
  });

  it('lets late readings be', () => {
    expect(
      qualities({ ratePerMs }, [
        [10_000, 20],
        [5000, 90],
        [11_000, 21],
      ]),
    ).toEqual([0, 0, 0]);
  });
});

describe('stuck_for', () => {
  it('doubts a value that has not moved for so long, until it moves', () => {
    const rows = [
      [0, 5],
      [900, 5],
      [1000, 5],
      [1500, 5],
      [1600, 6],
      [2000, 6],
    ] as const;
    expect(qualities({ stuckMs: 1000 }, rows)).toEqual([0, 0, 1, 1, 0, 0]);
  });
});

it('equals a computation over all readings of a series in order', () => {
  const config = { range: { min: -8, max: 8 }, ratePerMs: 0.003, stuckMs: 5000 };
  const row = fc.record({ gap: fc.integer({ min: 1, max: 4000 }), value: fc.integer({ min: -10, max: 10 }) });
  const expected = (readings: readonly Reading[]): number[] =>
    readings.map(({ value, time }, index) => {
      const before = readings
        .slice(0, index)
        .map((one) => ({ time: one.time, value: Number(one.value) }))
        // What is bad says nothing.
        .filter((one) => Math.abs(one.value) <= 8);
      const isBad = Math.abs(Number(value)) > 8;
      // The start of the run of equal values.
      let since = time;
      for (const one of before.toReversed()) {
        if (one.value !== value) break;
        since = one.time;
      }
      const isStuck = time - since >= 5000;
      const known = expected(readings.slice(0, index));
      const last = believed(readings.slice(0, index), known);
      const isFast = last !== undefined && Math.abs(Number(value) - last.value) > 0.003 * (time - last.time);
      return isBad ? 2 : isStuck || isFast ? 1 : 0;
    });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 9 }), (rows) => {
      let time = 0;
      const readings = rows.map(({ gap, value }) => reading((time += gap), value));
      const { emitted } = runOf([checking(config)], [{ readings, now: 0 }]);
      expect(emitted.map(({ quality }) => quality)).toEqual(expected(readings));
    }),
  );

  /** The last reading that is not bad and was not too fast; being stuck does not make it wrong. */
  function believed(
    readings: readonly Reading[],
    known: readonly number[],
  ): { time: number; value: number } | undefined {
    let last: { time: number; value: number } | undefined;
    readings.forEach(({ time, value: raw }, index) => {
      const value = Number(raw);
      if (known[index] === 2) return;
      if (last !== undefined && Math.abs(value - last.value) > 0.003 * (time - last.time)) return;
      last = { time, value };
    });
    return last;
  }
});
