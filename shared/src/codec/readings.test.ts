import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { flagText, type ReadingColumns } from '../reading.ts';
import {
  type CodecMode,
  decodeReadings,
  decodeReadingsOf,
  encodeReadings,
  mergeReadings,
  readingsLimits,
  readReadingsDirectory,
  readReadingsHeader,
} from './readings.ts';
import { differenceOf, sampleColumns } from './testing/sample-columns.ts';

const modes: readonly CodecMode[] = ['fast', 'dense'];

function oneSeries(values: ArrayLike<number>, times?: ArrayLike<number>): ReadingColumns {
  const count = values.length;
  return {
    count,
    series: new Uint32Array(count).fill(7),
    time: Float64Array.from(times ?? Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i * 1000)),
    value: Float64Array.from(values),
    flags: new Uint8Array(count),
    strings: [],
  };
}

/** A fleet of `series` sensors of `metrics` interleaved metrics, one reading each at one time. */
function fleet(series: number, metrics: number): ReadingColumns {
  const levels = [20, 45, 2.7, 500];
  return {
    count: series,
    series: Uint32Array.from({ length: series }, (_, s) => s + 1),
    time: new Float64Array(series).fill(1_700_000_000_000),
    value: Float64Array.from({ length: series }, (_, s) => {
      const level = levels[s % metrics] as number;
      return Math.round((level + (((s * 7919) % 101) / 1000) * level) * 100) / 100;
    }),
    flags: new Uint8Array(series),
    strings: [],
  };
}

function rowsOf(columns: ReadingColumns, wanted: ReadonlySet<number>): ReadingColumns {
  const rows = Array.from({ length: columns.count }, (_, row) => row).filter((row) =>
    wanted.has(columns.series[row] as number),
  );
  return {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => columns.series[row] as number),
    time: Float64Array.from(rows, (row) => columns.time[row] as number),
    value: Float64Array.from(rows, (row) => columns.value[row] as number),
    flags: Uint8Array.from(rows, (row) => columns.flags[row] as number),
    strings: columns.strings,
  };
}

