/**
 * A mergeable aggregate of readings in canonical form: the state depends on the multiset of what was added, never on
 * order, split or merge tree, and equal states have equal bytes (FORMAT.md §4). Sums are exact and rounded once, when
 * read. A partial is a value; what survives a crash is decided by who stores its bytes.
 */
import { invariant } from '../errors.ts';
import { ByteReader, ByteWriter, corrupt } from './bytes.ts';
import { meanOf, stddevOf, varianceOf } from './exact-readers.ts';
import { Extents, isLess, ValueRange } from './extents.ts';
import { addCounts, Held } from './held.ts';
import { blockMax, Moments } from './moments.ts';
import {
  headHasHeld,
  headHasSketch,
  headHasTime,
  makeHead,
  readExtremes,
  readHead,
  readTimes,
  shapeOf,
  shapes,
  writeExtremes,
  writeTimes,
} from './partial-layout.ts';
import { Sketch } from './sketch.ts';

export { isLess };

/** No partial is longer; decoders refuse more. */
export const partialBytesMax = 65_536;

/** Readings that wait to be absorbed together: few while a window is young, so that a small partial stays small. */
const pendingFirst = 8;
const pendingMax = 64;
/** Shorter runs of a column go through `add`. */
const columnRunMin = 24;

const noMoments = new Moments();
const none = new Float64Array(0);
const range = new ValueRange();
const oneTime = new Float64Array(1);
const oneValue = new Float64Array(1);
const scratchWriter = new ByteWriter(256);
const scratchReader = new ByteReader(new Uint8Array(0));
let mergeBytes: (a: Uint8Array, b: Uint8Array) => Uint8Array;
let writeColumns: (writer: ByteWriter, columns: Columns, from: number, to: number, hasSketch: boolean) => void;

interface Columns {
  readonly time: Float64Array;
  readonly value: Float64Array;
}

export class Partial {
  #count = 0;
  readonly #extents = new Extents();
  #moments: Moments | null = null;
  #held: Held | null = null;
  #sketch: Sketch | null;
  /** Readings counted but not yet in the sums, extents and sketch. */
  #pendingTime: Float64Array = none;
  #pendingValue: Float64Array = none;
  #pendingCount = 0;
  /** The first reading is in the extents and not yet in the sums. */
  #isFirstWaiting = false;

  private constructor(sketch: boolean) {
    this.#sketch = sketch ? new Sketch() : null;
  }

  static empty(options: { readonly sketch?: boolean } = {}): Partial {
    return new Partial(options.sketch === true);
  }

  get count(): number {
    return this.#count;
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
    return this.#held?.durationMs ?? 0;
  }

  get hasSketch(): boolean {
    return this.#sketch !== null;
  }

  /** Relative error of `quantile`; NaN without a sketch. */
  get quantileError(): number {
    this.#settle();
    return this.#sketch === null ? Number.NaN : this.#sketch.relativeError;
  }

  /** Adds one reading: integer ms, |t| ≤ 2^53; a finite value. */
  add(timeMs: number, value: number): void {
    invariant(value - value === 0, 'a finite value');
    const at = this.#pendingCount;
    if (at === this.#pendingTime.length) {
      this.#addSlowly(timeMs, value);
      return;
    }
    this.#pendingTime[at] = timeMs;
    this.#pendingValue[at] = value;
    this.#pendingCount = at + 1;
    this.#count++;
  }

