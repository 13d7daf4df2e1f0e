/**
 * XOR coding of float64 values (Gorilla, Pelkonen et al., VLDB 2015): each value as the XOR with the one before, for
 * noisy doubles that repeat or share their leading and trailing bits. Per value after the first (64 bits):
 *
 *   0                      the same bits again
 *   10 + window            the XOR lies within the window (leading zeros, length) of the one before
 *   11 + 5 + 6 + bits      a new window: leading zeros (at most 31), significant bits less one, the bits
 *
 * Bits fill bytes from the least significant; numbers are stored least significant bit first.
 */
import { bitWords, blockRowsMax, readBitWords, writeBitWords } from './bit-pack.ts';
import { type ByteReader, type ByteWriter, corrupt } from './byte-io.ts';

const doubles = new Float64Array(blockRowsMax);
const halves = new Uint32Array(doubles.buffer);

let bitAt = 0;

/** Appends the low `bits` ≤ 32 of `value` to `bitWords`, clearing what lay there. */
function put(value: number, bits: number): void {
  if (bits === 0) return;
  const word = bitAt >>> 5;
  const used = bitAt & 31;
  const own = bits === 32 ? value : value & ((1 << bits) - 1);
  bitWords[word] = used === 0 ? own : (bitWords[word] as number) | (own << used);
  if (used + bits > 32) bitWords[word + 1] = own >>> (32 - used);
  bitAt += bits;
}

function get(bits: number): number {
  if (bits === 0) return 0;
  const word = bitAt >>> 5;
  const used = bitAt & 31;
  let value = (bitWords[word] as number) >>> used;
  if (used + bits > 32) value |= (bitWords[word + 1] as number) << (32 - used);
  bitAt += bits;
  return bits === 32 ? value >>> 0 : value & ((1 << bits) - 1);
}

/** Bits [from, from + length) of the 64-bit number (high, low). */
function putSlice(high: number, low: number, from: number, length: number): void {
  const inLow = from < 32 ? Math.min(length, 32 - from) : 0;
  if (inLow > 0) put(low >>> from, inLow);
  if (length > inLow) put(high >>> Math.max(0, from - 32), length - inLow);
}

/** varint of the byte length, then the bits of values[0 … count), count ≥ 1. */
export function encodeXor(out: ByteWriter, values: Float64Array, count: number): void {
  doubles.set(values.subarray(0, count));
  bitAt = 0;
  let lowBefore = halves[0] as number;
  let highBefore = halves[1] as number;
  put(lowBefore, 32);
  put(highBefore, 32);
  let windowFrom = 0;
  let windowEnd = 0;
  for (let i = 1; i < count; i++) {
    const low = (halves[2 * i] as number) ^ lowBefore;
    const high = (halves[2 * i + 1] as number) ^ highBefore;
    lowBefore ^= low;
    highBefore ^= high;
    if (low === 0 && high === 0) {
      put(0, 1);
      continue;
    }
    const leading = Math.min(31, high === 0 ? 32 : Math.clz32(high));
    const from = low !== 0 ? 31 - Math.clz32(low & -low) : 63 - Math.clz32(high & -high);
    const end = 64 - leading;
    // A window that fits is kept unless a new one would save more than its description.
    if (windowEnd > 0 && from >= windowFrom && end <= windowEnd && windowEnd - windowFrom - (end - from) < 11) {
      put(0b01, 2);
    } else {
      put(0b11, 2);
      put(leading, 5);
      put(end - from - 1, 6);
      windowFrom = from;
      windowEnd = end;
    }
    putSlice(high, low, windowFrom, windowEnd - windowFrom);
  }
  out.varint((bitAt + 7) >>> 3);
  writeBitWords(out, bitAt);
}

/** The inverse of `encodeXor`. Throws `codec_corrupt`. */
export function decodeXor(from: ByteReader, values: Float64Array, count: number): void {
  const bytes = from.varint();
  readBitWords(from, bytes);
  bitAt = 0;
  let low = get(32);
  let high = get(32);
  halves[0] = low;
  halves[1] = high;
  let windowFrom = 0;
  let windowEnd = 0;
  for (let i = 1; i < count; i++) {
    if (get(1) === 1) {
      if (get(1) === 1) {
        windowEnd = 64 - get(5);
        windowFrom = windowEnd - 1 - get(6);
        if (windowFrom < 0) corrupt('XOR window out of range');
      } else if (windowEnd === 0) {
        corrupt('XOR window before the first');
      }
      const length = windowEnd - windowFrom;
      const inLow = windowFrom < 32 ? Math.min(length, 32 - windowFrom) : 0;
      if (inLow > 0) low ^= get(inLow) << windowFrom;
      if (length > inLow) high ^= get(length - inLow) << Math.max(0, windowFrom - 32);
    }
    halves[2 * i] = low;
    halves[2 * i + 1] = high;
    if (bitAt > bytes * 8) corrupt('truncated');
  }
  if (bitAt > bytes * 8) corrupt('truncated');
  values.set(doubles.subarray(0, count));
}
