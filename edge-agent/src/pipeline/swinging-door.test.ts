import type { ReadingColumns } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PipelineConfig } from '../core-config.ts';
import { SwingingDoor } from './swinging-door.ts';
import { csvFiles, hasData, seriesOf } from './testing/data-series.ts';
import { inputSeries, type Reading, reading, runOf, StreamRun, valuesOf } from './testing/stream-kit.ts';

const longMs = 2 ** 50;

interface Line {
  readonly time: ArrayLike<number>;
  readonly value: ArrayLike<number>;
}

/** Columns through a door with commits of a few hundred rows. */
function compressed(
  { time, value }: { time: Float64Array; value: Float64Array },
  bound: number,
  maxGapMs = longMs,
): Line {
  const definition = inputSeries('d', 'temperature', 'number');
  const view = { definitionOf: () => definition, define: () => 0, redefine: () => undefined };
  const door = new SwingingDoor({ bounds: { temperature: bound }, maxGapMs }, view);
  const out = { time: [] as number[], value: [] as number[] };
  const take = ({ count, ...columns }: Pick<ReadingColumns, 'count' | 'time' | 'value'>): void => {
    for (let row = 0; row < count; row++) {
      out.time.push(columns.time[row] ?? 0);
      out.value.push(columns.value[row] ?? 0);
    }
  };
  for (let from = 0; from < time.length; from += 300) {
    const part = value.slice(from, from + 300);
    const count = part.length;
    const columns = { count, series: new Uint32Array(count), flags: new Uint8Array(count), strings: [] };
    const items = door.process({ ...columns, time: time.slice(from, from + 300), value: part }, 0);
    if (items.kind === 'readings') take(items.columns);
  }
  const rest = door.drain();
  if (rest?.kind === 'readings') take(rest.columns);
  return out;
}

/** In order of time, as readings that are not late are. */
function inOrder({ time, value }: Line): { time: Float64Array; value: Float64Array } {
  const rows: number[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < time.length; row++) {
    if ((time[row] ?? 0) <= last) continue;
    last = time[row] ?? 0;
    rows.push(row);
  }
  return {
    time: Float64Array.from(rows, (row) => time[row] ?? 0),
    value: Float64Array.from(rows, (row) => value[row] ?? 0),
  };
}

/** Greatest distance of an original from the line between its neighbours, by either way of writing the interpolation. */
function worstError(original: Line, line: Line): number {
  let worst = 0;
  let at = 0;
  for (let row = 0; row < original.time.length; row++) {
    const [t, v] = [original.time[row] ?? 0, original.value[row] ?? 0];
    while ((line.time[at + 1] ?? Infinity) <= t) at++;
    const [t0, v0] = [line.time[at] ?? Number.NaN, line.value[at] ?? Number.NaN];
    if (t0 === t) {
      worst = Math.max(worst, Math.abs(v - v0));
      continue;
    }
    const [t1, v1] = [line.time[at + 1] ?? Number.NaN, line.value[at + 1] ?? Number.NaN];
    const share = (t - t0) / (t1 - t0);
    const errors = [v0 + (v1 - v0) * share, v0 * (1 - share) + v1 * share, v0 + ((v1 - v0) / (t1 - t0)) * (t - t0)];
    for (const drawn of errors) worst = Math.max(worst, Number.isNaN(drawn) ? Infinity : Math.abs(drawn - v));
  }
  return worst;
}