describe.each(modes)('%s', (mode) => {
  test('what is decoded is what was encoded, row for row and bit for bit', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 3, 60, 400, 3000), (seed, rowsMax) => {
        const columns = sampleColumns(seed, rowsMax);
        expect(differenceOf(decodeReadings(encodeReadings(columns, mode)), columns)).toBeUndefined();
      }),
      { numRuns: 250 },
    );
  });

  test('any finite doubles and any times come back', () => {
    const row = fc.tuple(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 4_102_444_800_000 }), fc.constant(2 ** 53)),
    );
    fc.assert(
      fc.property(fc.array(row, { maxLength: 80 }), (rows) => {
        const columns = oneSeries(
          rows.map(([value]) => value),
          rows.map(([, time]) => time),
        );
        expect(differenceOf(decodeReadings(encodeReadings(columns, mode)), columns)).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['no rows', []],
    ['one value', [21.5]],
    ['negative zero', [-0]],
    ['both zeros among decimals', [0.1, -0, 0, 0.2, -0]],
    ['subnormals', [5e-324, -5e-324, 2 ** -1074 * 3]],
    ['2^53 and its neighbours', [2 ** 53, 2 ** 53 - 1, -(2 ** 53), 2 ** 53 + 2]],
    ['largest doubles', [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MAX_VALUE]],
    ['an outlier among decimals', [20.1, 20.2, 9e15, 20.1, 20.2, -9e15, 20.3]],
    ['one that is no decimal', [...Array.from({ length: 50 }, (_, i) => i / 10), Math.PI]],
  ])('%s', (_, values) => {
    const columns = oneSeries(values);
    expect(differenceOf(decodeReadings(encodeReadings(columns, mode)), columns)).toBeUndefined();
  });

  test('strings that are not well formed, empty or repeated come back', () => {
    const strings = ['', 'a', '\udc00', 'a', 'ß'.repeat(300)];
    const columns = {
      ...oneSeries([4, 2, 0, 1, 3]),
      flags: new Uint8Array(5).fill(flagText),
      strings,
    };
    expect(decodeReadings(encodeReadings(columns, mode)).strings).toEqual(strings);
  });

  test('the rows of some series are the same as when all are decoded', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.constantFrom(60, 3000, 9000), (seed, pick, rowsMax) => {
        const columns = sampleColumns(seed, rowsMax);
        const bytes = encodeReadings(columns, mode);
        const ids = [...new Set(columns.series)];
        const wanted = new Set(ids.filter((_, i) => (i + pick) % 3 === 0));
        expect(differenceOf(decodeReadingsOf(bytes, wanted), rowsOf(columns, wanted))).toBeUndefined();
        const one = ids[pick % ids.length] as number;
        expect(differenceOf(decodeReadingsOf(bytes, one), rowsOf(columns, new Set([one])))).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  test('head and directory tell count, series, rows, time range and the bounds of every block', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(60, 3000, 9000), (seed, rowsMax) => {
        const columns = sampleColumns(seed, rowsMax);
        const bytes = encodeReadings(columns, mode);
        const { series, rows, blocks, ...head } = readReadingsDirectory(bytes);
        expect(head).toEqual(readReadingsHeader(bytes));
        expect(head).toEqual({
          count: columns.count,
          seriesCount: new Set(columns.series).size,
          timeMin: Math.min(...columns.time),
          timeMax: Math.max(...columns.time),
        });
        expect([...series]).toEqual([...new Set(columns.series)]);
        const rowsOfSeries = new Map<number, number>();
        for (const id of columns.series) rowsOfSeries.set(id, (rowsOfSeries.get(id) ?? 0) + 1);
        expect([...rows]).toEqual([...rowsOfSeries.values()]);
        expect(blocks.reduce((sum, block) => sum + block.count, 0)).toBe(columns.count);
        expect(Math.min(...blocks.map((block) => block.valueMin))).toBe(Math.min(...columns.value));
        expect(Math.max(...blocks.map((block) => block.valueMax))).toBe(Math.max(...columns.value));
      }),
      { numRuns: 60 },
    );
  });

  test('merging blobs is encoding their rows sorted by series, in blob order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), (seeds) => {
        const parts = seeds.map((seed) => sampleColumns(seed, 80));
        const merged = decodeReadings(
          mergeReadings(
            parts.map((part) => encodeReadings(part, 'fast')),
            mode,
          ),
        );
        const all = parts.flatMap((part) =>
          Array.from({ length: part.count }, (_, row) => ({
            series: part.series[row] as number,
            time: part.time[row] as number,
            value: (part.flags[row] as number) & flagText ? part.strings[part.value[row] as number] : part.value[row],
            flags: part.flags[row] as number,
          })),
        );
        const sorted = all.toSorted((a, b) => a.series - b.series);
        expect(merged.count).toBe(sorted.length);
        for (let row = 0; row < merged.count; row++) {
          const value = merged.value[row] as number;
          expect({
            series: merged.series[row],
            time: merged.time[row],
            value: (merged.flags[row] as number) & flagText ? merged.strings[value] : value,
            flags: merged.flags[row],
          }).toEqual(sorted[row]);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('a result owns its memory and survives further calls', () => {
    const first = oneSeries([1.5, 2.5, 3.5]);
    const bytes = encodeReadings(first, mode);
    const decoded = decodeReadings(bytes);
    const kept = Uint8Array.from(bytes);
    decodeReadings(encodeReadings(sampleColumns(3, 500), mode));
    expect(bytes).toEqual(kept);
    const next = encodeReadings(oneSeries([4.5, 5.5]), mode);
    const nextKept = Uint8Array.from(next);
    bytes.fill(0);
    expect(next).toEqual(nextKept);
    expect(differenceOf(decoded, first)).toBeUndefined();
  });

  test('a blob in the middle of a larger buffer is read', () => {
    const columns = sampleColumns(11, 400);
    const bytes = encodeReadings(columns, mode);
    const larger = new Uint8Array(bytes.length + 10).fill(0xff);
    larger.set(bytes, 3);
    expect(differenceOf(decodeReadings(larger.subarray(3, 3 + bytes.length)), columns)).toBeUndefined();
  });
});

