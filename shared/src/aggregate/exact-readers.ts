/** Statistics from exact sums, evaluated exactly and rounded once. */
import { type Dyadic, roundRatio, roundSqrtRatio } from './dyadic.ts';

/** The small capability these readers need of an exact sum. */
interface Exact {
  exact(): Dyadic;
}

interface ExactMoments {
  readonly sum: Exact;
  readonly sumSq: Exact;
}

/** sum / count; NaN for a count of 0. */
export function meanOf(count: number, sum: Exact): number {
  if (count === 0) return Number.NaN;
  const { mantissa, exponent } = sum.exact();
  return roundRatio(mantissa, BigInt(count), exponent);
}

/** count·Σx² − (Σx)² as a dyadic: count² times the population variance. Sums that no readings have give 0, not less. */
function scaledVariance(count: number, { sum, sumSq }: ExactMoments): Dyadic {
  const first = sum.exact();
  const second = sumSq.exact();
  const exponent = Math.min(2 * first.exponent, second.exponent);
  const square = (first.mantissa * first.mantissa) << BigInt(2 * first.exponent - exponent);
  const mantissa = ((BigInt(count) * second.mantissa) << BigInt(second.exponent - exponent)) - square;
  return { mantissa: mantissa < 0n ? 0n : mantissa, exponent };
}

export function varianceOf(count: number, moments: ExactMoments): number {
  if (count === 0) return Number.NaN;
  const { mantissa, exponent } = scaledVariance(count, moments);
  return roundRatio(mantissa, BigInt(count) * BigInt(count), exponent);
}

export function stddevOf(count: number, moments: ExactMoments): number {
  if (count === 0) return Number.NaN;
  const { mantissa, exponent } = scaledVariance(count, moments);
  return roundSqrtRatio(mantissa, BigInt(count) * BigInt(count), exponent);
}