  #addSlowly(timeMs: number, value: number): void {
    if (this.#count === 0) {
      this.#begin(timeMs, value);
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
    if (this.#count === 0) this.#extents.begin(time[from] as number, value[from] as number);
    this.#count = addCounts(this.#count, to - from);
    this.#absorb(time, value, from, to);
  }

  /** Adds a value that stood for a duration of whole milliseconds (sampling `held`). */
  addHeld(value: number, durationMs: number): void {
    this.#held ??= new Held();
    this.#held.add(value, durationMs);
  }

  /**
   * Adds everything the other holds. The result has a sketch when every side that has readings has one.
   * @throws FoglineError `limit_exceeded` beyond 2^53 readings or held milliseconds; nothing is merged then.
   */
  merge(other: Partial): void {
    const count = addCounts(this.#count, other.#count);
    if (other.#held !== null) {
      this.#held ??= new Held();
      this.#held.merge(other.#held);
    }
    this.#mergeSketchPresence(other);
    if (other.#count === 0) return;
    if (other.#count === 1) {
      const { firstTime, firstValue } = other.#extents;
      if (this.#count === 0) this.#begin(firstTime, firstValue);
      else this.add(firstTime, firstValue);
      return;
    }
    this.#settle();
    other.#settle();
    if (this.#count === 0) this.#extents.copy(other.#extents);
    else this.#extents.merge(other.#extents);
    this.#count = count;
    this.#moments ??= new Moments();
    if (other.#moments !== null) this.#moments.merge(other.#moments);
    if (this.#sketch !== null && other.#sketch !== null) this.#sketch.merge(other.#sketch);
  }

  /** Sides without readings have no say, unless both are. */
  #mergeSketchPresence(other: Partial): void {
    if (this.#count > 0 && other.#count === 0) return;
    if (this.#count === 0 && other.#count > 0) this.#sketch = other.#sketch === null ? null : new Sketch();
    else if (other.#sketch === null) this.#sketch = null;
  }

  #begin(timeMs: number, value: number): void {
    this.#count = 1;
    this.#isFirstWaiting = true;
    this.#extents.begin(timeMs, value);
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

  /** Brings waiting readings into sums, extents and sketch. */
  #settle(): void {
    if (this.#isFirstWaiting) {
      this.#isFirstWaiting = false;
      oneTime[0] = this.#extents.firstTime;
      oneValue[0] = this.#extents.firstValue;
      this.#absorb(oneTime, oneValue, 0, 1);
    }
    if (this.#pendingCount > 0) {
      this.#absorb(this.#pendingTime, this.#pendingValue, 0, this.#pendingCount);
      this.#pendingCount = 0;
    }
  }

  #absorb(time: Float64Array, value: Float64Array, from: number, to: number): void {
    this.#moments ??= new Moments();
    for (let start = from; start < to; start += blockMax) {
      const end = Math.min(to, start + blockMax);
      range.measure(value, start, end);
      this.#extents.addColumns(time, value, start, end, range);
      this.#moments.addColumn(value, start, end, range);
    }
    if (this.#sketch !== null) for (let i = from; i < to; i++) this.#sketch.add(value[i] as number, 1);
  }

  #settledExtents(): Extents {
    if (this.#pendingCount > 0) this.#settle();
    return this.#extents;
  }

  #settledMoments(): Moments {
    this.#settle();
    return this.#moments ?? noMoments;
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
    return this.#held?.integralValue() ?? 0;
  }

  /** Mean, rounded once; NaN when empty. */
  mean(): number {
    return meanOf(this.#count, this.#settledMoments().sum);
  }

  /** Mean of the held value over time, rounded once; NaN when nothing was held. */
  timeWeightedMean(): number {
    return this.#held?.mean() ?? Number.NaN;
  }

  /** Population variance, rounded once; NaN when empty. */
  variance(): number {
    return varianceOf(this.#count, this.#settledMoments());
  }

  /** Population standard deviation, rounded once; NaN when empty. */
  stddev(): number {
    return stddevOf(this.#count, this.#settledMoments());
  }

  /** The value of rank floor(q·(count−1)), within `quantileError`; NaN when empty, without a sketch or q outside [0, 1]. */
  quantile(q: number): number {
    this.#settle();
    if (this.#sketch === null || this.#count === 0 || !(q >= 0 && q <= 1)) return Number.NaN;
    const { min, max } = this.#extents;
    if (q === 0) return min;
    if (q === 1) return max;
    return Math.min(max, Math.max(min, this.#sketch.quantile(q)));
  }

  encode(): Uint8Array {
    const writer = scratchWriter;
    writer.reset();
    this.write(writer);
    return writer.finish();
  }

  /** Appends what `encode` returns. */
  write(writer: ByteWriter): void {
    const extents = this.#settledExtents();
    const held = this.heldMs > 0 ? this.#held : null;
    const head = makeHead(this.#count, extents, this.#sketch !== null, held !== null);
    writer.byte(head);
    if (headHasTime(head)) {
      writeTimes(writer, head, this.#count, extents);
      writeExtremes(writer, head, extents);
    }
    const isGeneral = shapeOf(head) === shapes.general && this.#count > 2;
    if (isGeneral) {
      this.#settledMoments().sum.write(writer);
      this.#settledMoments().sumSq.write(writer);
    }
    held?.write(writer);
    if (isGeneral && this.#sketch !== null) this.#sketch.write(writer);
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
    return partial;
  }

  #reset(): void {
    this.#count = 0;
    this.#pendingCount = 0;
    this.#isFirstWaiting = false;
    this.#moments?.clear();
    this.#held = null;
    this.#sketch = null;
  }

  /** Reads into an empty partial. */
  #read(bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length > partialBytesMax) throw corrupt(`partial of ${bytes.length} bytes`);
    const reader = scratchReader;
    reader.reset(bytes, 0, bytes.length);
    const head = readHead(reader);
    this.#sketch = headHasSketch(head) ? new Sketch() : null;
    if (headHasTime(head)) {
      this.#count = readTimes(reader, head, this.#extents);
      readExtremes(reader, head, this.#extents);
    }
    const isGeneral = shapeOf(head) === shapes.general && this.#count > 2;
    if (isGeneral) this.#readSums(reader);
    else this.#deriveSums(shapeOf(head));
    if (headHasHeld(head)) {
      this.#held = new Held();
      this.#held.read(reader);
    }
    if (this.#sketch !== null) {
      if (isGeneral) this.#sketch.read(reader);
      else this.#deriveSketch(this.#sketch, shapeOf(head));
      if (!this.#isFirstWaiting && this.#sketch.count !== this.#count)
        throw corrupt('sketch and partial disagree on the count');
    }
    if (reader.at !== reader.end) throw corrupt('bytes after a partial');
  }

  #readSums(reader: ByteReader): void {
    this.#moments ??= new Moments();
    this.#moments.sum.read(reader);
    this.#moments.sumSq.read(reader);
  }

  /** Sums that follow from the extents are not stored. */
  #deriveSums(shape: number): void {
    this.#isFirstWaiting = shape === shapes.single;
    if (shape === shapes.empty || shape === shapes.single) return;
    const { min, max } = this.#extents;
    this.#moments ??= new Moments();
    if (shape === shapes.uniform) {
      this.#moments.addRepeated(min, this.#count);
    } else {
      this.#moments.add(min);
      this.#moments.add(max);
    }
  }

  /** A single reading enters its sketch when it settles. */
  #deriveSketch(sketch: Sketch, shape: number): void {
    const { min, max } = this.#extents;
    if (shape === shapes.uniform) {
      sketch.add(min, this.#count);
    } else if (shape === shapes.general) {
      sketch.add(min, 1);
      sketch.add(max, 1);
    }
  }

  static {
    const left = new Partial(false);
    const right = new Partial(false);
    mergeBytes = (a, b) => {
      left.#reset();
      right.#reset();
      left.#read(a);
      right.#read(b);
      left.merge(right);
      return left.encode();
    };
    const sketch = new Sketch();
    writeColumns = (writer, { time, value }, from, to, hasSketch) => {
      left.#reset();
      sketch.clear();
      left.#sketch = hasSketch ? sketch : null;
      const first = value[from] as number;
      invariant(first - first === 0, 'a finite value');
      left.#begin(time[from] as number, first);
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
