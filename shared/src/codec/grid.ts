/**
 * Values near a grid that decimals hide: v = form(origin + k · step, miss) for integers k and mostly small or no misses.
 * A mean of 60 samples printed with five decimals moves in steps of 1/60 of the sensor's; a float32 offset plus hundredths
 * prints as eight digits that look random; prices move in ticks of 0.005. The grid is found by an approximate greatest
 * common divisor of the steps between rows and fitted by least squares; a bad fit costs size, never a bit of a value.
 *
 * With x = origin + k · step (two IEEE operations), `form` gives
 *   0-22  (round(x · 10^form) + miss) / 10^form, rounding half to even, for |x · 10^form| < 2^51
 *   64    the float32 `miss` places above fround(x), counting through all float32 in numeric order, −0 and +0 as one
 *   65    the shortest decimal that reads as that float32 (`shortestSingle`)
 */
import { blockRowsMax } from './bit-pack.ts';
import { chooseExponent, exceptionRows, exponentMax, powersOfTen, rounder, scaledMax } from './decimal.ts';
import { boundsOf } from './double-order.ts';

const forms = { single: 64, shortestSingle: 65 } as const;

export interface Grid {
  readonly form: number;
  readonly origin: number;
  readonly step: number;
  /** Largest k; the smallest is 0. */
  readonly top: number;
  /** Bounds of the values. */
  readonly min: number;
  readonly max: number;
  /** Rows in `exceptionRows` whose values the form does not give. */
  readonly exceptions: number;
  /** So much coarser than the misses that nothing else can be smaller. */
  readonly isClear: boolean;
}

/** k and miss of each row, after `findGrid`. */
export const gridSteps = new Float64Array(blockRowsMax);
export const gridMisses = new Float64Array(blockRowsMax);

/** Steps looked at to find a grid. */
const sampleSteps = 64;
/** The divisor is not found by then: there is none. */
const restartsMax = 40;
/** A step may miss a multiple of the grid by this part of it. */
const missMax = 0.2;
/** A grid whose k need more bits than this is none. */
const topMax = 2 ** 26;

export function isForm(form: number): boolean {
  return form <= exponentMax || form === forms.single || form === forms.shortestSingle;
}

/** form(x, miss); may be NaN or infinite for numbers that no encoder writes. */
export function applyForm(form: number, x: number, miss: number): number {
  if (form <= exponentMax) {
    const power = powersOfTen[form] as number;
    return (x * power + rounder - rounder + miss) / power;
  }
  return formOfPlace(form, placeOf(x) + miss);
}

function formOfPlace(form: number, place: number): number {
  const single = singleAt(place);
  return form === forms.single ? single : shortestSingle(single);
}

const singles = new Float32Array(1);
const singleBits = new Int32Array(singles.buffer);

/** Number of fround(x) among all float32 in numeric order; 0 for both zeros. */
function placeOf(x: number): number {
  singles[0] = x;
  const bits = singleBits[0] as number;
  return bits < 0 ? -(bits & 0x7fff_ffff) : bits;
}

function singleAt(place: number): number {
  singleBits[0] = place < 0 ? -place | 0x8000_0000 : place;
  return singles[0] as number;
}

/**
 * The first of round(single · 10^e) / 10^e, e = 0 … 22, that is `single` again as a float32, rounding half to even and as long
 * as |single · 10^e| < 2^51; `single` itself when there is none.
 */
function shortestSingle(single: number): number {
  for (let places = 0; places <= exponentMax; places++) {
    const power = powersOfTen[places] as number;
    const scaled = single * power;
    if (!(scaled < scaledMax && scaled > -scaledMax)) break;
    const candidate = (scaled + rounder - rounder) / power;
    if (Math.fround(candidate) === single) return candidate;
  }
  return single;
}

/**
 * Looks for the grid of values[0 … count), decimals of `places` places (or, negative, none at all); undefined when there is
 * none that is much coarser than the rounding.
 */
export function findGrid(values: Float64Array, count: number, places: number): Grid | undefined {
  if (count < 32) return undefined;
  if (places >= 0) {
    const unit = 1 / (powersOfTen[places] as number);
    const step = commonStep(values, count, unit * 1.5);
    const grid = step > 0 ? fitGrid(values, count, places, step) : undefined;
    if (grid?.isClear) return grid;
  }
  // Misses of many units are what a float32 hides.
  const form = places < 0 ? forms.single : forms.shortestSingle;
  let magnitude = 0;
  for (let i = 0; i < count; i += 16) {
    const value = values[i] as number;
    if (applyForm(form, value, 0) !== value) return undefined;
    magnitude = Math.max(magnitude, Math.abs(value));
  }
  // What are decimals as float32 is a grid of their last place, and told shorter as such.
  const decimals = places < 0 ? chooseExponent(values, count, true) : -1;
  const unit = decimals < 0 ? 0 : 1 / (powersOfTen[decimals] as number);
  const step = commonStep(values, count, Math.max(magnitude * 2 ** -20, unit * 1.5));
  return step > 0 ? fitGrid(values, count, form, step) : undefined;
}

