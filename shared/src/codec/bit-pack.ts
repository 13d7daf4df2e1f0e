/**
 * Fixed-width bit packing of up to `blockRowsMax` integers at a time. Bit k of value i is bit (i·width + k) of the
 * stream, bits counted from the least significant of each byte. Widths above 32 (up to 53) are two packings: all low 32
 * bits, then all the rest.
 *
 * Scratch words are module state: nothing here keeps a reference to them beyond a call.
 */
import { type ByteReader, type ByteWriter, corrupt } from './byte-io.ts';

/** Rows of one block at most; the size of every scratch column. */
export const blockRowsMax = 4096;
/** Bits of the widest integer. */
export const widthMax = 53;

const two32 = 0x1_0000_0000;

/** Bits of one block at most: per value a tANS step and 53 offset bits, or an XOR of 77. Two spare words keep reads in bounds. */
const wordsMax = (blockRowsMax * 80) / 32 + 4;
export const bitWords = new Uint32Array(wordsMax);
const bitBytes = new Uint8Array(bitWords.buffer);
if (new Uint8Array(Uint32Array.of(1).buffer)[0] !== 1) throw new Error('the codec needs a little-endian machine');

/** Appends the first `bits` bits of `bitWords`. */
export function writeBitWords(out: ByteWriter, bits: number): void {
  const bytes = (bits + 7) >>> 3;
  out.reserve(bytes);
  if (bytes <= 64) for (let i = 0; i < bytes; i++) out.bytes[out.at + i] = bitBytes[i] as number;
  else out.bytes.set(bitBytes.subarray(0, bytes), out.at);
  out.at += bytes;
}

/** Loads the next `bytes` bytes into `bitWords`, zero-padded by at least eight bytes. */
export function readBitWords(from: ByteReader, bytes: number): void {
  if (bytes > bitBytes.length - 12) corrupt('bit stream too long');
  bitWords[bytes >>> 2] = 0;
  bitWords[(bytes >>> 2) + 1] = 0;
  bitWords[(bytes >>> 2) + 2] = 0;
  if (bytes <= 64) {
    if (bytes > from.left()) corrupt('truncated');
    const start = from.at;
    for (let i = 0; i < bytes; i++) bitBytes[i] = from.bytes[start + i] as number;
    from.at += bytes;
  } else {
    bitBytes.set(from.take(bytes));
  }
}

/** Bits needed for integers 0 … value (0 for 0); value ≤ 2^53. */
export function bitLength(value: number): number {
  return value < two32 ? 32 - Math.clz32(value) : 64 - Math.clz32(value / two32);
}

/** Packs the low `width` bits of values[0 … count) − base. The differences are integers in [0, 2^53]. */
export function packBits(out: ByteWriter, values: Float64Array, count: number, width: number, base: number): void {
  if (width === 0) return;
  if (width <= 32) {
    packNarrow(values, count, width, base);
    writeBitWords(out, count * width);
    return;
  }
  packNarrow(values, count, 32, base);
  writeBitWords(out, count * 32);
  for (let i = 0; i < count; i++) high[i] = Math.floor(((values[i] as number) - base) / two32);
  packNarrow(high, count, width - 32, 0);
  writeBitWords(out, count * (width - 32));
}

const high = new Float64Array(blockRowsMax);

function packNarrow(values: Float64Array, count: number, width: number, base: number): void {
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let word = 0;
  let used = 0;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const value = ((values[i] as number) - base) & mask;
    word |= value << used;
    used += width;
    if (used >= 32) {
      bitWords[at++] = word;
      used -= 32;
      word = used === 0 ? 0 : value >>> (width - used);
    }
  }
  if (used > 0) bitWords[at] = word;
}

/** As `packBits` for 32-bit integers, width ≤ 32. */
export function packInts(out: ByteWriter, values: Int32Array, count: number, width: number): void {
  if (width === 0) return;
  const words = bitWords;
  const mask = width === 32 ? -1 : (1 << width) - 1;
  let word = 0;
  let used = 0;
  let at = 0;
  let i = 0;
  // Two at a time while they fit one word: half as many decisions.
  const pairEnd = width <= 16 ? count - 1 : 0;
  for (; i < pairEnd; i += 2) {
    const pair = ((values[i] as number) & mask) | (((values[i + 1] as number) & mask) << width);
    word |= pair << used;
    used += 2 * width;
    if (used >= 32) {
      words[at++] = word;
      used -= 32;
      word = used === 0 ? 0 : pair >>> (2 * width - used);
    }
  }
  // Wide values fill a word at every turn or nearly so: a store costs less than the decision.
  for (; i < count; i++) {
    const value = (values[i] as number) & mask;
    word |= value << used;
    words[at] = word;
    const end = used + width;
    const isFull = end >>> 5;
    word = (word & (isFull - 1)) | (((value >>> 1) >>> (31 - used)) & -isFull);
    at += isFull;
    used = end & 31;
  }
  words[at] = word;
  writeBitWords(out, count * width);
}

/** The inverse of `packBits`; throws when fewer bytes are left than `count` values need. */
export function unpackBits(from: ByteReader, values: Float64Array, count: number, width: number): void {
  if (width === 0) {
    values.fill(0, 0, count);
    return;
  }
  if (width <= 32) {
    readBitWords(from, (count * width + 7) >>> 3);
    unpackNarrow(values, count, width);
    return;
  }
  readBitWords(from, count * 4);
  unpackNarrow(values, count, 32);
  readBitWords(from, (count * (width - 32) + 7) >>> 3);
  unpackNarrow(high, count, width - 32);
  for (let i = 0; i < count; i++) values[i] = (values[i] as number) + (high[i] as number) * two32;
}

function unpackNarrow(values: Float64Array, count: number, width: number): void {
  if (width === 32) {
    for (let i = 0; i < count; i++) values[i] = bitWords[i] as number;
    return;
  }
  const mask = (1 << width) - 1;
  let word = bitWords[0] as number;
  let at = 0;
  let used = 0;
  for (let i = 0; i < count; i++) {
    let value = word >>> used;
    used += width;
    if (used >= 32) {
      word = bitWords[++at] as number;
      used -= 32;
      if (used > 0) value |= word << (width - used);
    }
    values[i] = value & mask;
  }
}
