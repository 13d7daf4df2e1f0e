/**
 * The set of sequence numbers that one side holds of one (epoch, lane): everything up to a contiguous watermark plus a
 * short list of ranges beyond it. Sequence numbers start at 1; ranges are inclusive. This is the whole of deduplication:
 * no time window, no hash of the past.
 */
import { FoglineError, invariant } from './errors.ts';

export type RangeVerdict = 'new' | 'held' | 'overlap';

export class SeqRanges {
  /** Flat [first, last, first, last, …], disjoint, ascending, never adjacent. */
  readonly #flat: number[];

  private constructor(flat: number[]) {
    this.#flat = flat;
  }

  static empty(): SeqRanges {
    return new SeqRanges([]);
  }

  /** From a watermark and flat ranges as they come off the wire or disk; throws `message_invalid` where they are not canonical. */
  static from(watermark: number, beyond: readonly number[]): SeqRanges {
    const flat = watermark > 0 ? [1, watermark, ...beyond] : [...beyond];
    let previous = watermark > 0 ? watermark : 0;
    for (let i = watermark > 0 ? 2 : 0; i < flat.length; i += 2) {
      const first = flat[i] ?? 0;
      const last = flat[i + 1] ?? -1;
      if (first <= previous + 1 || last < first) {
        throw new FoglineError(
          'message_invalid',
          `ranges must ascend with gaps between them, found [${first}, ${last}] after ${previous}`,
        );
      }
      previous = last;
    }
    return new SeqRanges(flat);
  }

  /** Highest number up to which nothing is missing; 0 when 1 is missing. */
  get watermark(): number {
    return this.#flat[0] === 1 ? (this.#flat[1] ?? 0) : 0;
  }

  /** Highest number held at all. */
  get highest(): number {
    return this.#flat.at(-1) ?? 0;
  }

  /** Flat ranges beyond the watermark. */
  get beyond(): readonly number[] {
    return this.#flat[0] === 1 ? this.#flat.slice(2) : this.#flat.slice();
  }

  /** How many numbers are held. */
  get size(): number {
    let size = 0;
    for (let i = 0; i < this.#flat.length; i += 2) size += (this.#flat[i + 1] ?? 0) - (this.#flat[i] ?? 0) + 1;
    return size;
  }

  classify(first: number, last: number): RangeVerdict {
    const at = this.#indexOf(first);
    const rangeFirst = this.#flat[at];
    const rangeLast = this.#flat[at + 1];
    if (rangeFirst === undefined || rangeLast === undefined || rangeFirst > last) return 'new';
    return rangeFirst <= first && last <= rangeLast ? 'held' : 'overlap';
  }

  has(first: number, last: number): boolean {
    return this.classify(first, last) === 'held';
  }

  /** Adds a range, merging with what it touches. Adding what is held already changes nothing. */
  add(first: number, last: number): void {
    invariant(
      Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 1 && last >= first,
      `range [${first}, ${last}]`,
    );
    const at = this.#indexOf(first - 1);
    let newFirst = first;
    let newLast = last;
    let end = at;
    while (end < this.#flat.length && (this.#flat[end] ?? 0) <= last + 1) {
      newFirst = Math.min(newFirst, this.#flat[end] ?? newFirst);
      newLast = Math.max(newLast, this.#flat[end + 1] ?? newLast);
      end += 2;
    }
    this.#flat.splice(at, end - at, newFirst, newLast);
  }

  /** The parts of [first, last] that are not held, flat. */
  missing(first: number, last: number): number[] {
    const gaps: number[] = [];
    let next = first;
    for (let i = this.#indexOf(first); i < this.#flat.length && next <= last; i += 2) {
      const rangeFirst = this.#flat[i] ?? 0;
      const rangeLast = this.#flat[i + 1] ?? 0;
      if (rangeFirst > last) break;
      if (rangeFirst > next) gaps.push(next, rangeFirst - 1);
      next = Math.max(next, rangeLast + 1);
    }
    if (next <= last) gaps.push(next, last);
    return gaps;
  }

  clone(): SeqRanges {
    return new SeqRanges(this.#flat.slice());
  }

  /** Index of the first range whose last ≥ seq; the length when there is none. */
  #indexOf(seq: number): number {
    let low = 0;
    let high = this.#flat.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#flat[middle * 2 + 1] ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}
