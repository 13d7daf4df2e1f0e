/** A finite float64 as integer times power of two, without objects: the accumulators add in these parts. */

const cell = new Float64Array(1);
const words = new Uint32Array(cell.buffer);
/** 2^-1074 … 2^1023. */
const powers = Float64Array.from({ length: 2098 }, (_, i) => 2 ** (i - 1074));

/** Exponent of the last place of a finite value: −1074 for zero and subnormals, up to 971. */
export function lastPlaceOf(value: number): number {
  cell[0] = value;
  const biased = ((words[1] as number) >>> 20) & 0x7ff;
  return biased === 0 ? -1074 : biased - 1075;
}

/** 2^exponent: 0 below the range of float64, Infinity above it. */
export function powerOfTwo(exponent: number): number {
  return exponent < -1074 ? 0 : exponent > 1023 ? Infinity : (powers[exponent + 1074] as number);
}

/** The integer (below 2^53) that a finite value is in units of its last place. */
export function integerOf(value: number, lastPlace: number): number {
  // In two exact steps, because 2^1074 is no float64.
  return lastPlace < -1022 ? value * 2 ** 537 * 2 ** (-lastPlace - 537) : value * powerOfTwo(-lastPlace);
}
