import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as units from './units.ts';
import { formatDuration, formatShare, formatSize, parseDurationMs, parseSharePpm, parseSizeBytes } from './units.ts';

const durationUnits = [
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
] as const;
const sizeUnits = [
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
  ['TiB', 1024 ** 4],
] as const;

describe('every amount in every unit is exact', () => {
  it('for durations', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.constantFrom(...durationUnits), (amount, [unit, factor]) => {
        expect(parseDurationMs(`${amount}${unit}`)).toEqual({ value: amount * factor });
        expect(parseDurationMs(` ${amount} ${unit} `)).toEqual({ value: amount * factor });
      }),
    );
  });

  it('for sizes', () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.constantFrom(...sizeUnits), (amount, [unit, factor]) => {
        expect(parseSizeBytes(`${amount}${unit}`)).toEqual({ value: amount * factor });
      }),
    );
  });

  it('for decimals that come out whole, and only for those', () => {
    expect(parseDurationMs('1.5h')).toEqual({ value: 5_400_000 });
    expect(parseDurationMs('0.001s')).toEqual({ value: 1 });
    expect(parseSizeBytes('0.1GiB')).toEqual({ problem: '"0.1GiB" is finer than whole bytes: use fewer decimals' });
    expect(parseSizeBytes('2.3GB')).toEqual({ value: 2_300_000_000 });
    expect(parseSharePpm('12.5%')).toEqual({ value: 125_000 });
  });
});

it('names the fix', () => {
  const table: [(text: string) => object, string, string][] = [
    [parseDurationMs, '30', '30 has no unit: write 500ms, 10s, 5m, 6h or 7d, for example "30s"'],
    [parseDurationMs, '5min', '"5min" has no known unit: write "5m"'],
    [parseDurationMs, '5 S', '"5S" has no known unit: write "5s"'],
    [parseDurationMs, '3w', '"3w" has no known unit: a duration ends in ms, s, m, h, d'],
    [parseDurationMs, '-5s', '"-5s" is not a duration: write 500ms, 10s, 5m, 6h or 7d'],
    [parseDurationMs, '1h30m', '"1h30m" is not a duration: write 500ms, 10s, 5m, 6h or 7d'],
    [parseDurationMs, '0.5ms', '"0.5ms" is finer than whole milliseconds: use fewer decimals'],
    [parseDurationMs, '9007199254740992d', '"9007199254740992d" is absurdly large'],
    [parseSizeBytes, '512', '512 has no unit: write 64KiB, 512MiB or 1GB, for example "512MiB"'],
    [parseSizeBytes, '512M', '"512M" has no known unit: write "512MB" or "512MiB"'],
    [parseSizeBytes, '512mib', '"512mib" has no known unit: write "512MiB"'],
    [parseSizeBytes, '', '"" is not a size: write 64KiB, 512MiB or 1GB'],
    [parseSharePpm, '5', '5 has no unit: write 5% or 0.5%, for example "5%"'],
    [parseSharePpm, '101%', '"101%" is more than the whole: at most 100%'],
  ];
  for (const [parse, text, problem] of table) expect(parse(text), text).toEqual({ problem });
});

it('never throws, and never yields anything but a safe non-negative integer or a bounded problem', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,20}[a-zA-Z%]{0,5}$/)), (text) => {
      for (const parse of [parseDurationMs, parseSizeBytes, parseSharePpm]) {
        const parsed = parse(text);
        if ('value' in parsed) expect(Number.isSafeInteger(parsed.value) && parsed.value >= 0).toBe(true);
        else expect(parsed.problem.length).toBeLessThan(200);
      }
    }),
  );
});

describe('formats for people', () => {
  it('writes what it reads, where one unit suffices', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 23 }), fc.constantFrom(...durationUnits), (amount, [unit, ms]) => {
        expect(formatDuration(amount * ms)).toBe(`${amount}${unit}`);
        expect(parseSharePpm(formatShare(amount * 10_000))).toEqual({ value: amount * 10_000 });
        for (const [size, bytes] of sizeUnits.slice(5)) expect(formatSize(amount * bytes)).toBe(`${amount}${size}`);
      }),
    );
  });

  it('keeps two units at most', () => {
    expect(formatDuration(0)).toBe('0ms');
    expect(formatDuration(90_000)).toBe('1m 30s');
    expect(formatDuration(90_061_001)).toBe('1d 1h');
    expect(formatDuration(86_460_000)).toBe('1d');
    expect(formatDuration(-1_500)).toBe('-1s 500ms');
    expect(formatSize(1_536)).toBe('1.50KiB');
    expect(formatSize(1_023.5 * 1024 ** 2)).toBe('1024MiB');
    expect(formatSize(-2048)).toBe('-2KiB');
  });
});

it('the pattern for editors takes what is taken here, and nothing with a wrong unit', () => {
  const duration = new RegExp(units.quantityPattern(units.durationUnits));
  const size = new RegExp(units.quantityPattern(units.sizeUnits));
  for (const [unit] of durationUnits) expect(`1.5 ${unit}`).toMatch(duration);
  for (const [unit] of sizeUnits) expect(` 10${unit}`).toMatch(size);
  for (const wrong of ['10', '10 sec', '-1s', '1e3s', 's', '10ss']) {
    expect(wrong).not.toMatch(duration);
    expect(parseDurationMs(wrong)).toHaveProperty('problem');
  }
});
