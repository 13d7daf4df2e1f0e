/**
 * Exact numbers of the form mantissa · 2^exponent, and their correctly rounded float64 (to nearest, ties to even).
 * For readers and tests: BigInt is fine here and nowhere near a hot loop.
 */

export interface Dyadic {
  readonly mantissa: bigint;
  readonly exponent: number;
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const hex = value.toString(16);
  return (hex.length - 1) * 4 + (32 - Math.clz32(Number.parseInt(hex.charAt(0), 16)));
}

/** numerator / denominator · 2^exponent, rounded once; the denominator is positive. */
export function roundRatio(numerator: bigint, denominator: bigint, exponent: number): number {
  if (numerator === 0n) return 0;
  const isNegative = numerator < 0n;
  const magnitude = isNegative ? -numerator : numerator;
  // 54 bits or more of quotient, then the last place of the result decides where to cut.
  const shift = Math.max(0, 56 - bitLength(magnitude) + bitLength(denominator));
  const scaled = magnitude << BigInt(shift);
  const quotient = scaled / denominator;
  const isInexact = quotient * denominator !== scaled;
  const rounded = roundBits(quotient, exponent - shift, isInexact);
  return isNegative ? -rounded : rounded;
}

/** The square root of numerator / denominator · 2^exponent, rounded once; not negative, the denominator positive. */
export function roundSqrtRatio(numerator: bigint, denominator: bigint, exponent: number): number {
  if (numerator === 0n) return 0;
  // 112 bits or more of quotient give 56 of root; the exponent has to stay even.
  let shift = Math.max(0, 113 - bitLength(numerator) + bitLength(denominator));
  if ((exponent - shift) % 2 !== 0) shift++;
  const scaled = numerator << BigInt(shift);
  const quotient = scaled / denominator;
  const root = integerSqrt(quotient);
  return roundBits(root, (exponent - shift) / 2, root * root * denominator !== scaled);
}

/** floor(√value) by Newton's iteration from above. */
function integerSqrt(value: bigint): bigint {
  let root = 1n << BigInt(Math.ceil(bitLength(value) / 2));
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** A positive integer times 2^exponent; `isInexact`: a positive amount below one unit was cut off. */
function roundBits(integer: bigint, exponent: number, isInexact: boolean): number {
  const length = bitLength(integer);
  const cut = Math.max(length - 53, -1074 - exponent);
  if (cut <= 0) return Number(integer) * 2 ** exponent;
  if (cut > length) return 0;
  let kept = integer >> BigInt(cut);
  const rest = integer - (kept << BigInt(cut));
  const half = 1n << BigInt(cut - 1);
  if (rest > half || (rest === half && (isInexact || (kept & 1n) === 1n))) kept += 1n;
  return Number(kept) * 2 ** (exponent + cut);
}
