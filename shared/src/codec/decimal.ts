/**
 * Decimal-scaled integers, after ALP (Afroozeh, Kuffó, Boncz, SIGMOD 2024): most sensor values are decimals of a few
 * digits, so v = d / 10^e for an integer d. Where ALP multiplies by a rounded 10^−e, this divides: IEEE division is
 * correctly rounded, hence exactly what parsing the decimal text gives, and no value of up to 15 digits is an exception.
 * `single` does the same for float32 values kept as doubles: v = fround(d / 10^e).
 *
 * A value that does not come back bit for bit (−0 among them) is an exception.
 */
import { invariant } from '../errors.ts';
import { blockRowsMax } from './bit-pack.ts';
import type { ByteWriter } from './byte-io.ts';

/** 10^22 is the last power of ten that a double holds exactly. */
export const exponentMax = 22;
export const powersOfTen = Float64Array.from({ length: exponentMax + 1 }, (_, e) => Number(`1e${e}`));

/** Adding and subtracting it rounds |x| < 2^51 to the nearest integer. */
export const rounder = 1.5 * 2 ** 52;
export const scaledMax = 2 ** 51;
const sampleRows = 16;
/** Digits beyond which a value counts as no decimal. */
const digitsMax = 17;

export interface Scaled {
  min: number;
  max: number;
  exceptions: number;
}

/** Rows of the exceptions of the last `scaleDecimals`, ascending. */
export const exceptionRows = new Uint16Array(blockRowsMax);

function isScaled(value: number, exponent: number, single: boolean): boolean {
  const power = powersOfTen[exponent] as number;
  const scaled = value * power + rounder - rounder;
  const back = single ? Math.fround(scaled / power) : scaled / power;
  return back === value && scaled <= scaledMax && scaled >= -scaledMax;
}

/** Fewest decimal places that give `value` back, or `digitsMax` when none does; soonest found near the guess. */
function exponentOf(value: number, single: boolean, guess = 0): number {
  if (isScaled(value, guess, single)) {
    let fewest = guess;
    while (fewest > 0 && isScaled(value, fewest - 1, single)) fewest--;
    return fewest;
  }
  let exponent = 0;
  while (exponent < digitsMax && !isScaled(value, exponent, single)) exponent++;
  return exponent;
}

const exponents = new Uint8Array(digitsMax + 1);

/**
 * Decimal places that suit a sample of the values best: a place costs every value 3.3 bits, a missed value is stored
 * apart. −1 when most of the sample is not decimal.
 */
export function chooseExponent(values: Float64Array, count: number, single: boolean): number {
  const taken = Math.min(count, sampleRows);
  exponents.fill(0);
  let guess = 0;
  for (let i = 0; i < taken; i++) {
    const exponent = exponentOf(values[Math.floor((i * count) / taken)] as number, single, guess);
    exponents[exponent] = (exponents[exponent] as number) + 1;
    if (exponent < digitsMax) guess = exponent;
  }
  let best = -1;
  let bestBits = taken * 56;
  let missed = taken;
  for (let exponent = 0; exponent < digitsMax; exponent++) {
    const own = exponents[exponent] as number;
    if (own === 0) continue;
    missed -= own;
    const bits = (taken - missed) * exponent * 3.3 + missed * 76;
    if (bits < bestBits) {
      best = exponent;
      bestBits = bits;
    }
  }
  return best;
}

/** Least exponent that holds the exceptions of the last call too, or −1. */
export function widerExponent(values: Float64Array, exceptions: number, single: boolean): number {
  let widest = 0;
  for (let i = 0; i < Math.min(exceptions, 64); i++) {
    const exponent = exponentOf(values[exceptionRows[i] as number] as number, single);
    if (exponent < digitsMax && exponent > widest) widest = exponent;
  }
  return widest;
}

/**
 * Scales values[0 … count) into out. An exception but −0 repeats the integer before it (the first of all: after it), so that
 * it costs the integer column nothing.
 */
export function scaleDecimals(
  values: Float64Array,
  count: number,
  exponent: number,
  single: boolean,
  out: Float64Array,
): Scaled {
  const power = powersOfTen[exponent] as number;
  if (!single && scaleAll(values, count, power, out)) {
    const { min, max } = all;
    // A negative zero is an exception, but its integer, 0, fits among the others.
    return { min, max, exceptions: min > 0 || max < 0 ? 0 : findNegativeZeros(values, count) };
  }
  const fit = scaleSome(values, count, power, single, out);
  if (fit.exceptions === count) return { min: 0, max: 0, exceptions: count };
  if (fit.exceptions > 0) fillExceptions(out, fit.exceptions, count);
  return fit;
}

const all = { min: 0, max: 0 };

/** The hottest loop of the encoder: true when every value is a decimal but for the sign of zeros; then `all` is set. */
function scaleAll(values: Float64Array, count: number, power: number, out: Float64Array): boolean {
  let min = Infinity;
  let max = -Infinity;
  let misses = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const scaled = value * power + rounder - rounder;
    out[i] = scaled;
    if (scaled < min) min = scaled;
    if (scaled > max) max = scaled;
    if (scaled / power !== value) misses++;
  }
  all.min = min;
  all.max = max;
  return misses === 0 && min >= -scaledMax && max <= scaledMax;
}

function findNegativeZeros(values: Float64Array, count: number): number {
  let exceptions = 0;
  for (let i = 0; i < count; i++) {
    if (values[i] === 0 && 1 / (values[i] as number) < 0) exceptionRows[exceptions++] = i;
  }
  return exceptions;
}

function scaleSome(values: Float64Array, count: number, power: number, single: boolean, out: Float64Array): Scaled {
  let min = Infinity;
  let max = -Infinity;
  let exceptions = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const scaled = value * power + rounder - rounder;
    const back = single ? Math.fround(scaled / power) : scaled / power;
    if (back !== value || scaled > scaledMax || scaled < -scaledMax || (scaled === 0 && 1 / value < 0)) {
      exceptionRows[exceptions++] = i;
      continue;
    }
    out[i] = scaled;
    if (scaled < min) min = scaled;
    if (scaled > max) max = scaled;
  }
  return { min, max, exceptions };
}

function fillExceptions(out: Float64Array, exceptions: number, count: number): void {
  let good = 0;
  while (good < exceptions && exceptionRows[good] === good) good++;
  // `good` leading rows are exceptions; row `good` is not (it exists: not all rows are exceptions).
  const lead = out[Math.min(good, count - 1)] as number;
  for (let i = 0; i < exceptions; i++) {
    const row = exceptionRows[i] as number;
    out[row] = row < good ? lead : (out[row - 1] as number);
  }
}

/** Appends the rows of `exceptionRows` as they are. */
export function writeExceptions(out: ByteWriter, values: Float64Array, exceptions: number): void {
  out.varint(exceptions);
  let before = -1;
  for (let i = 0; i < exceptions; i++) {
    const row = exceptionRows[i] as number;
    const value = values[row] as number;
    invariant(Number.isFinite(value), 'readings: values are finite');
    out.varint(row - before);
    out.f64(value);
    before = row;
  }
}
