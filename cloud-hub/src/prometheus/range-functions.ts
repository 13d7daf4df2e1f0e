/**
 * Functions over a range of samples, `(start, end]`. One mutable window moves over the columns of a series, so that neither a step nor
 * a sample costs an object.
 */
import { CompensatedSum, quantileOf, regression, Variance } from './arithmetic.ts';

/** What a function sees at one step: samples `low` to `high` (exclusive), at least one. */
export interface Window {
  times: Float64Array;
  values: Float64Array;
  low: number;
  high: number;
  startMs: number;
  endMs: number;
  /** Of the step: the end before `offset` and `@`. */
  stepMs: number;
  /** Scalar argument of the function. */
  argument: number;
}

/** undefined: no result at this step. */
export type RangeFunction = (window: Window) => number | undefined;

const at = (column: Float64Array, index: number): number => column[index] as number;

/** Sums over windows of a lossy stream would mislead: those functions are refused there (DESIGN §3). */
export const needsEveryReading: ReadonlySet<string> = new Set([
  'avg_over_time',
  'sum_over_time',
  'count_over_time',
  'stddev_over_time',
  'stdvar_over_time',
  'quantile_over_time',
]);

/** They give back a sample of the series itself, which keeps its name. */
export const keepsName: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time']);

export const rangeFunctions: ReadonlyMap<string, RangeFunction> = new Map<string, RangeFunction>([
  ['rate', (window) => extrapolated(window, { isCounter: true, isPerSecond: true })],
  ['increase', (window) => extrapolated(window, { isCounter: true, isPerSecond: false })],
  ['delta', (window) => extrapolated(window, { isCounter: false, isPerSecond: false })],
  ['irate', irate],
  ['idelta', ({ values, low, high }) => (high - low < 2 ? undefined : at(values, high - 1) - at(values, high - 2))],
  [
    'deriv',
    ({ times, values, low, high }) =>
      high - low < 2 ? undefined : regression(times, values, low, high, at(times, low)).slope,
  ],
  ['predict_linear', predictLinear],
  ['changes', changes],
  ['resets', resets],
  ['avg_over_time', (window) => sumOf(window) / (window.high - window.low)],
  ['sum_over_time', sumOf],
  ['min_over_time', (window) => extreme(window, (value, best) => value < best)],
  ['max_over_time', (window) => extreme(window, (value, best) => value > best)],
  ['count_over_time', ({ low, high }) => high - low],
  ['last_over_time', ({ values, high }) => at(values, high - 1)],
  ['first_over_time', ({ values, low }) => at(values, low)],
  ['present_over_time', () => 1],
  ['stdvar_over_time', varianceOf],
  ['stddev_over_time', (window) => Math.sqrt(varianceOf(window))],
  ['quantile_over_time', ({ values, low, high, argument }) => quantileOf(argument, values.slice(low, high))],
]);

function sumOf({ values, low, high }: Window): number {
  const sum = new CompensatedSum();
  for (let i = low; i < high; i++) sum.add(at(values, i));
  return sum.value;
}

function varianceOf({ values, low, high }: Window): number {
  const variance = new Variance();
  for (let i = low; i < high; i++) variance.add(at(values, i));
  return variance.value;
}

function extreme({ values, low, high }: Window, isBetter: (value: number, best: number) => boolean): number {
  let best = at(values, low);
  for (let i = low + 1; i < high; i++) {
    const value = at(values, i);
    if (isBetter(value, best) || Number.isNaN(best)) best = value;
  }
  return best;
}

function changes({ values, low, high }: Window): number {
  let count = 0;
  for (let i = low + 1; i < high; i++) {
    const value = at(values, i);
    const before = at(values, i - 1);
    if (value !== before && !(Number.isNaN(value) && Number.isNaN(before))) count++;
  }
  return count;
}

function resets({ values, low, high }: Window): number {
  let count = 0;
  for (let i = low + 1; i < high; i++) if (at(values, i) < at(values, i - 1)) count++;
  return count;
}

function irate({ times, values, low, high }: Window): number | undefined {
  if (high - low < 2) return undefined;
  const last = at(values, high - 1);
  const before = at(values, high - 2);
  // A counter that went down began anew at 0.
  return (last < before ? last : last - before) / ((at(times, high - 1) - at(times, high - 2)) / 1000);
}

function predictLinear({ times, values, low, high, stepMs, argument }: Window): number | undefined {
  if (high - low < 2) return undefined;
  const { slope, intercept } = regression(times, values, low, high, stepMs);
  return slope * argument + intercept;
}

/**
 * Prometheus' extrapolation: the growth between the first and the last sample, extended to the edges of the range when samples
 * begin or end near them, else by half the average distance; a counter is never extended below zero.
 */
function extrapolated(
  { times, values, low, high, startMs, endMs }: Window,
  { isCounter, isPerSecond }: { readonly isCounter: boolean; readonly isPerSecond: boolean },
): number | undefined {
  if (high - low < 2) return undefined;
  const first = at(values, low);
  let growth = at(values, high - 1) - first;
  if (isCounter) {
    for (let i = low + 1; i < high; i++) if (at(values, i) < at(values, i - 1)) growth += at(values, i - 1);
  }
  const sampledSeconds = (at(times, high - 1) - at(times, low)) / 1000;
  const distance = sampledSeconds / (high - low - 1);
  const near = distance * 1.1;
  let toStart = (at(times, low) - startMs) / 1000;
  let toEnd = (endMs - at(times, high - 1)) / 1000;
  if (toStart >= near) toStart = distance / 2;
  if (isCounter && growth > 0 && first >= 0) toStart = Math.min(toStart, sampledSeconds * (first / growth));
  if (toEnd >= near) toEnd = distance / 2;
  const factor = (sampledSeconds + toStart + toEnd) / sampledSeconds;
  return growth * (isPerSecond ? factor / ((endMs - startMs) / 1000) : factor);
}