describe('the error bound', () => {
  const gap = fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2 ** 40 }));
  const value = fc.oneof(
    fc.double({ min: -100, max: 100, noNaN: true }),
    fc.integer({ min: -50, max: 50 }).map((tenths) => 1e6 + tenths / 10),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  );
  const series = fc.array(fc.tuple(gap, value), { minLength: 1, maxLength: 60 });
  const bound = fc.oneof(fc.double({ min: 1e-9, max: 100, noNaN: true }), fc.constantFrom(1e-300, 1e-12, 1e300));

  it('holds for any readings in order, rounding included', () => {
    fc.assert(
      fc.property(series, bound, (rows, limit) => {
        let time = 0;
        const original = {
          time: Float64Array.from(rows, ([step]) => (time += step)),
          value: Float64Array.from(rows, ([, each]) => each),
        };
        const line = compressed(original, limit);
        expect(worstError(original, line)).toBeLessThanOrEqual(limit);
        expect(line.time.length).toBeGreaterThan(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('holds where values lie on the edge of the door', () => {
    const edge = fc.array(fc.constantFrom(0, 0.1, 0.2, 0.3, -0.1, -0.2, 0.30000000000000004), {
      minLength: 3,
      maxLength: 50,
    });
    fc.assert(
      fc.property(edge, fc.constantFrom(0.1, 0.2, 0.15), fc.constantFrom(0, 1e3, 1e8, -1e12), (steps, limit, base) => {
        const original = {
          time: Float64Array.from(steps, (_, index) => index * 1000),
          value: Float64Array.from(steps, (step, index) => base + index * 0.1 + step),
        };
        expect(worstError(original, compressed(original, limit))).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 2000 },
    );
  });

  it.skipIf(!hasData)(
    'holds on every series of the shared data (skipped where ../shared/data is absent)',
    { timeout: 600_000 },
    () => {
      let [count, readings, passed] = [0, 0, 0];
      for (const file of csvFiles()) {
        for (const { name, ...columns } of seriesOf(file)) {
          const original = inOrder(columns);
          let [low, high] = [Infinity, -Infinity];
          for (const each of original.value) [low, high] = [Math.min(low, each), Math.max(high, each)];
          const limit = (high - low) / 200 || 0.1;
          const line = compressed(original, limit);
          expect(worstError(original, line), name).toBeLessThanOrEqual(limit);
          readings += original.value.length;
          passed += line.value.length;
          count++;
        }
      }
      // That something was left out is the point of it.
      expect(passed).toBeLessThan(readings / 2);
      expect(count).toBeGreaterThan(100);
    },
  );
});

const config: PipelineConfig = {
  name: 'out',
  from: 'climate',
  lane: 2,
  swingingDoor: { bounds: { temperature: 1 }, maxGapMs: 60_000 },
};

function times(run: StreamRun): number[] {
  return valuesOf(run.emitted).map(([time]) => time);
}

describe('swinging door', () => {
  it('leaves out what lies on a line, and passes its ends', () => {
    const readings = [0, 1, 2, 3, 4, 3, 2, 1].map((value, index) => reading(index * 1000, value * 10));
    const run = runOf([config], [{ readings, now: 0 }]);
    run.end();
    expect(valuesOf(run.emitted)).toEqual([
      [0, 0],
      [4000, 40],
      [7000, 10],
    ]);
    expect(run.drops()).toEqual({ 'out.swinging_door.on_the_line': 5 });
    expect(run.emitted[0]?.definition).toMatchObject({ sampling: 'subset', holdMs: 0 });
  });

  it('passes a reading at least every max_gap of event time', () => {
    const readings = Array.from({ length: 100 }, (_, index) => reading(index * 7000, 5));
    const run = runOf([config], [{ readings, now: 0 }]);
    run.end();
    const found = times(run);
    for (let at = 1; at < found.length; at++)
      expect((found[at] ?? 0) - (found[at - 1] ?? 0)).toBeLessThanOrEqual(60_000);
    expect(found.length).toBeLessThan(15);
  });

  it('passes the reading it holds back when a series has been idle for max_gap', () => {
    const run = new StreamRun([config]);
    run.commit({ readings: [reading(0, 5), reading(1000, 5)], now: 100_000 });
    expect(times(run)).toEqual([0]);
    expect(run.pipeline.dueAt(run.now)).toBe(160_000);
    run.commit({ readings: [], now: 160_000 });
    expect(times(run)).toEqual([0, 1000]);
    expect(run.pipeline.dueAt(run.now)).toBeUndefined();
  });

  it('passes both ends of a change of quality', () => {
    const rows: Reading[] = [0, 1000, 2000].map((time) => reading(time, 5));
    const bad = [3000, 4000, 5000].map((time) => reading(time, 5, 'temperature', 2));
    const run = runOf([config], [{ readings: [...rows, ...bad], now: 0 }]);
    run.end();
    expect(times(run)).toEqual([0, 2000, 3000, 5000]);
  });

  it('passes late readings beside the line', () => {
    const rows = [0, 10_000, 5000, 20_000].map((time) => reading(time, time === 5000 ? 99 : 5));
    const run = runOf([config], [{ readings: rows, now: 0 }]);
    run.end();
    expect(times(run)).toEqual([0, 5000, 20_000]);
  });

  it('lets metrics without a bound and texts pass, exact as they came', () => {
    const rows = [0, 1000, 2000].flatMap((time) => [reading(time, 5, 'humidity'), reading(time, 'on', 'state')]);
    const run = runOf([config], [{ readings: rows, now: 0 }]);
    expect(valuesOf(run.emitted, 'humidity')).toHaveLength(3);
    expect(valuesOf(run.emitted, 'state')).toHaveLength(3);
    expect(run.emitted[0]?.definition.sampling).toBe('all');
  });
});
