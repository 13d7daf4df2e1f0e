/**
 * Decimal numbers straight from bytes. Exactly `Number(text)`: short numbers by one correctly rounded operation on two exact
 * operands (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990), all others by `Number` itself.
 */

/** 10^n is exact up to here. */
const exactPowers = Array.from({ length: 23 }, (_, n) => Number(`1e${n}`));
/** One more digit keeps the mantissa below 2^53. */
const mantissaMax = (Number.MAX_SAFE_INTEGER - 9) / 10;
/** An exponent beyond it says infinity or zero, however it goes on. */
const exponentMax = 100_000;

const zero = 0x30;
const nine = 0x39;
const plus = 0x2b;
const minus = 0x2d;
const point = 0x2e;
const comma = 0x2c;

export type DecimalMark = '.' | ',';

/** The number that the whole of `bytes[start, end)` spells; NaN when it is none, infinite when float64 cannot hold it. */
export function parseNumber(bytes: Buffer, start: number, end: number, mark: DecimalMark = '.'): number {
  const markByte = mark === '.' ? point : comma;
  const first = bytes[start];
  const from = first === minus || first === plus ? start + 1 : start;
  let at = from;
  let mantissa = 0;
  let digits = 0;
  let fraction = 0;
  let isExact = true;
  let hasMark = false;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte >= zero && byte <= nine) {
      if (mantissa > mantissaMax) isExact = false;
      else {
        mantissa = mantissa * 10 + (byte - zero);
        if (hasMark) fraction++;
      }
      digits++;
    } else if (byte === markByte && !hasMark) hasMark = true;
    else break;
  }
  if (digits === 0) return Number.NaN;
  let exponent = 0;
  if (at < end) {
    exponent = parseExponent(bytes, at, end);
    if (Number.isNaN(exponent)) return Number.NaN;
  }
  const scale = exponent - fraction;
  if (!isExact || scale > 22 || scale < -22) return slowly(bytes, start, end, mark);
  const magnitude = scale >= 0 ? mantissa * (exactPowers[scale] as number) : mantissa / (exactPowers[-scale] as number);
  return first === minus ? -magnitude : magnitude;
}

/** What comes after `e`, NaN when it is no exponent. */
function parseExponent(bytes: Buffer, from: number, end: number): number {
  let at = from;
  if (((bytes[at] as number) | 0x20) !== 0x65) return Number.NaN;
  at++;
  const sign = bytes[at];
  if (sign === minus || sign === plus) at++;
  if (at >= end) return Number.NaN;
  let exponent = 0;
  for (; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < zero || byte > nine) return Number.NaN;
    exponent = Math.min(exponentMax, exponent * 10 + (byte - zero));
  }
  return sign === minus ? -exponent : exponent;
}

function slowly(bytes: Buffer, start: number, end: number, mark: DecimalMark): number {
  const text = bytes.toString('latin1', start, end);
  return Number(mark === '.' ? text : text.replace(',', '.'));
}
