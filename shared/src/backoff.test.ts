import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

const always = (unit: number) => ({ unit: () => unit, uint32: () => 0, bytes: () => new Uint8Array() });
const options = { baseMs: 500, maxMs: 60_000, healthyMs: 30_000 };

describe('Backoff', () => {
  it('doubles the ceiling up to the maximum', () => {
    const backoff = new Backoff(options, always(0.999999));
    const delays = Array.from({ length: 10 }, () => backoff.nextDelayMs(0) + 1);
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it('spreads over the whole interval from zero', () => {
    expect(new Backoff(options, always(0)).nextDelayMs(0)).toBe(0);
  });

  it('falls back only after a healthy spell', () => {
    const backoff = new Backoff(options, always(0.999999));
    for (let i = 0; i < 5; i++) backoff.nextDelayMs(0);
    expect(backoff.nextDelayMs(29_999) + 1).toBe(16_000);
    expect(backoff.nextDelayMs(30_000) + 1).toBe(500);
  });
});
