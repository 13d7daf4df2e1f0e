/**
 * Buckets of non-negative integers for the entropy coder, after the bins of pcodec but with fixed bounds, so that only
 * their frequencies have to be stored. With m mantissa bits, u below 2^(m+1) is its own symbol; above, the symbol is u's
 * length and its top m+1 bits, and the rest follows as raw offset bits.
 *
 * The plan (which m) is made from one histogram of the block; its cost is an estimate in bits.
 */
import { bitLength, blockRowsMax } from './bit-pack.ts';

/** Symbols of one alphabet at most. */
export const symbolsMax = 512;
/** Mantissa bits that a block may choose; the last one stands for "every value its own symbol" below 512. */
export const mantissaChoices = [0, 1, 2, 3, 8] as const;
const fineMantissa = 3;
const exactMantissa = 8;

/** Symbol of u; 0 ≤ u < 2^31. */
export function bucketOf(u: number, mantissa: number): number {
  // Below 2^(mantissa+1) the shift is 0, and the symbol u.
  const shift = 31 - mantissa - Math.clz32(u | (1 << mantissa));
  return (shift << mantissa) + (u >>> shift);
}

/** Symbol of u; 0 ≤ u ≤ 2^53. */
export function bucketOfWide(u: number, mantissa: number): number {
  if (u < 0x8000_0000) return bucketOf(u, mantissa);
  const shift = bitLength(u) - 1 - mantissa;
  return (shift << mantissa) + Math.floor(u / 2 ** shift);
}

/** Offset bits of a symbol. */
export function bucketBits(symbol: number, mantissa: number): number {
  return symbol < 2 << mantissa ? 0 : (symbol >>> mantissa) - 1;
}

const powersOfTwo = Float64Array.from({ length: symbolsMax }, (_, bits) => 2 ** bits);

/** Smallest u of a symbol. */
export function bucketLow(symbol: number, mantissa: number): number {
  const bits = bucketBits(symbol, mantissa);
  return (symbol - (bits << mantissa)) * (powersOfTwo[bits] as number);
}

/** log2 of the states of a table for `count` values. A plan leaves every symbol room for two of them. */
export function tableLogOf(count: number): number {
  return Math.min(11, Math.max(6, bitLength(count)));
}

const fineSymbols = bucketOfWide(2 ** 53, fineMantissa) + 1;
const exactHistogram = new Uint16Array(symbolsMax);
const fineHistogram = new Uint16Array(fineSymbols);
const coarseHistogram = new Uint16Array(fineSymbols);
/** For each choice below the fine one: fine symbol → coarse symbol. */
const coarseOf = mantissaChoices.map((mantissa) =>
  Uint16Array.from({ length: fineSymbols }, (_, fine) =>
    mantissa <= fineMantissa ? bucketOfWide(bucketLow(fine, fineMantissa), mantissa) : 0,
  ),
);

/** c·log2(c) for every count of a block. */
const countLogs = Float64Array.from({ length: blockRowsMax + 1 }, (_, c) => (c === 0 ? 0 : c * Math.log2(c)));

export interface BucketPlan {
  mantissa: number;
  /** Estimated bits of table, symbols and offsets. */
  bits: number;
}

/** The cheapest mantissa for values[0 … count), all in [0, valueMax]. */
export function planBuckets(values: Int32Array, count: number, valueMax: number): BucketPlan {
  const fineTop = bucketOf(valueMax, fineMantissa);
  fineHistogram.fill(0, 0, fineTop + 1);
  if (valueMax >= symbolsMax) {
    for (let i = 0; i < count; i++) {
      const fine = bucketOf(values[i] as number, fineMantissa);
      fineHistogram[fine] = (fineHistogram[fine] as number) + 1;
    }
    return planFine(count, fineTop);
  }
  exactHistogram.fill(0, 0, valueMax + 1);
  for (let i = 0; i < count; i++) {
    const u = values[i] as number;
    exactHistogram[u] = (exactHistogram[u] as number) + 1;
  }
  for (let u = 0; u <= valueMax; u++) {
    const fine = bucketOf(u, fineMantissa);
    fineHistogram[fine] = (fineHistogram[fine] as number) + (exactHistogram[u] as number);
  }
  const plan = planFine(count, fineTop);
  consider(plan, exactHistogram, valueMax, count, exactMantissa);
  return plan;
}

/** As `planBuckets` for values up to 2^53. */
export function planBucketsWide(values: Float64Array, count: number, valueMax: number): BucketPlan {
  const fineTop = bucketOfWide(valueMax, fineMantissa);
  fineHistogram.fill(0, 0, fineTop + 1);
  for (let i = 0; i < count; i++) {
    const fine = bucketOfWide(values[i] as number, fineMantissa);
    fineHistogram[fine] = (fineHistogram[fine] as number) + 1;
  }
  return planFine(count, fineTop);
}

/** The plan from `fineHistogram`. */
function planFine(count: number, fineTop: number): BucketPlan {
  const plan: BucketPlan = { mantissa: fineMantissa, bits: Infinity };
  consider(plan, fineHistogram, fineTop, count, fineMantissa);
  for (let choice = 0; choice < fineMantissa; choice++) {
    const map = coarseOf[choice] as Uint16Array;
    const top = map[fineTop] as number;
    coarseHistogram.fill(0, 0, top + 1);
    for (let fine = 0; fine <= fineTop; fine++) {
      const coarse = map[fine] as number;
      coarseHistogram[coarse] = (coarseHistogram[coarse] as number) + (fineHistogram[fine] as number);
    }
    consider(plan, coarseHistogram, top, count, mantissaChoices[choice] as number);
  }
  return plan;
}

function consider(plan: BucketPlan, histogram: Uint16Array, top: number, count: number, mantissa: number): void {
  if (top >= symbolsMax) return;
  let bits = countLogs[count] as number;
  let present = 0;
  let table = 32;
  let classBefore = 0;
  for (let symbol = 0; symbol <= top; symbol++) {
    const c = histogram[symbol] as number;
    const klass = countClass(c);
    const step = klass - classBefore;
    table += step === 0 ? 1.5 : 1 + (step < 0 ? -step : step);
    classBefore = klass;
    if (c === 0) continue;
    present++;
    bits += c * bucketBits(symbol, mantissa) - (countLogs[c] as number);
  }
  bits += table + count * 0.01;
  if (bits >= plan.bits || present > 1 << (tableLogOf(count) - 1)) return;
  plan.bits = bits;
  plan.mantissa = mantissa;
}

/** Half-octave class of a count: 0 for absent, else c with count ≈ 2^((c−1)/2). */
export function countClass(count: number): number {
  return classOfCount[count] as number;
}

const classOfCount = Uint8Array.from({ length: blockRowsMax + 1 }, (_, c) =>
  c === 0 ? 0 : 1 + Math.round(2 * Math.log2(c)),
);
