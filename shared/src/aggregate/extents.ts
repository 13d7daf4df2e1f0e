/**
 * Least and greatest value, first and last reading. Ties on time go to the smaller value for first, to the larger for
 * last; −0 is below +0. So the result depends on the multiset of readings alone.
 */
import { invariant } from '../errors.ts';

/** Total order of float64 values with −0 < +0. */
export function isLess(left: number, right: number): boolean {
  return left < right || (left === 0 && right === 0 && Object.is(left, -0) && !Object.is(right, -0));
}

/** What one pass over a run of readings tells: least and greatest value, and whether times strictly ascend. */
export class RunSurvey {
  min = 0;
  max = 0;
  /** Then only the ends can be first and last. */
  isAscending = true;

  /** Rows [from, to), at least one, all finite. */
  measure(time: Float64Array, value: Float64Array, from: number, to: number): void {
    let min = value[from] as number;
    let max = min;
    let sum = 0;
    let before = Number.NEGATIVE_INFINITY;
    let isAscending = true;
    let i = from;
    // Two rows at a time: half as many turns of the loop.
    for (; i + 1 < to; i += 2) {
      const own = value[i] as number;
      const next = value[i + 1] as number;
      const ownTime = time[i] as number;
      const nextTime = time[i + 1] as number;
      if (!(ownTime > before && nextTime > ownTime)) isAscending = false;
      before = nextTime;
      sum += own + next;
      if (own < min) min = own;
      if (own > max) max = own;
      if (next < min) min = next;
      if (next > max) max = next;
    }
    if (i < to) {
      const own = value[i] as number;
      if (!((time[i] as number) > before)) isAscending = false;
      sum += own;
      if (own < min) min = own;
      if (own > max) max = own;
    }
    // Great values may add up to infinity: only then every one is looked at.
    if (sum - sum !== 0) for (i = from; i < to; i++) invariant(Number.isFinite(value[i]), 'finite values');
    this.min = min;
    this.max = max;
    this.isAscending = isAscending;
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

  /** Adds rows [from, to), at least one, of which the survey is, to what `begin` started. */
  addColumns(time: Float64Array, value: Float64Array, from: number, to: number, survey: RunSurvey): void {
    if (survey.isAscending) {
      this.#offer(time[from] as number, value[from] as number);
      this.#offer(time[to - 1] as number, value[to - 1] as number);
    } else {
      for (let i = from; i < to; i++) this.#offer(time[i] as number, value[i] as number);
    }
    if (isLess(survey.min, this.min)) this.min = survey.min;
    if (isLess(this.max, survey.max)) this.max = survey.max;
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
