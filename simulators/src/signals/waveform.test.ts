import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bellNoise, randomWalk, rootOfUnit, sineOfTurns, wander } from './waveform.ts';

it('follows the sine within 0.0017, exactly at quarter turns', () => {
  expect([0, 0.25, 0.5, 0.75, 1, 20_454.25].map(sineOfTurns)).toEqual([0, 1, -0, -1, 0, 1]);
  fc.assert(
    fc.property(fc.double({ min: 0, max: 100, noNaN: true }), (turns) => {
      expect(Math.abs(sineOfTurns(turns) - Math.sin(2 * Math.PI * turns))).toBeLessThan(0.0017);
    }),
  );
});

it('makes noise of mean 0 and deviation 1 that differs from position to position', () => {
  const noise = Array.from({ length: 20_000 }, (_, index) => bellNoise(7, 1_767_225_600_000 + index));
  const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
  const deviation = Math.sqrt(noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length);
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(deviation - 1)).toBeLessThan(0.03);
  expect(new Set(noise).size).toBeGreaterThan(500);
});

it('wanders without jumps, within bounds', () => {
  let last = wander(3, 0, 1_000);
  let [highest, steepest] = [0, 0];
  for (let position = 1; position < 50_000; position++) {
    const next = wander(3, position, 1_000);
    highest = Math.max(highest, Math.abs(next));
    steepest = Math.max(steepest, Math.abs(next - last));
    last = next;
  }
  expect(highest).toBeLessThanOrEqual(1);
  expect(steepest).toBeLessThanOrEqual(2 / 1_000 + 1e-12);
});

it('walks farther the longer it takes, as the root of time, and stays within bounds', () => {
  const meanStep = (lag: number): number => {
    let sum = 0;
    for (let at = 0; at < 4_000; at++)
      sum += Math.abs(randomWalk(9, (at + lag) * 977, 1_000) - randomWalk(9, at * 977, 1_000));
    return sum / 4_000;
  };
  const steps = [4, 16, 64].map(meanStep);
  expect(steps[1]! / steps[0]!).toBeGreaterThan(1.5);
  expect(steps[1]! / steps[0]!).toBeLessThan(2.6);
  expect(steps[2]! / steps[1]!).toBeGreaterThan(1.3);
  const values = Array.from({ length: 20_000 }, (_, at) => randomWalk(9, at * 7_919, 1_000));
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(1);
});

it('takes roots to the last bit or the one beside it', () => {
  const property = fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (x) => {
    const root = Math.sqrt(x);
    expect(Math.abs(rootOfUnit(x) - root)).toBeLessThanOrEqual(root * 2 ** -52 + 1e-9);
  });
  fc.assert(property);
  expect([0, 1, 0.25].map(rootOfUnit)).toEqual([expect.closeTo(0, 9), 1, 0.5]);
});
