import { expect, it } from 'vitest';
import { plainShape, presets } from './presets.ts';
import { createCounter, createNumeric, createStates } from './signal.ts';

const startMs = Date.UTC(2026, 0, 5);
const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;

function series(
  signal: { at(device: number, timeMs: number): number },
  device: number,
  everyMs: number,
  count: number,
) {
  return Array.from({ length: count }, (_, index) => signal.at(device, startMs + index * everyMs));
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
  const [ma, mb] = [mean(a), mean(b)];
  const dot = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, value, index) => sum + (value - mx) * (y[index]! - my), 0);
  return dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
}

it('keeps a numeric metric within its bounds, rounded to its last digit, warmest in the afternoon', () => {
  const signal = createNumeric({ key: 1, shape: { ...presets['temperature']!, max: 23 } });
  const day = series(signal, 7, minuteMs, 1_440);
  expect(day.every((units) => Number.isSafeInteger(units) && units <= 2_300)).toBe(true);
  expect(Math.max(...day)).toBe(2_300);
  const hours = Array.from({ length: 24 }, (_, hour) => {
    const days = Array.from({ length: 30 }, (__, index) =>
      series(createNumeric({ key: 1, shape: presets['temperature']! }), index, minuteMs, 1_440),
    );
    return days.reduce((sum, one) => sum + one[hour * 60]!, 0);
  });
  expect(Math.abs(hours.indexOf(Math.max(...hours)) - 15)).toBeLessThanOrEqual(2);
});

it('gives the week a cycle that is highest on Wednesday', () => {
  const signal = createNumeric({ key: 1, shape: { ...plainShape, weekly: 10 } });
  const week = series(signal, 1, dayMs / 2, 14);
  // Monday 00:00 is the first; Wednesday noon the sixth.
  expect(week.indexOf(Math.max(...week))).toBe(5);
});

it('lets one metric walk with or against another as closely as asked', () => {
  const shape = { ...plainShape, walk: 10 };
  const leader = { key: 1, walkOverMs: shape.walkOverMs };
  const first = series(createNumeric({ key: 1, shape }), 3, 10 * minuteMs, 20_000);
  const follow = (by: number) =>
    series(createNumeric({ key: 2, shape, follows: { ...leader, by } }), 3, 10 * minuteMs, 20_000);
  expect(correlation(first, follow(1))).toBeCloseTo(1, 6);
  expect(correlation(first, follow(-1))).toBeCloseTo(-1, 6);
  expect(Math.abs(correlation(first, follow(-0.6)) + 0.6)).toBeLessThan(0.15);
  expect(Math.abs(correlation(first, follow(0)))).toBeLessThan(0.15);
});

it('counts up only, at about its rate, and goes on from 0 at the wrap', () => {
  const options = { key: 5, perHour: 360, daily: 0.5, decimals: 0 };
  const endless = createCounter({ ...options, wrap: Infinity });
  for (const device of [1, 2, 3]) {
    const counts = series(endless, device, minuteMs, 2 * 1_440);
    const steps = counts.slice(1).map((count, index) => count - counts[index]!);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(0);
    const perDay = counts[1_440]! - counts[0]!;
    expect(perDay).toBeGreaterThan(0.45 * 24 * 360);
    expect(perDay).toBeLessThan(1.55 * 24 * 360);
  }
  const wrapped = series(createCounter({ ...options, wrap: 1_000 }), 1, minuteMs, 1_440);
  expect(Math.min(...wrapped)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...wrapped)).toBeLessThan(1_000);
  expect(wrapped.slice(1).filter((count, index) => count < wrapped[index]!).length).toBeGreaterThan(3);
});

it('stays in a state for about its dwell time, and goes through all in their order', () => {
  const states = [
    { name: 'idle', dwellMs: 20 * minuteMs },
    { name: 'running', dwellMs: 60 * minuteMs },
    { name: 'fault', dwellMs: 5 * minuteMs },
  ];
  const signal = createStates({ key: 3, states });
  const values = series(signal, 9, minuteMs, 85 * 200);
  const changes = values.slice(1).filter((value, index) => value !== values[index]);
  expect(changes.slice(1).every((value, index) => value === (changes[index]! + 1) % 3)).toBe(true);
  const shares = [0, 1, 2].map((state) => values.filter((value) => value === state).length / values.length);
  expect(Math.abs(shares[0]! - 20 / 85)).toBeLessThan(0.03);
  expect(Math.abs(shares[1]! - 60 / 85)).toBeLessThan(0.03);
  const runs = values
    .join('')
    .match(/1+/g)!
    .map(({ length }) => length);
  expect(new Set(runs).size).toBeGreaterThan(10);
});
