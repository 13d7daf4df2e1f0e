/** Columns of integers of any size, on the integer columns of the readings codec: what is wide gives its low 32-bit words away first. */
import { type ByteReader, type ByteWriter, corrupt } from '@fogline/shared/codec/byte-io';
import { decodeIntegers } from '@fogline/shared/codec/integer-column';
import { encodeIntegers } from '@fogline/shared/codec/integer-encode';

const narrowMax = 2 ** 51;
const wordBits = 32n;
const wordMask = (1n << wordBits) - 1n;
/** Sums of squares of full float64 values need four. */
const wordsMax = 16;
const scratch = new Float64Array(4096);

/** At most 4,096 integers, |x| ≤ 2^51. */
export function writeColumn(out: ByteWriter, values: readonly number[]): void {
  for (const [i, value] of values.entries()) scratch[i] = value;
  encodeIntegers(out, scratch, values.length, true);
}

export function readColumn(from: ByteReader, count: number): Float64Array {
  const values = new Float64Array(count);
  decodeIntegers(from, values, count);
  return values;
}

/** Whether `writeWideColumn` can hold it. */
export function fitsWide(value: bigint): boolean {
  return value >> (wordBits * BigInt(wordsMax)) === (value < 0n ? -1n : 0n);
}

export function writeWideColumn(out: ByteWriter, values: readonly bigint[]): void {
  const words = Math.max(0, ...values.map(wordsOf));
  out.u8(words);
  for (let word = 0; word < words; word++) {
    for (const value of values) out.u32(Number((value >> (wordBits * BigInt(word))) & wordMask));
  }
  const cut = wordBits * BigInt(words);
  writeColumn(
    out,
    values.map((value) => Number(value >> cut)),
  );
}

/** What `writeWideColumn` wrote; numbers become big integers only where they are asked for. */
export class WideColumn {
  readonly #high: Float64Array;
  /** Low words first. */
  readonly #lows: readonly Float64Array[];

  constructor(from: ByteReader, count: number) {
    const words = from.u8();
    if (words > wordsMax) corrupt('column too wide');
    this.#lows = Array.from({ length: words }, () => {
      const low = new Float64Array(count);
      for (let row = 0; row < count; row++) low[row] = from.u32();
      return low;
    });
    this.#high = readColumn(from, count);
  }

  at(row: number): bigint {
    let value = BigInt(this.#high[row] ?? 0);
    for (let word = this.#lows.length - 1; word >= 0; word--) {
      value = (value << wordBits) | BigInt(this.#lows[word]?.[row] ?? 0);
    }
    return value;
  }
}

/** Low words to be cut off before the rest is narrow. */
function wordsOf(value: bigint): number {
  let words = 0;
  for (let rest = value; rest > narrowMax || rest < -narrowMax; rest >>= wordBits) words++;
  return words;
}
