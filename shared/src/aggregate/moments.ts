/**
 * Exact sum and sum of squares of many values at the cost of a few additions each.
 *
 * Every value of a block is cut, by adding and subtracting a constant, into three pieces of at most 21 bits on one grid
 * chosen from the block's greatest magnitude. Sums of pieces and of their products then fit 53 bits for a whole block,
 * so plain additions are exact; the seven sums go to the accumulators once a block. (Pre-rounding as in Demmel and
 * Nguyen, "Parallel reproducible summation", 2015; splitting as in Dekker, 1971.) Values that the grid cannot hold (more
 * than ten octaves below the greatest, with full mantissa) and magnitudes whose products leave the range of float64 take
 * the accumulators' own path.
 */
import { ExactSum } from './exact-sum.ts';
import type { RunSurvey } from './extents.ts';
import { lastPlaceOf, powerOfTwo } from './float-parts.ts';

/** 1.25 · 1024 · 2^42 < 2^53. */
export const blockMax = 1024;
const pieceBits = 21;
/** Adding 1.5 · 2^52 units and taking it away again rounds to a whole unit. */
const roundingUnits = 1.5 * 2 ** 52;
/** Outside these the products of pieces could leave the normal range. */
const magnitudeMin = 2 ** -400;
const magnitudeMax = 2 ** 400;

/** Exact sum of values and of their squares. */
export class Moments {
  readonly sum = new ExactSum();
  readonly sumSq = new ExactSum();

  /** Adds rows [from, to), at most `blockMax`; values are finite and the survey is theirs. */
  addColumn(value: Float64Array, from: number, to: number, { min, max }: RunSurvey): void {
    const greatest = Math.max(-min, max);
    if (greatest === 0) return;
    if (greatest < magnitudeMin || greatest > magnitudeMax) {
      for (let i = from; i < to; i++) this.add(value[i] as number);
      return;
    }
    const least = min > 0 ? min : max < 0 ? -max : 0;
    // Every magnitude is below 2^63 units.
    const unit = lastPlaceOf(greatest) + 53 - 3 * pieceBits;
    if (lastPlaceOf(least) >= unit) addOnGrid(value, from, to, unit, this);
    else addSifted(value, from, to, unit, this);
  }

  add(value: number): void {
    this.sum.add(value);
    this.sumSq.addProduct(value, value);
  }

  /** Adds a value `count` times; an integer in [0, 2^53). */
  addRepeated(value: number, count: number): void {
    const square = new ExactSum();
    square.addProduct(value, value);
    this.sum.addProduct(value, count);
    this.sumSq.addMultiple(square, count);
  }

  merge(other: Moments): void {
    this.sum.merge(other.sum);
    this.sumSq.merge(other.sumSq);
  }

  clear(): void {
    this.sum.clear();
    this.sumSq.clear();
  }
}

const onGrid = new Float64Array(blockMax);

/** Sends what is a whole number of units to the fast path and the rest to the accumulators. */
function addSifted(value: Float64Array, from: number, to: number, unit: number, moments: Moments): void {
  const round2 = roundingUnits * powerOfTwo(unit + 2 * pieceBits);
  const round0 = roundingUnits * powerOfTwo(unit);
  let count = 0;
  for (let i = from; i < to; i++) {
    const x = value[i] as number;
    const rest = x - (x + round2 - round2);
    if (rest + round0 - round0 === rest) onGrid[count++] = x;
    else moments.add(x);
  }
  addOnGrid(onGrid, 0, count, unit, moments);
}

function addOnGrid(value: Float64Array, from: number, to: number, unit: number, { sum, sumSq }: Moments): void {
  const round2 = roundingUnits * powerOfTwo(unit + 2 * pieceBits);
  const round1 = roundingUnits * powerOfTwo(unit + pieceBits);
  let sum2 = 0;
  let sumRest = 0;
  let square4 = 0;
  let square3 = 0;
  let square2 = 0;
  let square1 = 0;
  let square0 = 0;
  for (let i = from; i < to; i++) {
    const x = value[i] as number;
    const high = x + round2 - round2;
    const rest = x - high;
    const middle = rest + round1 - round1;
    const low = rest - middle;
    sum2 += high;
    sumRest += rest;
    square4 += high * high;
    square3 += high * middle;
    square2 += middle * middle + (high + high) * low;
    square1 += middle * low;
    square0 += low * low;
  }
  const inverse = powerOfTwo(-unit);
  sum.addScaled(sum2 * inverse * 2 ** (-2 * pieceBits), unit + 2 * pieceBits);
  sum.addScaled(sumRest * inverse, unit);
  const inverseSquare = inverse * inverse;
  sumSq.addScaled(square4 * inverseSquare * 2 ** (-4 * pieceBits), 2 * unit + 4 * pieceBits);
  sumSq.addScaled(square3 * inverseSquare * 2 ** (-3 * pieceBits), 2 * unit + 3 * pieceBits + 1);
  sumSq.addScaled(square2 * inverseSquare * 2 ** (-2 * pieceBits), 2 * unit + 2 * pieceBits);
  sumSq.addScaled(square1 * inverseSquare * 2 ** -pieceBits, 2 * unit + pieceBits + 1);
  sumSq.addScaled(square0 * inverseSquare, 2 * unit);
}