/**
 * Approximate greatest common divisor of the first steps between rows (Euclid with a tolerance), or 0. Small steps come
 * first: they need the divisor least exactly, and make it exact enough for the next.
 */
function commonStep(values: Float64Array, count: number, stepMin: number): number {
  let taken = 0;
  for (let i = 1; i < count && taken < sampleSteps; i++) {
    const own = Math.abs((values[i] as number) - (values[i - 1] as number));
    if (own > stepMin / 4) sampled[taken++] = own;
  }
  if (taken === 0) return 0;
  const sorted = sampled.subarray(0, taken).sort();
  let step = sorted[0] as number;
  let products = 0;
  let squares = 0;
  let restarts = 0;
  for (let i = 0; i < taken; i++) {
    if (!(step >= stepMin && step > 0)) return 0;
    const own = sorted[i] as number;
    const k = Math.round(own / step);
    const miss = Math.abs(own - k * step);
    if (miss > missMax * step) {
      if (restarts++ === restartsMax) return 0;
      step = miss;
      products = 0;
      squares = 0;
      i = -1;
    } else if (k > 0) {
      products += own * k;
      squares += k * k;
      step = products / squares;
    }
  }
  return step;
}

const sampled = new Float64Array(sampleSteps);

function fitGrid(values: Float64Array, count: number, form: number, firstStep: number): Grid | undefined {
  // From row to row the steps are few, so that a rough divisor counts them; then the line through all rows is exact.
  const steps = gridSteps;
  const perStep = 1 / firstStep;
  let k = 0;
  let before = values[0] as number;
  steps[0] = 0;
  for (let i = 1; i < count; i++) {
    const own = values[i] as number;
    k += (own - before) * perStep + rounder - rounder;
    before = own;
    steps[i] = k;
  }
  let step = fitSlope(values, count);
  if (!(step > firstStep / 2 && step < firstStep * 2)) return undefined;
  countSteps(values, count, step, 2, 0);
  step = fitSlope(values, count);
  if (!(step > firstStep / 2 && step < firstStep * 2)) return undefined;
  // Steps ascend as the values do: those of the ends tell which numbers there are.
  const { min, max } = boundsOf(values, count, undefined);
  const lowest = stepsTo(min, values[count >>> 1] as number, 1 / step);
  const top = stepsTo(max, values[count >>> 1] as number, 1 / step) - lowest;
  if (top > topMax) return undefined;
  countSteps(values, count, step, 1, lowest);
  const fitted = { form, origin: fitOrigin(values, count, form, step), step, top, min, max };
  const round = 1 / Math.round(1 / step);
  // Sensors divide by whole numbers: where the fit allows it, so does the grid.
  if (Math.abs(round - step) * top < step / 4 && round !== step) {
    const misses = countMisses(values, count, fitted);
    if (misses > 0) {
      const other = { ...fitted, origin: fitOrigin(values, count, form, round), step: round };
      if (countMisses(values, count, other) < misses) return withMisses(values, count, other);
    }
  }
  return withMisses(values, count, fitted);
}

type Fit = Omit<Grid, 'exceptions' | 'isClear'>;

const countedStride = 8;

/** Misses in a sample of the rows. */
function countMisses(values: Float64Array, count: number, fit: Fit): number {
  const { form, origin, step } = fit;
  let misses = 0;
  if (form > exponentMax) {
    for (let i = 0; i < count; i += countedStride) {
      if (applyForm(form, origin + (gridSteps[i] as number) * step, 0) !== values[i]) misses++;
    }
    return misses;
  }
  const power = powersOfTen[form] as number;
  for (let i = 0; i < count; i += countedStride) {
    const x = origin + (gridSteps[i] as number) * step;
    if ((x * power + rounder - rounder) / power !== values[i]) misses++;
  }
  return misses;
}

