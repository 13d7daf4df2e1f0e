/**
 * Short decimal numbers at the front of a text whose end is not known yet: sign, digits, fraction. Exact: up to 15 digits a decimal is
 * one correctly rounded division of two exact float64 (number-text.ts). Whatever else a number may be is left to others.
 */

const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;

const digitsMax = 15;
const powersOfTen = Array.from({ length: digitsMax + 1 }, (_, n) => 10 ** n);

export class DecimalReader {
  /** What was read last. */
  value = 0;
  /** Digits before the point, and behind it. */
  whole = 0;
  fraction = 0;

  /** Where the number that begins at `from` ends; -1 when it does not begin so, or is too long. */
  read(bytes: Buffer, from: number, end: number): number {
    const isNegative = bytes[from] === minus;
    const wholeFrom = isNegative ? from + 1 : from;
    let at = wholeFrom;
    let mantissa = 0;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte < zero || byte > nine) break;
      mantissa = mantissa * 10 + (byte - zero);
    }
    const whole = at - wholeFrom;
    if (whole === 0 || whole > digitsMax) return -1;
    let fraction = 0;
    if (at < end && bytes[at] === point) {
      const fractionFrom = ++at;
      for (; at < end; at++) {
        const byte = bytes[at] as number;
        if (byte < zero || byte > nine) break;
        mantissa = mantissa * 10 + (byte - zero);
      }
      fraction = at - fractionFrom;
      if (fraction === 0 || whole + fraction > digitsMax) return -1;
    }
    const magnitude = fraction === 0 ? mantissa : mantissa / (powersOfTen[fraction] as number);
    this.value = isNegative ? -magnitude : magnitude;
    this.whole = whole;
    this.fraction = fraction;
    return at;
  }
}
