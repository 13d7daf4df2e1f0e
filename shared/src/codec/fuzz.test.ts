/**
 * Damaged bytes. Damage must be refused by the checksum; a decoder that skips it is the canary: the harness must catch it. What
 * was wrong once, and bombs. (Bytes whose checksum was made to fit: hostile.test.ts.)
 */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FoglineError, hasCode } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import type { ReadingColumns } from '../reading.ts';
import { ByteWriter } from './byte-io.ts';
import { writeRegular } from './integer-encode.ts';
import {
  decodeReadings,
  encodeReadings,
  readingsLimits,
  readReadingsDirectory,
  readReadingsHeader,
} from './readings.ts';
import { resealed } from './testing/hostile-blobs.ts';
import { differenceOf, sampleColumns } from './testing/sample-columns.ts';

type Decode = (bytes: Uint8Array) => ReadingColumns;

function sealed(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(64);
  write(out);
  out.u32(0);
  return resealed(out.bytes.slice(0, out.at));
}

function mutated(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let edits = 1 + random.below(4); edits > 0; edits--) {
    const head = Math.min(60, copy.length);
    const at = random.chance(0.6) ? random.below(head) : random.below(copy.length);
    copy[at] = random.chance(0.5) ? (copy[at] as number) ^ (1 << random.below(8)) : random.below(256);
  }
  return random.chance(0.2) ? copy.subarray(0, random.below(copy.length)) : copy;
}

/** What is wrong with the answer to damaged bytes, if anything: only a refusal or the very same rows are right. */
function silentDamage(decode: Decode, bytes: Uint8Array, original: ReadingColumns): string | undefined {
  try {
    return differenceOf(decode(bytes), original);
  } catch (error) {
    return hasCode(error, 'codec_corrupt', 'codec_version') ? undefined : `crash: ${String(error)}`;
  }
}

/** Number of mutations that got through as other rows. */
function fuzzDamage(decode: Decode, seeds: number): string[] {
  const found: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const original = sampleColumns(seed, [3, 60, 400][seed % 3] as number);
    const bytes = encodeReadings(original, seed % 2 === 0 ? 'dense' : 'fast');
    const random = new SeededRandom(seed);
    for (let i = 0; i < 20; i++) {
      const problem = silentDamage(decode, mutated(bytes, random), original);
      if (problem !== undefined) found.push(`seed ${seed}, mutation ${i}: ${problem}`);
    }
  }
  return found;
}

test('a blob cut at any offset is refused', () => {
  for (const mode of ['fast', 'dense'] as const) {
    const bytes = encodeReadings(sampleColumns(5, 400), mode);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeReadings(bytes.subarray(0, length))).toThrow(FoglineError);
      expect(() => readReadingsHeader(bytes.subarray(0, length))).toThrow(FoglineError);
    }
  }
});

test('any flipped bit is noticed', () => {
  const original = sampleColumns(8, 60);
  const bytes = encodeReadings(original, 'dense');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[bit >>> 3] = (flipped[bit >>> 3] as number) ^ (1 << (bit & 7));
    expect(() => decodeReadings(flipped)).toThrow(FoglineError);
  }
});

test('damage never becomes other rows', () => {
  expect(fuzzDamage(decodeReadings, 400)).toEqual([]);
});

test('canary: a decoder that ignores the checksum is caught', () => {
  const careless: Decode = (bytes) => decodeReadings(bytes.length < 6 ? bytes : resealed(bytes));
  expect(fuzzDamage(careless, 40).length).toBeGreaterThan(0);
});

