/**
 * The reference that roll-ups are held against: sums as Python's `math.fsum` gives them, and their quotient by a count, each rounded
 * once. Written apart from the product's own exact sums on purpose, so that a bug there is not repeated here.
 */

/** Exact running sum: Shewchuk's non-overlapping partials ("Adaptive precision floating-point arithmetic", 1997). */
export class ReferenceSum {
  #partials: number[] = [];

  add(value: number): void {
    let x = value;
    let kept = 0;
    for (const partial of this.#partials) {
      const [large, small] = Math.abs(x) < Math.abs(partial) ? [partial, x] : [x, partial];
      const sum = large + small;
      const rest = small - (sum - large);
      if (rest !== 0) this.#partials[kept++] = rest;
      x = sum;
    }
    this.#partials.length = kept;
    this.#partials.push(x);
  }

  /** Nearest float64 to the sum divided by `count`, ties to even. */
  dividedBy(count: number): number {
    let numerator = 0n;
    let exponent = 0;
    const parts = this.#partials.map(scaledInteger);
    for (const part of parts) exponent = Math.min(exponent, part.exponent);
    for (const part of parts) numerator += part.integer << BigInt(part.exponent - exponent);
    return roundQuotient(numerator, exponent, BigInt(count));
  }
}

const bits = new DataView(new ArrayBuffer(8));

/** value = integer · 2^exponent. */
function scaledInteger(value: number): { integer: bigint; exponent: number } {
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const biased = (high >>> 20) & 0x7ff;
  const fraction = (BigInt(high & 0xf_ffff) << 32n) | BigInt(bits.getUint32(4));
  const magnitude = biased === 0 ? fraction : fraction | (1n << 52n);
  return { integer: value < 0 ? -magnitude : magnitude, exponent: Math.max(biased, 1) - 1075 };
}

const exponentMin = -1074;

/** numerator · 2^exponent / denominator, rounded once. */
function roundQuotient(numerator: bigint, exponent: number, denominator: bigint): number {
  if (numerator === 0n) return 0;
  const magnitude = numerator < 0n ? -numerator : numerator;
  // One unit in the last place, at most one too fine; the second round settles it.
  let unit = Math.max(exponentMin, exponent + magnitude.toString(2).length - denominator.toString(2).length - 53);
  let quotient = divideToEven(magnitude, exponent - unit, denominator);
  while (quotient > 1n << 53n) {
    unit++;
    quotient = divideToEven(magnitude, exponent - unit, denominator);
  }
  const rounded = Number(quotient) * 2 ** unit;
  return numerator < 0n ? -rounded : rounded;
}

/** Nearest integer to magnitude · 2^shift / denominator, ties to even. */
function divideToEven(magnitude: bigint, shift: number, denominator: bigint): bigint {
  const top = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const bottom = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = top / bottom;
  const twice = (top % bottom) * 2n;
  return twice > bottom || (twice === bottom && (quotient & 1n) === 1n) ? quotient + 1n : quotient;
}
