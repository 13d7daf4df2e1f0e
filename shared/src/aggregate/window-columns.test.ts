import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../errors.ts';
import type { WindowColumns } from '../reading.ts';
import { ByteWriter } from './bytes.ts';
import { Partial } from './partial.ts';
import { anyTime, anyValue, fromHex, hex, mutation } from './testing/reference.ts';
import {
  decodeWindows,
  encodeWindows,
  mergeWindows,
  readWindowsHeader,
  windowsBodyBytesMax,
  windowsCountMax,
} from './window-columns.ts';

interface Row {
  readonly series: number;
  readonly start: number;
  readonly delta: number;
  readonly partial: Uint8Array;
}

function columnsOf(rows: readonly Row[]): WindowColumns {
  return {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row.series),
    start: Float64Array.from(rows, (row) => row.start),
    delta: Uint8Array.from(rows, (row) => row.delta),
    partial: rows.map((row) => row.partial),
  };
}

function rowsOf(columns: WindowColumns): Row[] {
  return columns.partial.map((partial, i) => ({
    series: columns.series[i] ?? -1,
    start: columns.start[i] ?? Number.NaN,
    delta: columns.delta[i] ?? -1,
    partial: Uint8Array.from(partial),
  }));
}

const bySeries = (rows: Row[]) => rows.sort((a, b) => a.series - b.series);

const realPartial = fc
  .record({ items: fc.array(fc.tuple(fc.nat(9_999), anyValue), { maxLength: 5 }), sketch: fc.boolean() })
  .map(({ items, sketch }) => ({ items, sketch }));
const alignedRow: fc.Arbitrary<Row> = fc
  .tuple(fc.nat(6), fc.nat(50), fc.boolean(), realPartial)
  .map(([series, window, isDelta, { items, sketch }]) => {
    const start = 1_700_000_000_000 + window * 10_000;
    const partial = Partial.empty({ sketch });
    for (const [offset, value] of items) partial.add(start + offset, value);
    return { series, start, delta: isDelta ? 1 : 0, partial: partial.encode() };
  });
const oddRow: fc.Arbitrary<Row> = fc
  .tuple(fc.nat(0xffff_ffff), anyTime, fc.boolean(), fc.uint8Array({ maxLength: 12 }))
  .map(([series, start, isDelta, partial]) => ({ series, start, delta: isDelta ? 1 : 0, partial }));
const rows = fc
  .oneof(
    fc.array(alignedRow, { maxLength: 60 }),
    fc.array(oddRow, { maxLength: 20 }),
    fc.array(fc.oneof(alignedRow, oddRow), { maxLength: 20 }),
  )
  .map(bySeries);

/** Wraps a body in a valid frame, as an attacker would. */
function framed(count: number, body: Uint8Array, claimedLength: number | null): Uint8Array {
  const writer = new ByteWriter();
  writer.byte(1);
  writer.byte(claimedLength === null ? 0 : 1);
  writer.varint(count);
  writer.varint(1);
  writer.signed(0);
  writer.signed(0);
  if (claimedLength !== null) writer.varint(claimedLength);
  writer.raw(body, 0, body.length);
  const sum = crc32(writer.finish());
  for (let shift = 0; shift < 32; shift += 8) writer.byte((sum >>> shift) & 0xff);
  return writer.finish();
}

describe('windows', () => {
  test('come back row for row and byte for byte', () => {
    fc.assert(
      fc.property(rows, (items) => {
        const bytes = encodeWindows(columnsOf(items));
        expect(rowsOf(decodeWindows(bytes))).toEqual(items);
        const starts = items.map((row) => row.start);
        expect(readWindowsHeader(bytes)).toEqual({
          count: items.length,
          seriesCount: new Set(items.map((row) => row.series)).size,
          timeMin: items.length === 0 ? 0 : Math.min(...starts),
          timeMax: items.length === 0 ? 0 : Math.max(...starts),
        });
      }),
      { numRuns: 500 },
    );
  });

  test('of a fleet cost little more than their values', () => {
    const start = 1_700_000_040_000;
    const items = Array.from({ length: 52 }, (_, series) => {
      const partial = Partial.empty();
      partial.add(start, 18 + series / 100);
      return { series, start, delta: 0, partial: partial.encode() };
    });
    expect(encodeWindows(columnsOf(items)).length).toBeLessThan(52 * 6);
  });

  test('merge into the rows of all, those of one series in the order of the blobs', () => {
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 5 }), (blobs) => {
        const merged = mergeWindows(blobs.map((items) => encodeWindows(columnsOf(items))));
        expect(rowsOf(decodeWindows(merged))).toEqual(bySeries(blobs.flat()));
        expect(hex(merged)).toBe(hex(encodeWindows(columnsOf(bySeries(blobs.flat())))));
      }),
      { numRuns: 200 },
    );
  });

  test('merge the same in any grouping', () => {
    fc.assert(
      fc.property(rows, rows, rows, (a, b, c) => {
        const [x, y, z] = [a, b, c].map((items) => encodeWindows(columnsOf(items))) as [
          Uint8Array,
          Uint8Array,
          Uint8Array,
        ];
        expect(hex(mergeWindows([mergeWindows([x, y]), z]))).toBe(hex(mergeWindows([x, mergeWindows([y, z])])));
      }),
      { numRuns: 100 },
    );
  });

  test('out of canonical order are a programming error', () => {
    const row = { series: 1, start: 0, delta: 0, partial: Partial.empty().encode() };
    expect(() => encodeWindows(columnsOf([row, { ...row, series: 0 }]))).toThrow('invariant');
    expect(() => encodeWindows(columnsOf([{ ...row, start: 0.5 }]))).toThrow('invariant');
    expect(() => encodeWindows(columnsOf([{ ...row, delta: 2 }]))).toThrow('invariant');
  });

  test('beyond a limit are refused by name', () => {
    const row = { series: 1, start: 0, delta: 0, partial: Partial.empty().encode() };
    const tooMany = columnsOf(Array.from({ length: windowsCountMax + 1 }, () => row));
    expect(() => encodeWindows(tooMany)).toThrow(/windowsCountMax/);
    const half = encodeWindows(columnsOf(Array.from({ length: windowsCountMax / 2 + 1 }, () => row)));
    expect(() => mergeWindows([half, half])).toThrow(expect.objectContaining({ code: 'limit_exceeded' }));
    const big = { ...row, partial: new Uint8Array(60_000) };
    expect(() => encodeWindows(columnsOf(Array.from({ length: 200 }, () => big)))).toThrow(/windowsBodyBytesMax/);
  });
});

