/**
 * The hot path of decoding: a block of decimals whose integers are bit-packed and fit 31 bits. Unpacking, unzigzagging, summing
 * and dividing happen in one pass, where the division, which is slow, hides the rest: 1.7 ns a row instead of 2.7 in
 * two passes (`npm run bench -- codec`, Stocks-DE).
 *
 * Sums wrap at 32 bits, and come out right all the same: every step is linear, and the result lies in [0, 2^31). Where it does
 * not, sums are float64.
 */
import { bitWords, blockRowsMax, readBitWords } from './bit-pack.ts';
import type { ByteReader } from './byte-io.ts';
import { coder, decodeIntegers, patchRows, patchValues, readPatches, zigzagBit } from './integer-column.ts';

/** Ranges below this are decoded as 32-bit integers. */
const quickRangeMax = 2 ** 31;
const two32 = 2 ** 32;
const highs = new Int32Array(blockRowsMax);

/** As `decodeIntegers` of a column within [0, range], then x = (x + min) / power. */
export function decodeScaled(
  from: ByteReader,
  x: Float64Array,
  count: number,
  min: number,
  range: number,
  power: number,
): void {
  const start = from.at;
  if (decodeQuick(from, x, count, min, power, range >= quickRangeMax)) return;
  from.at = start;
  decodeIntegers(from, x, count);
  for (let i = 0; i < count; i++) x[i] = ((x[i] as number) + min) / power;
}

/** False when the column is no packing of small integers, plain, as differences or as bends. */
function decodeQuick(
  from: ByteReader,
  x: Float64Array,
  count: number,
  min: number,
  power: number,
  isWide: boolean,
): boolean {
  const head = from.u8();
  const kind = (head >>> 3) & 7;
  const rows = head & 7;
  if (head >= 0x80 || rows > 2 || count <= rows || (kind !== coder.packed && kind !== coder.patched)) return false;
  const zigzag = (head & zigzagBit) !== 0;
  if (isWide && (rows === 0 || !zigzag)) return false;
  const first = rows > 0 ? from.svarint() : 0;
  const step = rows > 1 ? from.svarint() : 0;
  const base = from.svarint();
  const width = from.u8();
  if (width === 0 || width > 31) return false;
  const left = count - rows;
  const patches = kind === coder.patched ? readPatches(from, left, width) : 0;
  for (let i = 0; i < patches; i++) {
    const high = patchValues[i] as number;
    if (high >= two32) return false;
    highs[i] = high;
  }
  patchRows[patches] = left;
  readBitWords(from, (left * width + 7) >>> 3);
  if (rows === 0) unpackOffsets(x, count, width, base | 0, zigzag, min, power);
  else {
    x[0] = (first + min) / power;
    if (rows === 2) x[1] = (first + step + min) / power;
    if (isWide) unpackWide(x, count, rows, width, first + step, step, base, min, power);
    else if (rows === 1 && zigzag) unpackSteps(x, count, width, first | 0, base | 0, min, power);
    else unpackBends(x, count, rows, width, (first + step) | 0, step | 0, base | 0, zigzag, min, power);
  }
  return true;
}

/** Predictor none. */
function unpackOffsets(
  x: Float64Array,
  count: number,
  width: number,
  base: number,
  zigzag: boolean,
  min: number,
  power: number,
): void {
  const words = bitWords;
  const mask = (1 << width) - 1;
  const sign = zigzag ? 1 : 0;
  let word = words[0] as number;
  let at = 0;
  let used = 0;
  let patch = 0;
  let patchRow = patchRows[0] as number;
  for (let i = 0; i < count; i++) {
    let u = word >>> used;
    used += width;
    if (used >= 32) {
      word = words[++at] as number;
      used -= 32;
      u |= word << (width - used);
    }
    u &= mask;
    if (i === patchRow) {
      u = (u + (highs[patch++] as number)) | 0;
      patchRow = patchRows[patch] as number;
    }
    x[i] = (((((u >>> sign) ^ -(u & sign)) + base) | 0) + min) / power;
  }
}

/** Predictor delta, zigzagged: what fast mode mostly writes. */
function unpackSteps(
  x: Float64Array,
  count: number,
  width: number,
  first: number,
  base: number,
  min: number,
  power: number,
): void {
  const words = bitWords;
  const mask = (1 << width) - 1;
  let word = words[0] as number;
  let at = 0;
  let used = 0;
  let patch = 0;
  let patchRow = (patchRows[0] as number) + 1;
  let sum = first;
  for (let i = 1; i < count; i++) {
    let u = word >>> used;
    used += width;
    if (used >= 32) {
      word = words[++at] as number;
      used -= 32;
      u |= word << (width - used);
    }
    u &= mask;
    if (i === patchRow) {
      u = (u + (highs[patch++] as number)) | 0;
      patchRow = (patchRows[patch] as number) + 1;
    }
    sum = (sum + ((u >>> 1) ^ -(u & 1)) + base) | 0;
    x[i] = (sum + min) / power;
  }
}

/** Predictors delta and delta of delta (`rows` 1 and 2): x[0 … rows) are known, the last of them is `value`. */
function unpackBends(
  x: Float64Array,
  count: number,
  rows: number,
  width: number,
  value: number,
  step: number,
  base: number,
  zigzag: boolean,
  min: number,
  power: number,
): void {
  const words = bitWords;
  const mask = (1 << width) - 1;
  const sign = zigzag ? 1 : 0;
  const slope = rows === 2 ? -1 : 0;
  let word = words[0] as number;
  let at = 0;
  let used = 0;
  let patch = 0;
  let patchRow = (patchRows[0] as number) + rows;
  let sum = value;
  let delta = step;
  for (let i = rows; i < count; i++) {
    let u = word >>> used;
    used += width;
    if (used >= 32) {
      word = words[++at] as number;
      used -= 32;
      u |= word << (width - used);
    }
    u &= mask;
    if (i === patchRow) {
      u = (u + (highs[patch++] as number)) | 0;
      patchRow = (patchRows[patch] as number) + rows;
    }
    delta = ((delta & slope) + ((u >>> sign) ^ -(u & sign)) + base) | 0;
    sum = (sum + delta) | 0;
    x[i] = (sum + min) / power;
  }
}

/** As `unpackBends`, zigzagged, for sums beyond 32 bits. */
function unpackWide(
  x: Float64Array,
  count: number,
  rows: number,
  width: number,
  value: number,
  step: number,
  base: number,
  min: number,
  power: number,
): void {
  const words = bitWords;
  const mask = (1 << width) - 1;
  const slope = rows === 2 ? 1 : 0;
  let word = words[0] as number;
  let at = 0;
  let used = 0;
  let patch = 0;
  let patchRow = (patchRows[0] as number) + rows;
  let sum = value;
  let delta = step;
  for (let i = rows; i < count; i++) {
    let u = word >>> used;
    used += width;
    if (used >= 32) {
      word = words[++at] as number;
      used -= 32;
      u |= word << (width - used);
    }
    u &= mask;
    if (i === patchRow) {
      u = (u + (highs[patch++] as number)) | 0;
      patchRow = (patchRows[patch] as number) + rows;
    }
    delta = delta * slope + ((u >>> 1) ^ -(u & 1)) + base;
    sum += delta;
    x[i] = (sum + min) / power;
  }
}
