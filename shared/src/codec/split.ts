/**
 * Doubles that are no decimals as two integer columns: the 64 bits, ordered so that they compare as the values do, shifted
 * right by the trailing zeros that all share, then cut into a high and a low half of 32 bits. The high column carries sign,
 * exponent and the top of the mantissa and takes to deltas; the low one is mostly noise. (The cut of ALP-RD, with deltas.)
 *
 *   byte  shift (0-31; 32 when every low half is 0)
 *   high integer column, low integer column (absent when shift is 32)
 */
import { blockRowsMax } from './bit-pack.ts';
import { type ByteReader, type ByteWriter, corrupt } from './byte-io.ts';
import { decodeIntegers } from './integer-column.ts';
import { encodeIntegers } from './integer-encode.ts';

const doubles = new Float64Array(blockRowsMax);
const halves = new Uint32Array(doubles.buffer);
const column = new Float64Array(blockRowsMax);
const two32 = 0x1_0000_0000;

/** values[0 … count), count ≥ 1. */
export function encodeSplit(out: ByteWriter, values: Float64Array, count: number, dense: boolean): void {
  doubles.set(values.subarray(0, count));
  let union = 0;
  for (let i = 0; i < count; i++) {
    const high = halves[2 * i + 1] as number;
    union |= halves[2 * i] as number;
    // Negative numbers: bigger magnitude is smaller. Mirrored in the high half alone, so that low halves keep their zeros.
    column[i] = high >= 0x8000_0000 ? 0x8000_0000 - 1 - (high - 0x8000_0000) : high + 0x8000_0000;
  }
  const shift = union === 0 ? 32 : 31 - Math.clz32(union & -union);
  out.u8(shift);
  encodeIntegers(out, column, count, dense);
  if (shift === 32) return;
  for (let i = 0; i < count; i++) column[i] = (halves[2 * i] as number) >>> shift;
  encodeIntegers(out, column, count, dense);
}

/** The inverse of `encodeSplit`. Throws `codec_corrupt`. */
export function decodeSplit(from: ByteReader, values: Float64Array, count: number): void {
  const shift = from.u8();
  if (shift > 32) corrupt('shift out of range');
  decodeIntegers(from, column, count);
  for (let i = 0; i < count; i++) {
    const ordered = column[i] as number;
    if (!(ordered >= 0 && ordered < two32)) corrupt('half out of range');
    halves[2 * i + 1] = ordered >= 0x8000_0000 ? ordered - 0x8000_0000 : two32 - 1 - ordered;
    halves[2 * i] = 0;
  }
  if (shift < 32) {
    decodeIntegers(from, column, count);
    const limit = two32 / 2 ** shift;
    for (let i = 0; i < count; i++) {
      const low = column[i] as number;
      if (!(low >= 0 && low < limit)) corrupt('half out of range');
      halves[2 * i] = low * 2 ** shift;
    }
  }
  values.set(doubles.subarray(0, count));
}
