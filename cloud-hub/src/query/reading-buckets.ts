/**
 * Buckets of readings that come in order: exact partials, how long which value stood, and by how much a counter rose. What stands crosses
 * boundaries of buckets, so a bucket without a reading may still have a time-weighted average. Pure: readings in, closed buckets out.
 */
import { ExactSum } from '@fogline/shared/aggregate/exact-sum';
import { Held } from '@fogline/shared/aggregate/held';
import { Partial } from '@fogline/shared/aggregate/partial';
import type { Bucket } from './buckets.ts';
import type { Grid } from './grid.ts';
import type { Reading } from './last-before.ts';
import type { Points } from './points.ts';
import type { TimeRange } from './time.ts';

export interface ReadingBucketsOptions {
  readonly grid: Grid;
  /** Whole buckets. */
  readonly range: TimeRange;
  /** Nothing stands beyond it. */
  readonly nowMs: number;
  /** How long a value stands at most; undefined: nobody asks. */
  readonly standMs: number | undefined;
  readonly hasSketch: boolean;
  readonly hasRate: boolean;
  /** The last reading before the first that is added. */
  readonly previous: Reading | undefined;
}

interface Open {
  readonly startMs: number;
  readonly endMs: number;
  readonly partial: Partial;
  readonly held: Held;
  readonly before: Reading | undefined;
  rows: number;
}

const msPerSecond = 1_000;
/** So many readings cost as much as a row of a roll-up. */
export const readingsPerCost = 8;

export class ReadingBuckets {
  readonly #options: ReadingBucketsOptions;
  #open: Open | undefined;
  #last: Reading | undefined;
  readonly #rise = new ExactSum();
  /** Since when `rise` counts: the reading before the bucket, or its first. */
  #riseFromMs: number | undefined;

  constructor(options: ReadingBucketsOptions) {
    this.#options = options;
    this.#last = options.previous;
  }

  /** Readings ascend from call to call. Those before the range only stand into it. */
  *add({ count, time, value }: Points): Generator<Bucket> {
    const { range, hasRate } = this.#options;
    for (let row = 0; row < count; row++) {
      const timeMs = time[row] as number;
      if (timeMs >= range.toMs) return;
      const reading = { timeMs, value: value[row] as number };
      yield* this.#stand(timeMs);
      if (timeMs >= range.fromMs) {
        const open = yield* this.#bucketAt(timeMs);
        open.partial.add(timeMs, reading.value);
        open.rows++;
        if (hasRate) this.#addRise(reading);
      }
      this.#last = reading;
    }
  }

  *finish(): Generator<Bucket> {
    yield* this.#stand(this.#options.range.toMs);
    if (this.#open !== undefined) yield this.#close(this.#open);
  }

  /** The value of the last reading stands until `untilMs`, as far as it does. */
  *#stand(untilMs: number): Generator<Bucket> {
    const { range, nowMs, standMs } = this.#options;
    const last = this.#last;
    if (last === undefined || standMs === undefined) return;
    const endMs = Math.min(untilMs, last.timeMs + standMs, range.toMs, nowMs);
    for (let from = Math.max(last.timeMs, range.fromMs); from < endMs; ) {
      const open = yield* this.#bucketAt(from);
      const to = Math.min(open.endMs, endMs);
      open.held.add(last.value, to - from);
      from = to;
    }
  }

  *#bucketAt(timeMs: number): Generator<Bucket, Open> {
    let open = this.#open;
    if (open !== undefined && timeMs < open.endMs) return open;
    const { grid, hasSketch } = this.#options;
    const isNext = open !== undefined && timeMs === open.endMs;
    if (open !== undefined) yield this.#close(open);
    const startMs = isNext ? timeMs : grid.startOf(timeMs);
    const partial = Partial.empty({ sketch: hasSketch });
    open = { startMs, endMs: grid.endOf(startMs), partial, held: new Held(), before: this.#last, rows: 0 };
    this.#open = open;
    this.#rise.clear();
    this.#riseFromMs = undefined;
    return open;
  }

  #addRise({ timeMs, value }: Reading): void {
    const last = this.#last;
    this.#riseFromMs ??= last?.timeMs ?? timeMs;
    if (last === undefined) return;
    this.#rise.add(value);
    if (value >= last.value) this.#rise.add(-last.value);
  }

  #close({ startMs, partial, held, before, rows }: Open): Bucket {
    const seconds = this.#riseFromMs === undefined ? 0 : (partial.lastTime - this.#riseFromMs) / msPerSecond;
    return {
      startMs,
      partial,
      cost: Math.ceil(rows / readingsPerCost),
      before: before?.value,
      twa: held.durationMs === 0 ? null : held.mean(),
      rate: seconds > 0 ? this.#rise.value() / seconds : null,
    };
  }
}