test('a fleet of one reading per series pays per block, not per series', () => {
  expect(encodeReadings(fleet(200, 1), 'fast').length / 200).toBeLessThan(1.6);
});

test('metrics whose series are interleaved do not spoil each other', () => {
  const columns = fleet(240, 4);
  const metric = (series: number): number => (series - 1) % 4;
  const found = encodeReadings(columns, 'fast');
  const told = encodeReadings(columns, 'fast', { groupOf: metric });
  expect(found.length).toBe(told.length);
  expect(found.length / 240).toBeLessThan(1.4);
  expect(differenceOf(decodeReadings(told), columns)).toBeUndefined();
});

test('groups without a pattern in the ids are kept, whatever the caller calls them', () => {
  const columns = fleet(64, 1);
  const bytes = encodeReadings(columns, 'fast', { groupOf: (series) => ((series * 31) % 7 > 3 ? -1.5 : 1e9) });
  expect(differenceOf(decodeReadings(bytes), columns)).toBeUndefined();
});

const motes = new URL('../../../../shared/data/intel_lab_30s/intel_temperature_30s_52motes.csv', import.meta.url);

test.skipIf(!existsSync(motes))('52 real motes: a live epoch and a merged day cost what the design promises', () => {
  const lines = readFileSync(motes, 'utf8').trim().split('\n').slice(1, 2881);
  const blobs = lines.map((line) => {
    const [seconds = 0, ...values] = line.split(',').map(Number);
    return encodeReadings(
      {
        count: values.length,
        series: Uint32Array.from(values, (_, s) => s + 1),
        time: new Float64Array(values.length).fill(1_078_000_000_000 + seconds * 1000),
        value: Float64Array.from(values),
        flags: new Uint8Array(values.length),
        strings: [],
      },
      'fast',
    );
  });
  expect(Math.max(...blobs.map((blob) => blob.length))).toBeLessThanOrEqual(100);
  const merged = mergeReadings(blobs, 'dense');
  expect(merged.length / (52 * 2880)).toBeLessThan(0.4);
  const mote = decodeReadingsOf(merged, 9);
  expect([...mote.value]).toEqual(lines.map((line) => Number(line.split(',')[9])));
});

describe('the encoder asserts', () => {
  const good = oneSeries([1, 2, 3]);
  test.each([
    ['series that descend', { ...good, series: Uint32Array.of(2, 1, 3) }],
    ['NaN', { ...good, value: Float64Array.of(1, Number.NaN, 3) }],
    ['infinity', { ...good, value: Float64Array.of(1, 2, Number.POSITIVE_INFINITY) }],
    ['a time that is no integer', { ...good, time: Float64Array.of(1, 2.5, 3) }],
    ['a time that is NaN', { ...good, time: Float64Array.of(1, Number.NaN, 3) }],
    ['a time beyond 2^53', { ...good, time: Float64Array.of(1, 2, 2 ** 53 + 2) }],
    ['an unknown flag', { ...good, flags: Uint8Array.of(0, 8, 0) }],
    ['a text outside the table', { ...good, flags: Uint8Array.of(4, 0, 0) }],
    ['columns shorter than count', { ...good, count: 4 }],
    ['more rows than countMax', { ...good, count: readingsLimits.countMax + 1 }],
  ])('%s', (_, columns) => {
    expect(() => encodeReadings(columns, 'dense')).toThrow('invariant violated');
  });
});
