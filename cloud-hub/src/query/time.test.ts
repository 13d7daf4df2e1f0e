import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRange, parseTime } from './time.ts';

const now = Date.UTC(2026, 0, 2, 12);

describe('times', () => {
  it.each([
    ['now', now],
    ['now-6h', now - 6 * 3_600_000],
    ['now - 1.5h', now - 5_400_000],
    ['now+10s', now + 10_000],
    [String(now), now],
    ['0', 0],
    ['2026-01-02T12:00:00Z', now],
    ['2026-01-02t17:45:00.000+05:45', now],
    ['2026-01-02T17:45:00 05:45', now],
    ['2026-01-01T23:30:00.250-12:30', now + 250],
    ['1969-12-31T23:59:59.999Z', -1],
  ])('%s', (text, expected) => {
    expect(parseTime('from', text, now)).toBe(expected);
  });

  it.each([
    [
      '1767355200',
      'from: 1767355200 looks like seconds; times are milliseconds since the epoch: write 1767355200000 (2026-01-02T12:00:00.000Z)',
    ],
    [
      '1767355200.5',
      'from: 1767355200.5 looks like seconds; times are milliseconds since the epoch: write 1767355200500 (2026-01-02T12:00:00.500Z)',
    ],
    ['1767355200000.5', 'from: 1767355200000.5 is finer than whole milliseconds: write 1767355200001'],
    [
      '2026-01-02T12:00:00',
      'from: "2026-01-02T12:00:00" has no offset, so it names no instant; write 2026-01-02T12:00:00Z for UTC, or for example 2026-01-02T12:00:00+01:00',
    ],
    ['2026-01-02', 'from: "2026-01-02" is not a time; write 2026-01-02T00:00:00Z, or with your offset'],
    ['2026-02-30T00:00:00Z', 'from: "2026-02-30T00:00:00Z" names a date or time of day that does not exist'],
    ['2026-01-01T24:00:00Z', 'from: "2026-01-01T24:00:00Z" names a date or time of day that does not exist'],
    ['2026-01-01T00:00:00.0001Z', 'from: "2026-01-01T00:00:00.0001Z" is finer than milliseconds: use three decimals'],
    ['2026-01-01T00:00:00+24:00', 'from: the offset +24:00 does not exist'],
    [
      'yesterday',
      'from: "yesterday" is not a time; write now-6h, 2026-01-31T08:00:00Z (with offset) or milliseconds since the epoch',
    ],
    ['now-6', 'from: 6 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "6s"'],
    [
      '9999999999999999',
      'from: 10000000000000000 is outside the calendar; write now-6h, 2026-01-31T08:00:00Z (with offset) or milliseconds since the epoch',
    ],
  ])('refuses %s with the fix', (text, message) => {
    expect(() => parseTime('from', text, now)).toThrow(expect.objectContaining({ code: 'query_invalid', message }));
  });

  it('reads back every instant in every offset', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -62_000_000_000_000, max: 250_000_000_000_000 }),
        fc.integer({ min: -1439, max: 1439 }),
        (ms, offset) => {
          const sign = offset < 0 ? '-' : '+';
          const two = (value: number) => String(value).padStart(2, '0');
          const zone = `${sign}${two(Math.floor(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
          const text = new Date(ms + offset * 60_000).toISOString().replace('Z', zone);
          fc.pre(/^\d{4}-/.test(text));
          expect(parseTime('to', text, now)).toBe(ms);
        },
      ),
    );
  });
});

describe('ranges', () => {
  it('ends now unless told', () => {
    expect(parseRange('now-1h', undefined, now)).toEqual({ fromMs: now - 3_600_000, toMs: now });
  });

  it('refuses what can hold nothing', () => {
    expect(() => parseRange('now', 'now', now)).toThrow('from and to are the same instant');
    expect(() => parseRange('now+1h', undefined, now)).toThrow(
      'from (2026-01-02T13:00:00.000Z) is after to (2026-01-02T12:00:00.000Z); exchange them, or give to: it defaults to now',
    );
  });
});
