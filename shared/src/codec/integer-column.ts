/**
 * Columns of up to 4,096 integers, |x| ≤ 2^53: the coder below times, scaled decimals, ids, counts, flags and dictionary
 * indices alike. They are constant, bit-packed, bit-packed with patches
 * (PFOR) or entropy-coded, mostly as residuals of a predictor; integer-encode.ts chooses. Layout, for count ≥ 1 (an empty column has no bytes):
 *
 *   byte     bits 0-2 predictor, bits 3-5 coder, bit 6 zigzag
 *   svarint  x[0] when the predictor has rows of its own; svarint x[1] − x[0] when it has two
 *   svarint  base; residual = base + u, or base + unzigzag(u)
 *   coder    0 constant: nothing, every u is 0
 *            1 packed: byte width, then u bit-packed
 *            2 patched: byte width, varint p, p × (varint gap, varint rest): u += rest · 2^width at the row `gap` after the
 *              one before (the first counts from −1, so gap ≥ 1); then the low bits packed
 *            3 entropy: a stream of tans.ts
 *            4 raw: float64 per row, with predictor none and no base
 */
import { blockRowsMax, unpackBits, widthMax } from './bit-pack.ts';
import { type ByteReader, corrupt, integerMax } from './byte-io.ts';
import { type Predictor, predictorRows, predictors, unpredict } from './predict.ts';
import { decodeSymbols } from './tans.ts';

export const coder = { constant: 0, packed: 1, patched: 2, entropy: 3, raw: 4 } as const;
export const zigzagBit = 0x40;
/** Residuals whose zigzag from any centre fits 31 bits are handled as 32-bit integers. */
export const narrowSpanMax = 2 ** 30;

/** Of the last `readPatches`; one more row than patches fits. */
export const patchRows = new Uint16Array(blockRowsMax + 1);
export const patchValues = new Float64Array(blockRowsMax);

/** Reads a column of equal steps, at least one, not 0, adding `base`; false, and nothing read, when it is another. */
export function decodeRegular(from: ByteReader, x: Float64Array, count: number, base: number): boolean {
  if (count < 1 || from.peek() !== (1 | (coder.constant << 3))) return false;
  from.u8();
  const first = from.svarint() + base;
  const step = from.svarint();
  for (let i = 0; i < count; i++) x[i] = first + i * step;
  return true;
}

/** Reads x[0 … count), count ≤ 4,096. Throws `codec_corrupt`. Every result is an integer, |x| < 2^70, or float64 of `raw`. */
export function decodeIntegers(from: ByteReader, x: Float64Array, count: number): void {
  if (count === 0) return;
  const head = from.u8();
  const kind = (head >>> 3) & 7;
  const predictor = head & 7;
  if (head >= 0x80 || predictor >= predictors.length) corrupt('unknown integer column');
  const zigzag = (head & zigzagBit) !== 0;
  if (kind === coder.raw) {
    if (head !== coder.raw << 3) corrupt('unknown integer column');
    for (let i = 0; i < count; i++) {
      const own = from.f64();
      if (!Number.isInteger(own) || Math.abs(own) > integerMax) corrupt('integer out of range');
      x[i] = own;
    }
    return;
  }
  const rows = predictorRows[predictor as Predictor];
  if (count < rows) corrupt('predictor of more rows than the column has');
  const first = rows > 0 ? from.svarint() : 0;
  const second = rows > 1 ? first + from.svarint() : 0;
  const base = from.svarint();
  const left = count - rows;
  const target = rows === 0 ? x : x.subarray(rows);
  switch (kind) {
    case coder.constant:
      target.fill(base, 0, left);
      break;
    case coder.packed:
    case coder.patched:
      decodePacked(from, target, left, kind === coder.patched);
      break;
    case coder.entropy:
      if (left > 0) decodeSymbols(from, target, left);
      break;
    default:
      corrupt('unknown integer column');
  }
  if (rows > 0) x[0] = first;
  if (rows > 1) x[1] = second;
  if (kind !== coder.constant) {
    if (predictor === 1 && zigzag) {
      sumZigzag(x, count, base);
      return;
    }
    addBase(target, left, base, zigzag);
  }
  unpredict(predictor as Predictor, x, count);
}

function decodePacked(from: ByteReader, x: Float64Array, count: number, patched: boolean): void {
  const width = from.u8();
  if (width > widthMax) corrupt('width out of range');
  if (!patched) {
    unpackBits(from, x, count, width);
    return;
  }
  const patches = readPatches(from, count, width);
  unpackBits(from, x, count, width);
  for (let i = 0; i < patches; i++) {
    const at = patchRows[i] as number;
    x[at] = (x[at] as number) + (patchValues[i] as number);
  }
}

/** Reads `patchRows` and `patchValues`; gives their number. */
export function readPatches(from: ByteReader, count: number, width: number): number {
  const patches = from.bounded(count, 'patch count');
  const scale = 2 ** width;
  let row = -1;
  for (let i = 0; i < patches; i++) {
    const gap = from.varint();
    row += gap;
    if (gap === 0 || row >= count) corrupt('patch out of range');
    patchRows[i] = row;
    patchValues[i] = from.bounded(Math.floor(integerMax / scale), 'patch') * scale;
  }
  return patches;
}

function addBase(x: Float64Array, count: number, base: number, zigzag: boolean): void {
  if (zigzag) {
    for (let i = 0; i < count; i++) x[i] = base + unzigzag(x[i] as number);
  } else if (base !== 0) {
    for (let i = 0; i < count; i++) x[i] = (x[i] as number) + base;
  }
}

/** `addBase` and the inverse of predictor delta in one pass: x[0] is given, x[1 … count) hold zigzagged u. */
function sumZigzag(x: Float64Array, count: number, base: number): void {
  let value = x[0] as number;
  for (let i = 1; i < count; i++) {
    value += base + unzigzag(x[i] as number);
    x[i] = value;
  }
}

/** 0, 1, 2, 3 … → 0, −1, 1, −2 …; the common case by integers. */
function unzigzag(u: number): number {
  if (u < 0x4000_0000) return (u >>> 1) ^ -(u & 1);
  const half = Math.floor(u / 2);
  return u - 2 * half === 0 ? half : -half - 1;
}
