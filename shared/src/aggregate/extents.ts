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

/** Strictly: then only the ends can be first and last. */
function isAscending(time: Float64Array, from: number, to: number): boolean {
  for (let i = from + 1; i < to; i++) if (!((time[i] as number) > (time[i - 1] as number))) return false;
  return true;
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

  /** Adds rows [from, to), at least one, whose values have the given range, to what `begin` started. */
  addColumns(time: Float64Array, value: Float64Array, from: number, to: number, range: ValueRange): void {
    if (isAscending(time, from, to)) {
      this.#offer(time[from] as number, value[from] as number);
      this.#offer(time[to - 1] as number, value[to - 1] as number);
    } else {
      for (let i = from; i < to; i++) this.#offer(time[i] as number, value[i] as number);
    }
    if (isLess(range.min, this.min)) this.min = range.min;
    if (isLess(this.max, range.max)) this.max = range.max;
  }

  /** Takes a reading as first or last where it is. */
  #offer(time: number, value: number): void {
    if (time < this.firstTime || (time === this.firstTime && isLess(value, this.firstValue))) {
      this.firstTime = time;
      this.firstValue = value;
    }
    if (time > this.lastTime || (time === this.lastTime && isLess(this.lastValue, value))) {
      this.lastTime = time;
      this.lastValue = value;
    }
  }

  merge(other: Extents): void {
    this.#offer(other.firstTime, other.firstValue);
    this.#offer(other.lastTime, other.lastValue);
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
