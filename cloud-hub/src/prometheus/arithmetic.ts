/** Sums that lose little, regression, quantiles: the numeric methods that PromQL prescribes. */

/** Kahan-Babuška summation. */
export class CompensatedSum {
  #sum = 0;
  #compensation = 0;

  add(value: number): void {
    const total = this.#sum + value;
    if (!Number.isFinite(total)) this.#compensation = 0;
    else if (Math.abs(this.#sum) >= Math.abs(value)) this.#compensation += this.#sum - total + value;
    else this.#compensation += value - total + this.#sum;
    this.#sum = total;
  }

  get value(): number {
    return Number.isFinite(this.#sum) ? this.#sum + this.#compensation : this.#sum;
  }
}

/** Population variance by Welford's method. */
export class Variance {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count++;
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#squares += delta * (value - this.#mean);
  }

  get value(): number {
    return this.#squares / this.#count;
  }
}

/** φ-quantile by linear interpolation; sorts `values` in place. */
export function quantileOf(q: number, values: Float64Array): number {
  if (values.length === 0 || Number.isNaN(q)) return Number.NaN;
  if (q < 0) return Number.NEGATIVE_INFINITY;
  if (q > 1) return Number.POSITIVE_INFINITY;
  values.sort();
  // NaN counts as the least; typed arrays sort it last.
  let nans = 0;
  while (nans < values.length && Number.isNaN(values[values.length - 1 - nans])) nans++;
  if (nans > 0) {
    values.copyWithin(nans, 0, values.length - nans);
    values.fill(Number.NaN, 0, nans);
  }
  const rank = q * (values.length - 1);
  const low = Math.max(0, Math.floor(rank));
  const high = Math.min(values.length - 1, low + 1);
  const weight = rank - Math.floor(rank);
  return (values[low] as number) * (1 - weight) + (values[high] as number) * weight;
}

/** Least squares over samples `from` to `to` (exclusive); x in seconds since `originMs`. */
export function regression(
  times: Float64Array,
  values: Float64Array,
  from: number,
  to: number,
  originMs: number,
): { readonly slope: number; readonly intercept: number } {
  const sums = Array.from({ length: 4 }, () => new CompensatedSum());
  const [sumX, sumY, sumXY, sumX2] = sums as [CompensatedSum, CompensatedSum, CompensatedSum, CompensatedSum];
  const first = values[from] as number;
  let isConstant = true;
  for (let i = from; i < to; i++) {
    const x = ((times[i] as number) - originMs) / 1000;
    const y = values[i] as number;
    if (y !== first) isConstant = false;
    sumX.add(x);
    sumY.add(y);
    sumXY.add(x * y);
    sumX2.add(x * x);
  }
  if (isConstant)
    return Number.isFinite(first) ? { slope: 0, intercept: first } : { slope: Number.NaN, intercept: Number.NaN };
  const n = to - from;
  const covariance = sumXY.value - (sumX.value * sumY.value) / n;
  const variance = sumX2.value - (sumX.value * sumX.value) / n;
  const slope = covariance / variance;
  return { slope, intercept: sumY.value / n - (slope * sumX.value) / n };
}

/** As C's pow: 1 to any power, and −1 to an infinite one, is 1. */
export function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && Math.abs(exponent) === Number.POSITIVE_INFINITY)) return 1;
  return base ** exponent;
}