describe('hostile windows', () => {
  const check = (decode: (bytes: Uint8Array) => WindowColumns) =>
    fc.property(rows, fc.array(mutation, { minLength: 1, maxLength: 3 }), (items, mutations) => {
      const bytes = encodeWindows(columnsOf(items));
      const damaged = mutations.reduce<Uint8Array>((before, mutate) => mutate(before), bytes);
      if (hex(damaged) === hex(bytes)) return true;
      try {
        decode(damaged);
        return false;
      } catch (error) {
        return hasCode(error, 'codec_corrupt', 'codec_version');
      }
    });

  test('any damage is noticed', () => {
    fc.assert(check(decodeWindows), { numRuns: 2000 });
  });

  test('canary: without the checksum damage would pass', () => {
    const repaired = (bytes: Uint8Array) => {
      const copy = Uint8Array.from(bytes);
      if (copy.length > 4) new DataView(copy.buffer).setUint32(copy.length - 4, crc32(copy.subarray(0, -4)), true);
      return decodeWindows(copy);
    };
    expect(fc.check(check(repaired), { numRuns: 2000 }).failed).toBe(true);
  });

  test('with a valid checksum they are refused or decode to rows that encode again', () => {
    fc.assert(
      fc.property(rows, fc.array(mutation, { minLength: 1, maxLength: 4 }), (items, mutations) => {
        const body = mutations.reduce<Uint8Array>(
          (before, mutate) => mutate(before),
          encodeWindows(columnsOf(items)).slice(0, -4),
        );
        const bytes = new Uint8Array(body.length + 4);
        bytes.set(body);
        new DataView(bytes.buffer).setUint32(body.length, crc32(body), true);
        try {
          const columns = decodeWindows(bytes);
          expect(rowsOf(decodeWindows(encodeWindows(columns)))).toEqual(rowsOf(columns));
        } catch (error) {
          expect(hasCode(error, 'codec_corrupt', 'codec_version')).toBe(true);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['a deflate bomb', framed(1, deflateRawSync(new Uint8Array(windowsBodyBytesMax * 4)), 100)],
    ['a deflate bomb that owns up', framed(1, deflateRawSync(new Uint8Array(1000)), windowsBodyBytesMax + 1)],
    ['a deflate stream of another length', framed(1, deflateRawSync(new Uint8Array(50)), 60)],
    ['no deflate stream', framed(1, fromHex('ffffffff'), 60)],
    ['more rows than the limit', framed(windowsCountMax + 1, new Uint8Array(windowsCountMax * 2), null)],
    ['more rows than bytes', framed(60_000, new Uint8Array(100), null)],
    ['more series rows than rows', framed(2, fromHex('00ffffffffffff0f0000000000'), null)],
    ['a series id beyond 32 bits', framed(1, fromHex('80808080100000010000010000'), null)],
    ['bytes after the rows', framed(1, fromHex('0000000100000100010000'), null)],
  ])('%s is refused', (_name, bytes) => {
    expect(() => decodeWindows(bytes)).toThrow(expect.objectContaining({ code: 'codec_corrupt' }));
  });

  test('a later version is named as such', () => {
    const bytes = encodeWindows(columnsOf([]));
    bytes[0] = 2;
    expect(() => decodeWindows(bytes)).toThrow(expect.objectContaining({ code: 'codec_version' }));
  });
});
