/**
 * A mergeable aggregate of readings in canonical form: equal multisets of readings have equal bytes (FORMAT.md §4), whatever
 * the order, split or merge tree. Sums are exact and rounded once, when read. A partial is a value; what survives a crash is
 * decided by who stores its bytes.
 *
 * Readings added one by one wait in a small buffer and are absorbed together, at a third of the cost; what is asked, merged or
 * written is settled first.
 */
import { invariant } from '../errors.ts';
import { ByteReader, ByteWriter, corrupt } from './bytes.ts';
import { meanOf, stddevOf, varianceOf } from './exact-readers.ts';
import { type Extents, isLess } from './extents.ts';
import { addCounts, Held } from './held.ts';
import type { Moments } from './moments.ts';
import { PartialState } from './partial-state.ts';
import { Sketch } from './sketch.ts';

export { isLess };

/** No partial is longer; decoders refuse more. */
export const partialBytesMax = 65_536;

/** Readings that wait to be absorbed together: few while a window is young, so that a small partial stays small. */
const pendingFirst = 8;
const pendingMax = 64;
/** Shorter runs of a column go through `add`. */
const columnRunMin = 24;

const none = new Float64Array(0);
const scratchWriter = new ByteWriter(256);
const scratchReader = new ByteReader(new Uint8Array(0));
let mergeBytes: (a: Uint8Array, b: Uint8Array) => Uint8Array;
let writeColumns: (writer: ByteWriter, columns: Columns, from: number, to: number, hasSketch: boolean) => void;

interface Columns {
  readonly time: Float64Array;
  readonly value: Float64Array;
}

export class Partial extends PartialState {
  /** Readings that wait: counted, and not yet in the state. */
  #pendingTime: Float64Array = none;
  #pendingValue: Float64Array = none;
  #pendingCount = 0;

  private constructor(sketch: boolean) {
    super();
    if (sketch) this.sketch = new Sketch();
  }

  static empty(options: { readonly sketch?: boolean } = {}): Partial {
    return new Partial(options.sketch === true);
  }

  get count(): number {
    return this.absorbed + this.#pendingCount;
  }

  /** Least value, −0 < +0; 0 when empty, as the other extents. */
  get min(): number {
    return this.#settledExtents().min;
  }

  get max(): number {
    return this.#settledExtents().max;
  }

  /** Time of the first reading, integer ms. */
  get firstTime(): number {
    return this.#settledExtents().firstTime;
  }

  /** Value of the first reading; of several at that time the least. */
  get firstValue(): number {
    return this.#settledExtents().firstValue;
  }

  get lastTime(): number {
    return this.#settledExtents().lastTime;
  }

  /** Value of the last reading; of several at that time the greatest. */
  get lastValue(): number {
    return this.#settledExtents().lastValue;
  }

  /** Milliseconds for which values were held (sampling `held`). */
  get heldMs(): number {
    return this.held?.durationMs ?? 0;
  }

  get hasSketch(): boolean {
    return this.sketch !== null;
  }

  /** Relative error of `quantile`; NaN without a sketch. */
  get quantileError(): number {
    this.#settle();
    return this.sketched()?.relativeError ?? Number.NaN;
  }

  /** Adds one reading: integer ms, |t| ≤ 2^53; a finite value. */
  add(timeMs: number, value: number): void {
    invariant(value - value === 0, 'a finite value');
    const times = this.#pendingTime;
    const at = this.#pendingCount;
    if (at >= times.length) {
      this.#addSlowly(timeMs, value);
      return;
    }
    times[at] = timeMs;
    this.#pendingValue[at] = value;
    this.#pendingCount = at + 1;
  }