describe('past failures', () => {
  const far = 2 ** 53;
  const rowsOf = (ids: number[], time: number[], value: number[]): ReadingColumns => ({
    count: ids.length,
    series: Uint32Array.from(ids),
    time: Float64Array.from(time),
    value: Float64Array.from(value),
    flags: new Uint8Array(ids.length),
    strings: [],
  });

  test.each([
    [
      'differences of times beyond 2^53, by series',
      rowsOf([1, 1, 2, 2, 3], [-far, far, -far + 1, far, 0], [1, 2, 3, 4, 5]),
    ],
    ['a step between the first times that no double holds', rowsOf([1, 1, 1], [-far, far - 1, far - 1], [1, 2, 3])],
    [
      'two value blocks and no lengths',
      rowsOf(
        Array.from({ length: 1500 }, () => 1),
        Array.from({ length: 1500 }, () => 5),
        Array.from({ length: 1500 }, (_, i) => (i * 7919) % 1009),
      ),
    ],
    [
      'a dictionary whose table looks repetitive',
      rowsOf(
        Array.from({ length: 400 }, () => 1),
        Array.from({ length: 400 }, (_, i) => i),
        Array.from({ length: 400 }, (_, i) => Math.sqrt(((i * 7919) % 40) + 0.1)),
      ),
    ],
    [
      'integers within 2^31 of the first, and not of each other',
      rowsOf(
        Array.from({ length: 1000 }, () => 1),
        Array.from({ length: 1000 }, (_, i) => i),
        Array.from({ length: 1000 }, (_, i) => (i === 0 ? 2 ** 31 : (i * 2_654_435_761) % 2 ** 32)),
      ),
    ],
  ])('%s', (_, columns) => {
    for (const mode of ['fast', 'dense'] as const) {
      const bytes = encodeReadings(columns, mode);
      expect(differenceOf(decodeReadings(bytes), columns)).toBeUndefined();
      const { timeMin, timeMax, blocks } = readReadingsDirectory(bytes);
      expect([timeMin, timeMax]).toEqual([Math.min(...columns.time), Math.max(...columns.time)]);
      expect(blocks.reduce((sum, block) => sum + block.count, 0)).toBe(columns.count);
    }
  });

  test('bounds of a grid that are not finite are refused by every door', () => {
    const bytes = sealed((out) => {
      for (const byte of [1, 1, 1]) out.u8(byte); // version, one row, one series
      out.svarint(5);
      out.varint(0);
      writeRegular(out, 1, 0);
      out.u8(7); // a grid in form 0: origin, step, bounds, no step, no miss
      out.u8(0);
      for (const number of [20, 1, Number.NaN, 20]) out.f64(number);
      out.varint(0);
      writeRegular(out, 0, 0);
    });
    for (const ask of [decodeReadings, readReadingsDirectory]) expect(() => ask(bytes)).toThrow('value is not finite');
  });

  test('the search for a grid ends where divisors grow again after they shrank', () => {
    // POI-like coordinates: no grid, eight digits; the search once went round in circles on such columns.
    for (let seed = 1; seed <= 300; seed++) {
      const random = new SeededRandom(seed);
      const places = 10 ** (4 + random.below(6));
      const value = Array.from({ length: 64 }, () => Math.round(random.unit() ** 3 * 50 * places) / places);
      const columns = rowsOf(
        Array.from(value, () => 1),
        Array.from(value, (_, i) => i),
        value,
      );
      expect(differenceOf(decodeReadings(encodeReadings(columns, 'dense')), columns)).toBeUndefined();
    }
  });
});

describe('bombs cost no more than an honest blob', () => {
  test('a count beyond the limit is refused before anything is allocated', () => {
    const bytes = sealed((out) => {
      out.u8(1);
      out.varint(2 ** 40);
    });
    expect(() => decodeReadings(bytes)).toThrow('row count out of range');
  });

  test('a million series of one row from a few bytes stay within the limits', () => {
    const bytes = sealed((out) => {
      out.u8(1);
      out.varint(readingsLimits.countMax);
      out.varint(readingsLimits.countMax);
      out.svarint(0);
      out.varint(0);
      out.u8(10);
      for (let at = 0; at < readingsLimits.countMax; at += 4096) {
        out.u8(0b001); // Ids by predictor delta, constant: 4,096 more per column.
        out.svarint(at);
        out.svarint(1);
      }
      out.u8(1);
    });
    expect(() => decodeReadings(bytes)).toThrow(FoglineError);
  });

  test('a deflate bomb in the string table is stopped at its declared size', () => {
    const bomb = deflateRawSync(Buffer.alloc(50_000_000));
    const bytes = sealed((out) => {
      out.u8(1 | 0x20);
      out.varint(0);
      out.varint(1);
      out.u8(1);
      out.varint(10);
      out.varint(bomb.length);
      out.u8(0);
      out.svarint(10);
      out.raw(bomb);
    });
    expect(() => decodeReadings(bytes)).toThrow('string table does not inflate');
  });

  test('dictionaries within dictionaries are refused', () => {
    const bytes = sealed((out) => {
      out.u8(1);
      out.varint(1);
      out.varint(1);
      out.svarint(0);
      out.varint(0);
      out.u8(0);
      out.svarint(1);
      for (let depth = 0; depth < 100_000; depth++) {
        out.u8(2);
        out.varint(1);
      }
    });
    expect(() => decodeReadings(bytes)).toThrow('dictionary in a dictionary');
    expect(() => readReadingsDirectory(bytes)).toThrow(FoglineError);
  });
});

test('an unknown version is told apart from damage', () => {
  const bytes = encodeReadings(sampleColumns(1, 3), 'fast');
  bytes[0] = ((bytes[0] as number) & 0xf0) | 2;
  expect(() => decodeReadings(resealed(bytes))).toThrow('format version 2 is not known');
});