/** Fills `gridMisses`, and lists in `exceptionRows` what no miss makes right; undefined when that is too much. */
function withMisses(values: Float64Array, count: number, fit: Fit): Grid | undefined {
  const { form, step } = fit;
  const exceptions = form > exponentMax ? findSingleMisses(values, count, fit) : findDecimalMisses(values, count, fit);
  if (exceptions * 16 > count) return undefined;
  let missed = 0;
  for (let i = 0; i < count; i++) missed += Math.abs(gridMisses[i] as number);
  const units =
    form <= exponentMax ? step * (powersOfTen[form] as number) : step / halfWidth(form, values[0] as number);
  return { ...fit, exceptions, isClear: units >= 8 && (missed / count) * 8 < units && missed < 4 * count };
}

function findDecimalMisses(values: Float64Array, count: number, { form, origin, step }: Fit): number {
  const power = powersOfTen[form] as number;
  const steps = gridSteps;
  const misses = gridMisses;
  let exceptions = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const rounded = (origin + (steps[i] as number) * step) * power + rounder - rounder;
    const miss = value * power + rounder - rounder - rounded;
    const back = (rounded + miss) / power;
    misses[i] = miss;
    if (back !== value || (value === 0 && !Object.is(back, value))) exceptions = addException(exceptions, i);
  }
  return exceptions;
}

function findSingleMisses(values: Float64Array, count: number, { form, origin, step }: Fit): number {
  let exceptions = 0;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const place = placeOf(value);
    const back = formOfPlace(form, place);
    gridMisses[i] = place - placeOf(origin + (gridSteps[i] as number) * step);
    if (back !== value || (value === 0 && !Object.is(back, value))) exceptions = addException(exceptions, i);
  }
  return exceptions;
}

function addException(exceptions: number, row: number): number {
  exceptionRows[exceptions] = row;
  gridMisses[row] = 0;
  return exceptions + 1;
}

/** Steps of each `stride`th row from a middle one, less `lowest`. */
function countSteps(values: Float64Array, count: number, step: number, stride: 1 | 2, lowest: number): void {
  const steps = gridSteps;
  const anchor = values[count >>> 1] as number;
  const perStep = 1 / step;
  for (let i = 0; i < count; i += stride) steps[i] = stepsTo(values[i] as number, anchor, perStep) - lowest;
}

function stepsTo(value: number, anchor: number, perStep: number): number {
  return (value - anchor) * perStep + rounder - rounder;
}

/** Least squares slope of the values over `gridSteps`, from every second row. */
function fitSlope(values: Float64Array, count: number): number {
  let meanK = 0;
  let meanValue = 0;
  for (let i = 0; i < count; i += 2) {
    meanK += gridSteps[i] as number;
    meanValue += values[i] as number;
  }
  const rows = (count + 1) >>> 1;
  meanK /= rows;
  meanValue /= rows;
  let products = 0;
  let squares = 0;
  for (let i = 0; i < count; i += 2) {
    const off = (gridSteps[i] as number) - meanK;
    products += off * ((values[i] as number) - meanValue);
    squares += off * off;
  }
  return products / squares;
}

/**
 * The middle of the origins from which every row rounds to its value. Rows far from the median are off the grid and have
 * no say.
 */
function fitOrigin(values: Float64Array, count: number, form: number, step: number): number {
  const taken = Math.min(count, originRows);
  const isSingle = form > exponentMax;
  let half = halfWidth(form, 0);
  let halfMax = half;
  for (let i = 0; i < taken; i++) {
    const row = Math.floor((i * count) / taken);
    const value = values[row] as number;
    sampled[i] = value - (gridSteps[row] as number) * step;
    if (isSingle) halfMax = Math.max(halfMax, halfWidth(form, value));
  }
  const sorted = sampled.subarray(0, taken).sort();
  const median = sorted[taken >>> 1] as number;
  let lowest = -Infinity;
  let highest = Infinity;
  for (let i = 0; i < count; i += originStride) {
    const value = values[i] as number;
    if (isSingle) half = halfWidth(form, value);
    const at = (form === forms.shortestSingle ? Math.fround(value) : value) - (gridSteps[i] as number) * step;
    const off = at - median;
    if (off > half + halfMax || -off > half + halfMax) continue;
    if (at - half > lowest) lowest = at - half;
    if (at + half < highest) highest = at + half;
  }
  return (lowest + highest) / 2;
}

/** Rows looked at for the median, and every how many rows for the bounds. */
const originRows = 31;
const originStride = 4;
/** Half the distance of neighbouring float32 of each exponent. */
const halfUlps = Float64Array.from({ length: 256 }, (_, exponent) => 2 ** (Math.max(exponent, 1) - 151));

/** How far form(x) may lie from x. */
function halfWidth(form: number, value: number): number {
  if (form <= exponentMax) return 0.5 / (powersOfTen[form] as number);
  singles[0] = value;
  return halfUlps[((singleBits[0] as number) >>> 23) & 0xff] as number;
}