  #addSlowly(timeMs: number, value: number): void {
    if (this.count === 0) {
      this.begin(timeMs, value);
    } else {
      this.#makeRoom();
      this.add(timeMs, value);
    }
  }

  /** Adds rows [from, to) of the columns. */
  addColumns(time: Float64Array, value: Float64Array, from: number, to: number): void {
    if (to - from < columnRunMin) {
      for (let i = from; i < to; i++) this.add(time[i] as number, value[i] as number);
      return;
    }
    this.#settle();
    this.absorb(time, value, from, to);
  }

  /** Adds a value that stood for a duration of whole milliseconds (sampling `held`). */
  addHeld(value: number, durationMs: number): void {
    this.held ??= new Held();
    this.held.add(value, durationMs);
  }

  /**
   * Adds everything the other holds. The result has a sketch when every side that has readings has one.
   * @throws FoglineError `limit_exceeded` beyond 2^53 readings or held milliseconds; nothing is merged then.
   */
  merge(other: Partial): void {
    addCounts(this.count, other.count);
    if (other.held !== null) {
      this.held ??= new Held();
      this.held.merge(other.held);
    }
    this.#mergeSketchPresence(other);
    if (other.count === 0) return;
    if (other.count === 1) {
      const { firstTime, firstValue } = other.extents;
      if (this.count === 0) this.begin(firstTime, firstValue);
      else this.add(firstTime, firstValue);
      return;
    }
    this.#settle();
    other.#settle();
    this.mergeReadings(other);
  }

  /** Sides without readings have no say, unless both are. */
  #mergeSketchPresence(other: Partial): void {
    if (this.count > 0 && other.count === 0) return;
    if (this.count === 0 && other.count > 0) this.sketch = other.sketch === null ? null : new Sketch();
    else if (other.sketch === null) this.sketch = null;
  }

  #makeRoom(): void {
    const capacity = this.#pendingTime.length;
    if (capacity === pendingMax) {
      this.#settle();
      return;
    }
    const time = new Float64Array(capacity === 0 ? pendingFirst : capacity * 2);
    const value = new Float64Array(time.length);
    time.set(this.#pendingTime);
    value.set(this.#pendingValue);
    this.#pendingTime = time;
    this.#pendingValue = value;
  }

  /** Brings waiting readings into the state. */
  #settle(): void {
    if (this.#pendingCount === 0) return;
    this.absorb(this.#pendingTime, this.#pendingValue, 0, this.#pendingCount);
    this.#pendingCount = 0;
  }

  #settledExtents(): Extents {
    this.#settle();
    return this.extents;
  }

  #settledMoments(): Moments {
    this.#settle();
    return this.sums();
  }

  /** Sum of the values, rounded once; ±Infinity beyond the range of float64. */
  sumValue(): number {
    return this.#settledMoments().sum.value();
  }

  /** Sum of the exact squares, rounded once; Infinity beyond the range of float64. */
  sumSqValue(): number {
    return this.#settledMoments().sumSq.value();
  }

  /** Sum of value · held milliseconds, rounded once. */
  heldIntegralValue(): number {
    return this.held?.integralValue() ?? 0;
  }

  /** Mean, rounded once; NaN when empty. */
  mean(): number {
    return meanOf(this.count, this.#settledMoments().sum);
  }

  /** Mean of the held value over time, rounded once; NaN when nothing was held. */
  timeWeightedMean(): number {
    return this.held?.mean() ?? Number.NaN;
  }

  /** Population variance, rounded once; NaN when empty. */
  variance(): number {
    return varianceOf(this.count, this.#settledMoments());
  }

  /** Population standard deviation, rounded once; NaN when empty. */
  stddev(): number {
    return stddevOf(this.count, this.#settledMoments());
  }

  /** The value of rank floor(q·(count−1)), within `quantileError`; NaN when empty, without a sketch or q outside [0, 1]. */
  quantile(q: number): number {
    this.#settle();
    const sketch = this.sketched();
    if (sketch === null || this.count === 0 || !(q >= 0 && q <= 1)) return Number.NaN;
    const { min, max } = this.extents;
    if (q === 0) return min;
    if (q === 1) return max;
    return Math.min(max, Math.max(min, sketch.quantile(q)));
  }

  encode(): Uint8Array {
    const writer = scratchWriter;
    writer.reset();
    this.write(writer);
    return writer.finish();
  }

  /** Appends what `encode` returns. */
  write(writer: ByteWriter): void {
    this.#settle();
    this.writeState(writer);
  }

  /**
   * Reads canonical bytes.
   * @throws FoglineError `codec_version` for a later format, `codec_corrupt` for anything that `encode` cannot produce.
   */
  static decode(bytes: Uint8Array): Partial {
    const partial = new Partial(false);
    partial.#read(bytes);
    const again = partial.encode();
    if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i]))
      throw corrupt('partial is not canonical');
    partial.checkSums();
    return partial;
  }

  /** Reads into an empty partial. */
  #read(bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length > partialBytesMax) throw corrupt(`partial of ${bytes.length} bytes`);
    scratchReader.reset(bytes, 0, bytes.length);
    this.readState(scratchReader);
  }

  protected override reset(): void {
    super.reset();
    this.#pendingCount = 0;
  }

  static {
    const left = new Partial(false);
    const right = new Partial(false);
    mergeBytes = (a, b) => {
      left.reset();
      right.reset();
      left.#read(a);
      right.#read(b);
      left.merge(right);
      return left.encode();
    };
    const sketch = new Sketch();
    writeColumns = (writer, { time, value }, from, to, hasSketch) => {
      left.reset();
      sketch.clear();
      left.sketch = hasSketch ? sketch : null;
      const first = value[from] as number;
      invariant(first - first === 0, 'a finite value');
      left.begin(time[from] as number, first);
      left.addColumns(time, value, from + 1, to);
      left.write(writer);
    };
  }
}

/**
 * Merges two serialised partials; equal to decode, merge, encode. Bytes are taken as canonical: they come from `encode` or
 * passed `decode`. Others throw or give some canonical partial, in bounded time.
 */
export function mergeEncoded(a: Uint8Array, b: Uint8Array): Uint8Array {
  return mergeBytes(a, b);
}

/**
 * Appends the bytes of a partial that holds rows [from, to), at least one, of the columns and nothing else: as `addColumns`
 * and `encode`, without an object for each partial.
 */
export function writePartialOf(
  writer: ByteWriter,
  columns: Columns,
  from: number,
  to: number,
  options: { readonly sketch?: boolean } = {},
): void {
  writeColumns(writer, columns, from, to, options.sketch === true);
}
