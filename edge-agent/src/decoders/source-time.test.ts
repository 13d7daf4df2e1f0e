import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTime, type TimeForm, timeProblem } from './source-time.ts';

function read(form: TimeForm, value: unknown): number | undefined {
  const compiled = compileTime(form);
  if (typeof compiled === 'string') throw new Error(compiled);
  return compiled(value);
}

const utc = Date.UTC;

describe('a time', () => {
  it.each([
    [{ unit: 's' }, 1_700_000_000, 1_700_000_000_000],
    [{ unit: 's' }, 1_700_000_000.123, 1_700_000_000_123],
    [{ unit: 'ms' }, 1_700_000_000_123, 1_700_000_000_123],
    [{ unit: 'ms' }, 1_700_000_000_123.9, 1_700_000_000_123],
    [{ unit: 'us' }, 1_700_000_000_123_999, 1_700_000_000_123],
    [{ unit: 'ns' }, 1_700_000_000_123_000_000, 1_700_000_000_123],
    [{ unit: 'ns' }, 1_700_000_000_122_990_000, 1_700_000_000_122],
    [{ unit: 'iso' }, '2026-02-28T23:59:59.5Z', utc(2026, 1, 28, 23, 59, 59, 500)],
    [{ unit: 'iso' }, '2026-02-28 23:59Z', utc(2026, 1, 28, 23, 59)],
    [{ unit: 'iso' }, '2026-01-01T00:00:00+05:30', utc(2025, 11, 31, 18, 30)],
    [{ unit: 'iso' }, '2026-01-01T00:00:00-0800', utc(2026, 0, 1, 8)],
    [{ unit: 'iso' }, '2026-01-01T00:00:00.123456789Z', utc(2026, 0, 1, 0, 0, 0, 123)],
    [{ unit: 'iso' }, '2024-02-29T00:00:00z', utc(2024, 1, 29)],
    [{ unit: 'iso' }, '0050-01-01T00:00:00Z', Date.parse('0050-01-01T00:00:00Z')],
    [{ unit: 'iso', zone: 'UTC' }, '2004-03-10 18:00:00', utc(2004, 2, 10, 18)],
    [{ unit: 'iso', zone: '+01:00' }, '2004-03-10T18:00:00', utc(2004, 2, 10, 17)],
    [{ unit: 'iso', zone: '+01:00' }, '2004-03-10T18:00:00Z', utc(2004, 2, 10, 18)],
    [{ unit: 'iso', zone: 'Europe/Rome' }, '2004-07-10 18:00', utc(2004, 6, 10, 16)],
    [{ format: 'YYYY/M/D H:mm', zone: '+08:00' }, '2020/1/2 0:15', utc(2020, 0, 1, 16, 15)],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/11/12 10:05', utc(2020, 10, 12, 10, 5)],
    [{ format: 'DD.MM.YYYY HH.mm.ss', zone: 'UTC' }, '10.03.2004 18.00.00', utc(2004, 2, 10, 18)],
    [{ format: 'YYYY-MM-DD HH:mm:ss.S', zone: 'UTC' }, '2004-03-10 18:00:00.12', utc(2004, 2, 10, 18, 0, 0, 120)],
    [{ format: 'YYYYMMDDHHmmssSSS', zone: 'UTC' }, '20040310180000123', utc(2004, 2, 10, 18, 0, 0, 123)],
    [{ format: 'YYYY-MM-DDTHH:mmZ' }, '2004-03-10T18:00+01:00', utc(2004, 2, 10, 17)],
    [{ format: 'YYYY-MM-DDTHH:mmZ' }, '2004-03-10T18:00Z', utc(2004, 2, 10, 18)],
    [{ format: 'D/M/YYYY', zone: 'UTC' }, '1/2/2004', utc(2004, 1, 1)],
  ] as const)('%j %s', (form, value, expected) => {
    expect(read(form, value)).toBe(expected);
  });

  it.each([
    [{ unit: 's' }, '1700000000'],
    [{ unit: 'ms' }, true],
    [{ unit: 'ms' }, Number.POSITIVE_INFINITY],
    [{ unit: 's' }, 1e300],
    [{ unit: 'us' }, {}],
    [{ unit: 'iso' }, 1_700_000_000_000],
    [{ unit: 'iso' }, ''],
    [{ unit: 'iso' }, '2026'],
    [{ unit: 'iso' }, '2026-01-01'],
    [{ unit: 'iso' }, '2026-01-01T00:00:00'],
    [{ unit: 'iso' }, '2026-02-30T00:00:00Z'],
    [{ unit: 'iso' }, '2026-13-01T00:00:00Z'],
    [{ unit: 'iso' }, '2026-00-10T00:00:00Z'],
    [{ unit: 'iso' }, '2026-01-01T24:00:00Z'],
    [{ unit: 'iso' }, '2026-01-01T00:60:00Z'],
    [{ unit: 'iso' }, '2026-01-01T00:00:60Z'],
    [{ unit: 'iso' }, '2026-01-01T00:00:00+25:00'],
    [{ unit: 'iso' }, 'Jan 1 2026 00:00:00 Z'],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/1/1'],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/1/1 0:1'],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/1/1 0:15 '],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/2/30 0:15'],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, '2020/0/1 0:15'],
    [{ format: 'YYYY/M/D H:mm', zone: 'UTC' }, 20_200_101],
    [{ format: 'YYYY-MM-DDTHH:mmZ' }, '2004-03-10T18:00+99:00'],
    [{ format: 'YYYY-MM-DDTHH:mmZ' }, '2004-03-10T18:00'],
  ] as const)('%j refuses %j', (form, value) => {
    expect(read(form, value)).toBeUndefined();
  });

  it('as every device with JavaScript writes it is read back to the millisecond, in every unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: utc(2200, 0, 1) }), (ms) => {
        expect(read({ unit: 'iso' }, new Date(ms).toISOString())).toBe(ms);
        expect(read({ unit: 's' }, ms / 1_000)).toBe(ms);
        expect(read({ unit: 'ms' }, ms)).toBe(ms);
        expect(read({ unit: 'us' }, ms * 1_000)).toBe(ms);
        expect(read({ unit: 'ns' }, ms * 1_000_000)).toBe(ms);
        expect(read({ format: 'YYYY-MM-DDTHH:mm:ss.SZ' }, new Date(ms).toISOString())).toBe(ms);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    [{}, /unit or format/],
    [{ unit: 'ms', zone: 'UTC' }, /ms since the epoch have no zone/],
    [{ unit: 'iso', zone: 'Mars/Olympus' }, /'Mars\/Olympus' is no time zone/],
    [{ unit: 'iso', zone: '+1' }, /no time zone/],
    [{ unit: 'iso', zone: '+25:00' }, /no time zone/],
    [{ format: 'YYYY-MM-DD' }, /tells no offset: add zone/],
    [{ format: 'HH:mm', zone: 'UTC' }, /no form of a date/],
    [{ format: 'yyyy-MM-dd', zone: 'UTC' }, /no form of a date/],
    [{ format: 'YYYY-MM-DD MM', zone: 'UTC' }, /no form of a date/],
  ] as const)('a form that cannot be read is told with the fix: %j', (form, problem) => {
    expect(compileTime(form)).toMatch(problem);
  });

  it('before 2000 or beyond the skew is refused', () => {
    expect(timeProblem(utc(1999, 11, 31), 0, 0)).toBe('time_before_2000');
    const now = utc(2026, 0, 1);
    expect([timeProblem(now + 5, now, 5), timeProblem(now + 6, now, 5)]).toEqual([undefined, 'time_future']);
  });
});

