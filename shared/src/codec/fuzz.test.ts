/**
 * Hostile bytes. Damage must be refused by the checksum; bytes whose checksum was made to fit must be refused or give rows
 * in canonical form, within bounds. A decoder that skips the checksum is the canary: the harness must catch it.
 */
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FoglineError, hasCode } from '../errors.ts';
import { SeededRandom } from '../random.ts';
import { flagText, type ReadingColumns } from '../reading.ts';
import { ByteWriter } from './byte-io.ts';
import {
  decodeReadings,
  encodeReadings,
  readingsLimits,
  readReadingsDirectory,
  readReadingsHeader,
} from './readings.ts';
import { differenceOf, sampleColumns } from './sample-columns.ts';

type Decode = (bytes: Uint8Array) => ReadingColumns;

/** The same bytes with a checksum that fits. */
function resealed(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const end = copy.length - 4;
  new DataView(copy.buffer).setUint32(end, crc32(copy.subarray(0, end)), true);
  return copy;
}

function sealed(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(64);
  write(out);
  out.u32(0);
  return resealed(out.copy());
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

/** Rows that no consumer may ever see. */
function expectCanonical(columns: ReadingColumns): void {
  const { count, series, time, value, flags, strings } = columns;
  for (let row = 0; row < count; row++) {
    const own = value[row] as number;
    const isText = ((flags[row] as number) & flagText) !== 0;
    const isRight =
      (row === 0 || (series[row] as number) >= (series[row - 1] as number)) &&
      Number.isInteger(time[row]) &&
      Number.isFinite(own) &&
      (flags[row] as number) <= 6 &&
      (!isText || strings[own] !== undefined);
    if (!isRight) throw new Error(`row ${row} is not canonical`);
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

test('bytes made to fit the checksum are refused or give canonical rows', () => {
  let refused = 0;
  let accepted = 0;
  for (let seed = 1; seed <= 500; seed++) {
    const bytes = encodeReadings(
      sampleColumns(seed, [3, 60, 400, 3000][seed % 4] as number),
      seed % 3 === 0 ? 'fast' : 'dense',
    );
    const random = new SeededRandom(seed);
    for (let i = 0; i < 12; i++) {
      const hostile = mutated(bytes, random);
      if (hostile.length < 6) continue;
      const fitting = resealed(hostile);
      try {
        const decoded = decodeReadings(fitting);
        expectCanonical(decoded);
        expect(decoded.count).toBeLessThanOrEqual(readingsLimits.countMax);
        readReadingsDirectory(fitting);
        accepted++;
      } catch (error) {
        if (!hasCode(error, 'codec_corrupt', 'codec_version')) throw error;
        refused++;
      }
    }
  }
  expect(refused).toBeGreaterThan(1000);
  expect(accepted).toBeGreaterThan(100);
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
