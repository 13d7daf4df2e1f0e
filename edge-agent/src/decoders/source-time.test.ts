import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSourceTime } from './source-time.ts';

describe('parseSourceTime', () => {
  it.each([
    ['s', 1_700_000_000, 1_700_000_000_000],
    ['s', 1_700_000_000.123, 1_700_000_000_123],
    ['ms', 1_700_000_000_123, 1_700_000_000_123],
    ['ms', 1_700_000_000_123.9, 1_700_000_000_123],
    ['us', 1_700_000_000_123_999, 1_700_000_000_123],
    ['iso', '2026-02-28T23:59:59.5Z', Date.UTC(2026, 1, 28, 23, 59, 59, 500)],
    ['iso', '2026-02-28 23:59Z', Date.UTC(2026, 1, 28, 23, 59)],
    ['iso', '2026-01-01T00:00:00+05:30', Date.UTC(2025, 11, 31, 18, 30)],
    ['iso', '2026-01-01T00:00:00-0800', Date.UTC(2026, 0, 1, 8)],
    ['iso', '2026-01-01T00:00:00.123456789Z', Date.UTC(2026, 0, 1, 0, 0, 0, 123)],
    ['iso', '2024-02-29T00:00:00z', Date.UTC(2024, 1, 29)],
    ['iso', '0050-01-01T00:00:00Z', Date.parse('0050-01-01T00:00:00Z')],
  ] as const)('%s %s', (unit, value, expected) => {
    expect(parseSourceTime(value, unit)).toBe(expected);
  });

  it.each([
    ['s', '1700000000'],
    ['ms', true],
    ['ms', Number.POSITIVE_INFINITY],
    ['s', 1e300],
    ['us', {}],
    ['iso', 1_700_000_000_000],
    ['iso', ''],
    ['iso', '2026'],
    ['iso', '2026-01-01'],
    ['iso', '2026-01-01T00:00:00'],
    ['iso', '2026-02-30T00:00:00Z'],
    ['iso', '2026-13-01T00:00:00Z'],
    ['iso', '2026-00-10T00:00:00Z'],
    ['iso', '2026-01-01T24:00:00Z'],
    ['iso', '2026-01-01T00:60:00Z'],
    ['iso', '2026-01-01T00:00:60Z'],
    ['iso', '2026-01-01T00:00:00+25:00'],
    ['iso', 'Jan 1 2026 00:00:00 Z'],
  ] as const)('refuses %s %j', (unit, value) => {
    expect(parseSourceTime(value, unit)).toBeUndefined();
  });

  it('reads back every millisecond that a JavaScript device writes, in every unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(2200, 0, 1) }), (ms) => {
        expect(parseSourceTime(new Date(ms).toISOString(), 'iso')).toBe(ms);
        expect(parseSourceTime(ms / 1_000, 's')).toBe(ms);
        expect(parseSourceTime(ms, 'ms')).toBe(ms);
        expect(parseSourceTime(ms * 1_000, 'us')).toBe(ms);
      }),
      { numRuns: 2_000 },
    );
  });
});
