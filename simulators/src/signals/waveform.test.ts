import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bellNoise, sineOfTurns, wander } from './waveform.ts';

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
  for (let position = 1; position < 50_000; position++) {
    const next = wander(3, position, 1_000);
    expect(Math.abs(next)).toBeLessThanOrEqual(1);
    expect(Math.abs(next - last)).toBeLessThanOrEqual(2 / 1_000 + 1e-12);
    last = next;
  }
});
