/**
 * Value blocks of fast mode's hot path: decimals of one exponent, the rare row that is none an exception, their integers
 * packed by quick-integers.ts. One pass scales, verifies and bounds the rows; whatever is out of the ordinary (many
 * exceptions, −0, a span beyond 31 bits) is left to value-encode.ts, with nothing written.
 */
import type { ByteWriter } from './byte-io.ts';
import { exceptionRows, findNegativeZeros, powersOfTen, rounder, scaledMax, widerExponent, writeExceptions } from './decimal.ts';
import { encodeQuickIntegers, quickInts, quickRowsMin, quickSpanMax } from './quick-integers.ts';
import { exceptionsBit, kinds } from './value-block.ts';

/** What `scale` found: quickInts = d − origin, within [min, max]. */
const fit = { origin: 0, min: 0, max: 0, exceptions: 0 };

/** Appends values[0 … count) as decimals of `exponent` places or some more; false, and nothing, when that does not suit them. */
export function encodeQuickDecimals(out: ByteWriter, values: Float64Array, count: number, exponent: number): boolean {
  if (count < quickRowsMin || exponent < 0) return false;
  let places = exponent;
  if (!scale(values, count, powersOfTen[places] as number)) return false;
  if (fit.exceptions * 64 > count) {
    places = widerExponent(values, fit.exceptions, false);
    if (places <= exponent || !scale(values, count, powersOfTen[places] as number)) return false;
    if (fit.exceptions * 64 > count) return false;
  }
  const { origin, min, max } = fit;
  if (min === max || max - min >= quickSpanMax) return false;
  const least = origin + min;
  const greatest = origin + max;
  if (least < -scaledMax || greatest > scaledMax) return false;
  if (least <= 0 && greatest >= 0) {
    if (fit.exceptions === 0) fit.exceptions = findNegativeZeros(values, count);
    else if (hasNegativeZero(values, count)) return false;
  }
  const { exceptions } = fit;
  const from = out.at;
  out.u8(kinds.decimal | (exceptions > 0 ? exceptionsBit : 0));
  out.u8(places);
  out.svarint(least);
  out.varint(max - min);
  if (exceptions > 0) writeExceptions(out, values, exceptions);
  if (encodeQuickIntegers(out, count, min, max)) return true;
  out.at = from;
  return false;
}

/** Fills `quickInts`, `fit` and `exceptionRows`; an exception repeats the integer before it. False when the first row is one. */
function scale(values: Float64Array, count: number, power: number): boolean {
  const origin = (values[0] as number) * power + rounder - rounder;
  if (origin / power !== values[0]) return false;
  // Imported arrays cost a look-up per access in a loop: a local does not.
  const ints = quickInts;
  let min = 0;
  let max = 0;
  let before = 0;
  let exceptions = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const off = (value * power + rounder - rounder - origin) | 0;
    if ((off + origin) / power !== value) {
      exceptionRows[exceptions++] = i;
      ints[i] = before;
      continue;
    }
    ints[i] = off;
    before = off;
    if (off < min) min = off;
    if (off > max) max = off;
  }
  fit.origin = origin;
  fit.min = min;
  fit.max = max;
  fit.exceptions = exceptions;
  return true;
}

function hasNegativeZero(values: Float64Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (values[i] === 0 && 1 / (values[i] as number) < 0) return true;
  return false;
}
