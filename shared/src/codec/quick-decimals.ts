/**
 * Value blocks of fast mode's hot path: decimals of one exponent, the rare row that is none an exception, their integers
 * packed by quick-integers.ts. One pass scales, verifies and bounds the rows: 1.7 ns each, 1.1 of it the division. Whatever
 * is out of the ordinary is left to value-encode.ts, with nothing written.
 */
import type { ByteWriter } from './byte-io.ts';
import { exceptionRows, powersOfTen, rounder, scaledMax, widerExponent, writeExceptions } from './decimal.ts';
import { encodeQuickIntegers, quickInts, quickRowsMin, quickSpanMax } from './quick-integers.ts';
import { exceptionsBit, kinds } from './value-block.ts';

/** What `scale` found: all d lie within [min, max], and quickInts = d − origin, wrapped to 32 bits. */
const fit = { origin: 0, min: 0, max: 0, exceptions: 0 };
/** Bits of an exception, and of a decimal place. */
const exceptionBits = 76;
const placeBits = 3.3;

/** Appends values[0 … count) as decimals of `exponent` places or some more; false, and nothing, when that does not suit them. */
export function encodeQuickDecimals(out: ByteWriter, values: Float64Array, count: number, exponent: number): boolean {
  if (count < quickRowsMin || exponent < 0) return false;
  const places = fitPlaces(values, count, exponent);
  if (places < 0) return false;
  const { origin, min, max } = fit;
  if (min === max || min < -scaledMax || max > scaledMax) return false;
  if (min <= 0 && max >= 0 && hasZero(count) && !listNegativeZeros(values, count)) return false;
  const { exceptions } = fit;
  const from = out.at;
  out.u8(kinds.decimal | (exceptions > 0 ? exceptionsBit : 0));
  out.u8(places);
  out.svarint(min);
  out.varint(max - min);
  if (exceptions > 0) writeExceptions(out, values, exceptions);
  if (encodeQuickIntegers(out, count, min - origin, max - origin)) return true;
  out.at = from;
  return false;
}

/** Scales to so many places, or some more where that saves more exceptions than it costs; −1 when that does not suit the rows. */
function fitPlaces(values: Float64Array, count: number, places: number): number {
  if (!scale(values, count, places, false)) return -1;
  if (fit.exceptions * 64 > count) {
    const wider = Math.max(places, widerExponent(values, fit.exceptions, false));
    if (fit.exceptions * exceptionBits > count * (wider - places) * placeBits) {
      // No wider exponent: the exceptions are decimals too far from the first.
      const span = (fit.max - fit.min) * (powersOfTen[wider - places] as number);
      const isWide = wider === places || span >= quickSpanMax;
      if (scale(values, count, wider, isWide) && isUsable(values, count, wider)) return wider;
      scale(values, count, places, false);
    }
  }
  return isUsable(values, count, places) ? places : -1;
}

/** Whether the last `scale` left few exceptions, and what `encodeQuickIntegers` can tell apart. */
function isUsable(values: Float64Array, count: number, places: number): boolean {
  return fit.exceptions * 16 <= count && (fit.max - fit.min < quickSpanMax || stepsFit(values, count, places));
}

/**
 * Fills `quickInts`, `fit` and `exceptionRows`; an exception repeats the integer before it. Unless wide, what does not fit
 * 32 bits is an exception. False when the first row is one.
 */
function scale(values: Float64Array, count: number, places: number, isWide: boolean): boolean {
  const power = powersOfTen[places] as number;
  const origin = (values[0] as number) * power + rounder - rounder;
  if (origin / power !== values[0]) return false;
  fit.origin = origin;
  fit.min = origin;
  fit.max = origin;
  fit.exceptions = 0;
  const clean = scaleClean(values, count, power);
  if (isWide || fit.max - fit.min < quickSpanMax) scaleRest(values, clean, count, power, isWide);
  else scaleRest(values, 0, count, power, isWide);
  return true;
}

/**
 * Scales pairs of rows up to the first with an exception, and gives its row: half as many decisions. Every comparison is with
 * the bounds, so that it is nearly always false: asking first which of the pair is smaller cost 1.5 ns a row in noise.
 */
function scaleClean(values: Float64Array, count: number, power: number): number {
  // Imported arrays cost a look-up at each access in a loop: a local does not.
  const ints = quickInts;
  const { origin } = fit;
  let min = origin;
  let max = origin;
  let i = 0;
  for (; i < count - 1; i += 2) {
    const value = values[i] as number;
    const next = values[i + 1] as number;
    const d = value * power + rounder - rounder;
    const e = next * power + rounder - rounder;
    if (d / power !== value || e / power !== next) break;
    ints[i] = (d - origin) | 0;
    ints[i + 1] = (e - origin) | 0;
    if (d < min) min = d;
    if (d > max) max = d;
    if (e < min) min = e;
    if (e > max) max = e;
  }
  fit.min = min;
  fit.max = max;
  return i;
}

/** Scales the rows from `start` one by one, whatever they are. */
function scaleRest(values: Float64Array, start: number, count: number, power: number, isWide: boolean): void {
  const ints = quickInts;
  const rows = exceptionRows;
  const { origin } = fit;
  let min = start > 1 ? fit.min : origin;
  let max = start > 1 ? fit.max : origin;
  let before = start > 0 ? (ints[start - 1] as number) : 0;
  let exceptions = 0;
  for (let i = start; i < count; i++) {
    const value = values[i] as number;
    const d = value * power + rounder - rounder;
    const off = (d - origin) | 0;
    if (d / power !== value || (off !== d - origin && !isWide)) {
      rows[exceptions++] = i;
      ints[i] = before;
      continue;
    }
    before = off;
    ints[i] = off;
    if (d < min) min = d;
    if (d > max) max = d;
  }
  fit.min = min;
  fit.max = max;
  fit.exceptions = exceptions;
}

/** Whether the steps between the rows of the last `scale` are exact in 32 bits although the range of the rows is not. */
function stepsFit(values: Float64Array, count: number, places: number): boolean {
  const power = powersOfTen[places] as number;
  let before = fit.origin;
  let exception = 0;
  for (let i = 1; i < count; i++) {
    if (exception < fit.exceptions && exceptionRows[exception] === i) {
      exception++;
      continue;
    }
    const d = (values[i] as number) * power + rounder - rounder;
    const step = d - before;
    if (step !== (step | 0)) return false;
    before = d;
  }
  return true;
}

/** Zeros are rare: this finds them several rows a step. */
function hasZero(count: number): boolean {
  return quickInts.subarray(0, count).includes(-fit.origin | 0);
}

/** Makes exceptions of negative zeros, whose integer is 0; false when there are others already. */
function listNegativeZeros(values: Float64Array, count: number): boolean {
  let zeros = 0;
  for (let i = 0; i < count; i++) {
    if (values[i] !== 0 || 1 / (values[i] as number) > 0) continue;
    if (fit.exceptions > 0) return false;
    exceptionRows[zeros++] = i;
  }
  if (zeros > 0) fit.exceptions = zeros;
  return true;
}
