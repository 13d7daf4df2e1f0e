import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixedGrid, gridFor, parseEvery, parseGrid, widened } from './grid.ts';
import { compact } from './time.ts';

const zones = [
  'Europe/Paris',
  'America/New_York',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'America/Havana',
  'Africa/Casablanca',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'Pacific/Apia',
  'America/St_Johns',
];
const at = (text: string): number => Date.parse(text);
const iso = (ms: number): string => new Date(ms).toISOString();

/** Local date and time as ICU prints them, a way of its own from instants to clocks. */
function local(ms: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(ms);
}

describe('buckets in a time zone', () => {
  it('follow each other without gap or overlap, and hold what is asked for', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom('10s', '15m', '30m', '1h', '6h', '12h', '1d', '3d', '1w', '1mo', '3mo', '1y'),
        fc.integer({ min: at('2000-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
        (tz, every, ms) => {
          const grid = parseGrid(every, tz);
          const start = grid.startOf(ms);
          const end = grid.endOf(start);
          expect(start).toBeLessThanOrEqual(ms);
          expect(end).toBeGreaterThan(ms);
          expect(grid.startOf(start)).toBe(start);
          expect(grid.startOf(end - 1)).toBe(start);
          expect(grid.startOf(end)).toBe(end);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('a day holds one local date, a month one local month, wherever and whenever', () => {
    fc.assert(
      fc.property(
        // Where midnight comes twice, the evening before it belongs to both dates: Havana has a case of its own.
        fc.constantFrom(
          ...zones.filter(
            (zone) => zone !== 'America/Havana' && zone !== 'Asia/Beirut' && zone !== 'America/Sao_Paulo',
          ),
        ),
        fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
        (tz, ms) => {
          for (const [every, length] of [
            ['1d', 10],
            ['1mo', 7],
            ['1y', 4],
          ] as const) {
            const grid = parseGrid(every, tz);
            const start = grid.startOf(ms);
            const end = grid.endOf(start);
            const name = local(ms, tz).slice(0, length);
            expect([local(start, tz).slice(0, length), local(end - 1, tz).slice(0, length)]).toEqual([name, name]);
            expect(local(start - 1, tz).slice(0, length)).not.toBe(name);
            expect(local(end, tz).slice(0, length)).not.toBe(name);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each([
    // Set forward: 23 hours; set back: 25.
    ['1h', 'Europe/Paris', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', 23],
    ['1h', 'Europe/Paris', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', 25],
    ['1d', 'Europe/Paris', '2026-03-28T23:00:00Z', '2026-03-30T22:00:00Z', 2],
    // Half an hour of daylight saving: the hour that is set back lasts one and a half.
    ['1h', 'Australia/Lord_Howe', '2026-04-04T13:00:00Z', '2026-04-05T13:30:00Z', 24],
    ['15m', 'Asia/Kathmandu', '2026-01-01T18:15:00Z', '2026-01-02T18:15:00Z', 96],
    // A day that never was.
    ['1d', 'Pacific/Apia', '2011-12-29T10:00:00Z', '2011-12-31T10:00:00Z', 2],
  ])('%s in %s from %s to %s: %i buckets', (every, tz, from, to, count) => {
    const grid = parseGrid(every, tz);
    let start = grid.startOf(at(from));
    expect(iso(start)).toBe(iso(at(from)));
    let buckets = 0;
    for (; start < at(to); buckets++) start = grid.endOf(start);
    expect([iso(start), buckets]).toEqual([iso(at(to)), count]);
  });

  it('midnight that comes twice begins one day, midnight that never comes begins one too', () => {
    const havana = parseGrid('1d', 'America/Havana');
    const twice = havana.startOf(at('2026-11-01T12:00:00Z'));
    expect(iso(twice)).toBe('2026-11-01T04:00:00.000Z');
    expect(iso(havana.endOf(twice))).toBe('2026-11-02T05:00:00.000Z');
    const beirut = parseGrid('1d', 'Asia/Beirut');
    const skipped = beirut.startOf(at('2026-03-29T12:00:00Z'));
    expect(local(skipped, 'Asia/Beirut')).toBe('2026-03-29 01:00:00');
    expect(beirut.endOf(beirut.startOf(skipped - 1))).toBe(skipped);
  });

  it('weeks begin on Monday, fixed widths at the epoch', () => {
    expect(iso(parseGrid('1w', undefined).startOf(at('2026-11-28T12:00:00Z')))).toBe('2026-11-23T00:00:00.000Z');
    expect(parseGrid('7d', undefined).startOf(at('1970-01-05T00:00:00Z'))).toBe(0);
    expect(parseGrid('1mo', 'UTC').endOf(at('2024-02-01T00:00:00Z'))).toBe(at('2024-03-01T00:00:00Z'));
  });

  it('are made of a roll-up level only where offsets allow it', () => {
    const range = { fromMs: at('2026-01-01T00:00:00Z'), toMs: at('2026-12-31T00:00:00Z') };
    const made = (every: string, tz: string | undefined) =>
      [10_000, 60_000, 900_000, 86_400_000].map((level) => parseGrid(every, tz).isMadeOf(level, range));
    expect(made('1d', 'Asia/Kathmandu')).toEqual([true, true, true, false]);
    expect(made('1mo', 'UTC')).toEqual([true, true, true, true]);
    expect(made('1mo', 'Europe/Paris')).toEqual([true, true, true, false]);
    expect(made('1m', undefined)).toEqual([true, true, false, false]);
    // Before standard time, local mean time had seconds.
    const long = { fromMs: at('1890-01-01T00:00:00Z'), toMs: at('1890-02-01T00:00:00Z') };
    expect(parseGrid('1d', 'Europe/Paris').isMadeOf(10_000, long)).toBe(false);
  });

  it('a range is widened to whole buckets', () => {
    const range = { fromMs: at('2026-02-10T00:00:00Z'), toMs: at('2026-03-10T00:00:00Z') };
    const whole = widened(range, parseGrid('1mo', 'Europe/Paris'));
    expect([iso(whole.fromMs), iso(whole.toMs)]).toEqual(['2026-01-31T23:00:00.000Z', '2026-03-31T22:00:00.000Z']);
    expect(widened(whole, parseGrid('1mo', 'Europe/Paris'))).toEqual(whole);
    expect(widened({ fromMs: 5, toMs: 20_000 }, fixedGrid(10_000))).toEqual({ fromMs: 0, toMs: 20_000 });
  });

  it.each([
    ['10', undefined, 'every: 10 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "10s"'],
    ['PT1H', undefined, 'every: "PT1H" is an ISO 8601 duration; write 10s, 5m, 6h, 1d or 1mo'],
    ['3 months', undefined, 'every: "3 months": write 3mo'],
    ['100ms', undefined, 'every: 100ms is finer than one second; leave every out for the readings themselves'],
    [
      '7h',
      'Europe/Paris',
      'every: 7h does not divide a day, so it has no place in the local time of Europe/Paris; write 15m, 1h, 6h or 1d',
    ],
    [
      '1d',
      'Europe/Pariss',
      'tz: "Europe/Pariss" is no IANA time zone (did you mean "Europe/Paris"?); write for example Europe/Paris or UTC',
    ],
  ])('refuses every=%s tz=%s with the fix', (every, tz, message) => {
    expect(() => parseGrid(every, tz)).toThrow(expect.objectContaining({ code: 'query_invalid', message }));
  });
});

describe('widths of roll-ups', () => {
  it.each([
    ['10s', 10_000],
    ['90s', 90_000],
    ['1m', 60_000],
    ['6h', 21_600_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => {
    expect(parseEvery(text)).toBe(ms);
    expect(compact(ms)).toBe(text);
  });

  it.each([
    [60_000, 100, undefined],
    [100_000, 100, '1s'],
    [86_400_000, 400, '5m'],
    [30 * 86_400_000, 400, '2h'],
    [20_000 * 86_400_000, 100, '200d'],
  ])('a chart over %i ms in %i buckets: %s', (lengthMs, buckets, every) => {
    const fromMs = at('2026-01-01T00:00:00Z');
    const grid = gridFor({ fromMs, toMs: fromMs + lengthMs }, buckets, undefined);
    expect(grid?.every).toBe(every);
    if (grid !== undefined) expect(lengthMs / grid.stepMs).toBeLessThanOrEqual(buckets);
  });

  it.each([
    ['1s', 'every: roll-ups stand at 10s, 1m, 15m, 1d, so 1s is none of their multiples; write for example 10s'],
    ['25s', 'every: roll-ups stand at 10s, 1m, 15m, 1d, so 25s is none of their multiples; write for example 30s'],
    ['1mo', 'every: "1mo" is a calendar width; write a fixed one such as 1d or 7d'],
  ])('refuses %s with the fix', (text, message) => {
    expect(() => parseEvery(text)).toThrow(expect.objectContaining({ code: 'query_invalid', message }));
  });
});
