/**
 * What a partial holds once no reading waits to be absorbed: count, extents, exact sums, held time and sketch, and the bytes
 * they have (FORMAT.md §4). The state depends on the multiset of what went in, never on order, split or merge tree.
 *
 * The first reading is kept as extents alone until there is a second: a window of one reading then costs no sums.
 */
import { type ByteReader, type ByteWriter, corrupt } from './bytes.ts';
import { Extents, RunSurvey } from './extents.ts';
import { addCounts, Held } from './held.ts';
import { blockMax, Moments } from './moments.ts';
import {
  headHasHeld,
  headHasSketch,
  headHasSums,
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

const noMoments = new Moments();
const survey = new RunSurvey();
const oneTime = new Float64Array(1);
const oneValue = new Float64Array(1);

export class PartialState {
  protected absorbed = 0;
  protected readonly extents = new Extents();
  protected moments: Moments | null = null;
  protected held: Held | null = null;
  protected sketch: Sketch | null = null;
  /** The first reading is in the extents and not yet in sums and sketch. */
  #isFirstWaiting = false;

  protected begin(timeMs: number, value: number): void {
    this.absorbed = 1;
    this.#isFirstWaiting = true;
    this.extents.begin(timeMs, value);
  }

  /** Adds rows [from, to), at least one. */
  protected absorb(time: Float64Array, value: Float64Array, from: number, to: number): void {
    const count = addCounts(this.absorbed, to - from);
    if (this.absorbed === 0) this.extents.begin(time[from] as number, value[from] as number);
    this.absorbed = count;
    this.#absorbFirst();
    this.#sumUp(time, value, from, to);
  }

  /** Brings the first reading into sums and sketch. */
  #absorbFirst(): void {
    if (!this.#isFirstWaiting) return;
    this.#isFirstWaiting = false;
    oneTime[0] = this.extents.firstTime;
    oneValue[0] = this.extents.firstValue;
    this.#sumUp(oneTime, oneValue, 0, 1);
  }

  #sumUp(time: Float64Array, value: Float64Array, from: number, to: number): void {
    this.moments ??= new Moments();
    for (let start = from; start < to; start += blockMax) {
      const end = Math.min(to, start + blockMax);
      survey.measure(time, value, start, end);
      this.extents.addColumns(time, value, start, end, survey);
      this.moments.addColumn(value, start, end, survey);
    }
    if (this.sketch !== null) for (let i = from; i < to; i++) this.sketch.add(value[i] as number, 1);
  }

  /** Adds readings, extents, sums and sketch of a state that has readings. */
  protected mergeReadings(other: PartialState): void {
    const count = addCounts(this.absorbed, other.absorbed);
    this.#absorbFirst();
    other.#absorbFirst();
    if (this.absorbed === 0) this.extents.copy(other.extents);
    else this.extents.merge(other.extents);
    this.absorbed = count;
    this.moments ??= new Moments();
    if (other.moments !== null) this.moments.merge(other.moments);
    if (this.sketch !== null && other.sketch !== null) this.sketch.merge(other.sketch);
  }

  protected sums(): Moments {
    this.#absorbFirst();
    return this.moments ?? noMoments;
  }

  /** The sketch with all readings in it. */
  protected sketched(): Sketch | null {
    this.#absorbFirst();
    return this.sketch;
  }

  protected reset(): void {
    this.absorbed = 0;
    this.#isFirstWaiting = false;
    this.moments?.clear();
    this.held = null;
    this.sketch = null;
  }

  protected writeState(writer: ByteWriter): void {
    const held = this.held !== null && this.held.durationMs > 0 ? this.held : null;
    const head = makeHead(this.absorbed, this.extents, this.sketch !== null, held !== null);
    writer.byte(head);
    if (headHasTime(head)) {
      writeTimes(writer, head, this.absorbed, this.extents);
      writeExtremes(writer, head, this.extents);
    }
    const isGeneral = headHasSums(head, this.absorbed);
    if (isGeneral) {
      this.sums().sum.write(writer);
      this.sums().sumSq.write(writer);
    }
    held?.write(writer);
    if (isGeneral && this.sketch !== null) this.sketch.write(writer);
  }

  /** Reads into an empty state, to the end of the reader; that the form is canonical is checked by who decodes. */
  protected readState(reader: ByteReader): void {
    const head = readHead(reader);
    this.sketch = headHasSketch(head) ? new Sketch() : null;
    if (headHasTime(head)) {
      this.absorbed = readTimes(reader, head, this.extents);
      readExtremes(reader, head, this.absorbed, this.extents);
    }
    const isGeneral = headHasSums(head, this.absorbed);
    if (isGeneral) this.#readSums(reader);
    else this.#deriveSums(shapeOf(head));
    if (headHasHeld(head)) {
      this.held = new Held();
      this.held.read(reader);
    }
    if (this.sketch !== null) {
      if (isGeneral) this.sketch.read(reader);
      else this.#deriveSketch(this.sketch, shapeOf(head));
      if (!this.#isFirstWaiting && this.sketch.count !== this.absorbed)
        throw corrupt('sketch and partial disagree on the count');
    }
    if (reader.at !== reader.end) throw corrupt('bytes after a partial');
  }

  /**
   * Refuses sums that no readings between the extremes have. Rounding keeps the order of the exact numbers, so that no true sum is
   * refused; the squares are let off where their rounding is coarse.
   */
  protected checkSums(): void {
    if (this.absorbed <= 2 || this.moments === null) return;
    const { min, max } = this.extents;
    const sum = this.moments.sum.value();
    if (sum < this.absorbed * min || sum > this.absorbed * max) throw corrupt('a sum that its readings cannot have');
    const squares = this.moments.sumSq.value();
    if (sum * sum > 1e-290 && squares * this.absorbed * (1 + 2 ** -50) < sum * sum)
      throw corrupt('squares that the readings cannot have');
  }

  #readSums(reader: ByteReader): void {
    this.moments ??= new Moments();
    this.moments.sum.read(reader);
    this.moments.sumSq.read(reader);
  }

  /** Sums that follow from the extents are not stored. */
  #deriveSums(shape: number): void {
    this.#isFirstWaiting = shape === shapes.single;
    if (shape === shapes.empty || shape === shapes.single) return;
    const { min, max } = this.extents;
    this.moments ??= new Moments();
    if (shape === shapes.uniform) {
      this.moments.addRepeated(min, this.absorbed);
    } else {
      this.moments.add(min);
      this.moments.add(max);
    }
  }

  /** A single reading enters its sketch when a second comes. */
  #deriveSketch(sketch: Sketch, shape: number): void {
    const { min, max } = this.extents;
    if (shape === shapes.uniform) {
      sketch.add(min, this.absorbed);
    } else if (shape === shapes.general) {
      sketch.add(min, 1);
      sketch.add(max, 1);
    }
  }
}