describe('a named zone', () => {
  const rome = (text: string): number | undefined => read({ unit: 'iso', zone: 'Europe/Rome' }, text);

  it('is followed over its changes: a time shown twice is the first, one left out as far beyond the gap', () => {
    expect(rome('2004-03-28 01:59')).toBe(utc(2004, 2, 28, 0, 59));
    expect(rome('2004-03-28 02:30')).toBe(utc(2004, 2, 28, 1, 30));
    expect(rome('2004-03-28 03:00')).toBe(utc(2004, 2, 28, 1, 0));
    expect(rome('2004-10-31 01:59')).toBe(utc(2004, 9, 30, 23, 59));
    expect(rome('2004-10-31 02:30')).toBe(utc(2004, 9, 31, 0, 30));
    expect(rome('2004-10-31 03:00')).toBe(utc(2004, 9, 31, 2, 0));
    expect(read({ unit: 'iso', zone: 'Asia/Kolkata' }, '2026-01-01 05:30')).toBe(utc(2026, 0, 1));
    expect(read({ unit: 'iso', zone: 'America/New_York' }, '2026-07-01 08:00')).toBe(utc(2026, 6, 1, 12));
  });

  it('gives every local time that it shows once back as it was', () => {
    const show = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/Rome', dateStyle: 'short', timeStyle: 'medium' });
    fc.assert(
      fc.property(fc.integer({ min: utc(2000, 0, 1) / 1_000, max: utc(2030, 0, 1) / 1_000 }), (seconds) => {
        const found = rome(show.format(seconds * 1_000)) as number;
        // In the hour that comes twice the first is found.
        expect([0, 3_600_000]).toContain(seconds * 1_000 - found);
        expect(show.format(found)).toBe(show.format(seconds * 1_000));
      }),
      { numRuns: 2_000 },
    );
  });
});
