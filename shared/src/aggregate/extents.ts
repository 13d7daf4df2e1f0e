/**
 * Least and greatest value, first and last reading. Ties on time go to the smaller value for first, to the larger for
 * last; −0 is below +0. So the result depends on the multiset of readings alone.
 */
import { invariant } from '../errors.ts';

/** Total order of float64 values with −0 < +0. */
export function isLess(left: number, right: number): boolean {
  return left < right || (left === 0 && right === 0 && Object.is(left, -0) && !Object.is(right, -0));
}

/** Least and greatest of a run of values. */
export class ValueRange {
  min = 0;
  max = 0;

  /** Measures rows [from, to), at least one, all finite. */
  measure(value: Float64Array, from: number, to: number): void {
    let min = value[from] as number;
    let max = min;
    let notFinite = 0;
    for (let i = from; i < to; i++) {
      const v = value[i] as number;
      if (v < min) min = v;
      else if (v > max) max = v;
      notFinite += v - v;
    }
    invariant(notFinite === 0, 'finite values');
    this.min = min;
    this.max = max;
    if (min === 0 || max === 0) this.#orderZeros(value, from, to);
  }

  /** Comparisons take −0 and +0 for the same. */
  #orderZeros(value: Float64Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const v = value[i] as number;
      if (isLess(v, this.min)) this.min = v;
      if (isLess(this.max, v)) this.max = v;
    }
  }
}

export class Extents {
  min = 0;
  max = 0;
  firstTime = 0;
  firstValue = 0;
  lastTime = 0;
  lastValue = 0;

  /** Starts over with one reading. */
  begin(timeMs: number, value: number): void {
    this.min = value;
    this.max = value;
    this.firstTime = timeMs;
    this.firstValue = value;
    this.lastTime = timeMs;
    this.lastValue = value;
  }

  /** Adds rows [from, to), whose values have the given range, to what `begin` started. */
  addColumns(time: Float64Array, value: Float64Array, from: number, to: number, range: ValueRange): void {
    this.#addTimes(time, value, from, to);
    if (isLess(range.min, this.min)) this.min = range.min;
    if (isLess(this.max, range.max)) this.max = range.max;
  }

  #addTimes(time: Float64Array, value: Float64Array, from: number, to: number): void {
    let { firstTime, firstValue, lastTime, lastValue } = this;
    for (let i = from; i < to; i++) {
      const at = time[i] as number;
      if (at > lastTime) {
        lastTime = at;
        lastValue = value[i] as number;
        continue;
      }
      const v = value[i] as number;
      if (at === lastTime && isLess(lastValue, v)) lastValue = v;
      if (at < firstTime || (at === firstTime && isLess(v, firstValue))) {
        firstTime = at;
        firstValue = v;
      }
    }
    this.firstTime = firstTime;
    this.firstValue = firstValue;
    this.lastTime = lastTime;
    this.lastValue = lastValue;
  }

  merge(other: Extents): void {
    const { firstTime, firstValue, lastTime, lastValue } = other;
    if (firstTime < this.firstTime || (firstTime === this.firstTime && isLess(firstValue, this.firstValue))) {
      this.firstTime = firstTime;
      this.firstValue = firstValue;
    }
    if (lastTime > this.lastTime || (lastTime === this.lastTime && isLess(this.lastValue, lastValue))) {
      this.lastTime = lastTime;
      this.lastValue = lastValue;
    }
    if (isLess(other.min, this.min)) this.min = other.min;
    if (isLess(this.max, other.max)) this.max = other.max;
  }

  copy(other: Extents): void {
    this.min = other.min;
    this.max = other.max;
    this.firstTime = other.firstTime;
    this.firstValue = other.firstValue;
    this.lastTime = other.lastTime;
    this.lastValue = other.lastValue;
  }
}
