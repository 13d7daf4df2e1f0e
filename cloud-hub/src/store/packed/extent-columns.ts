/** The columns of a block that say how many readings a row has, their extents and times: what comes first in it, and all that a chart needs. */
import type { Extents } from '@fogline/shared/aggregate/extents';
import {
  headHasHeld,
  headHasSketch,
  headHasSums,
  shapeOf,
  shapes,
  timeUnitOf,
} from '@fogline/shared/aggregate/partial-layout';
import { Spread } from '@fogline/shared/aggregate/spread';
import type { ByteReader } from '@fogline/shared/codec/byte-io';
import { bucketOf } from '../levels.ts';
import type { SpreadRow } from '../read.ts';
import { readColumn } from './columns.ts';
import { emptyRow, type PlacedRow } from './plain-row.ts';
import { type ValueGrid, valueOn } from './value-grid.ts';

/** In place of a head: the partial is kept as it is. */
export const headVerbatim = 256;

/** Where a row stands in each group of columns. */
export interface RowPlace {
  readonly head: number;
  readonly shape: number;
  readonly timed: number;
  readonly several: number;
  readonly general: number;
  readonly summed: number;
  readonly held: number;
  readonly sketch: number;
  readonly odd: number;
}

/** Where a row stands in the columns of extents, and which of them it has. */
type ExtentPlace = Pick<RowPlace, 'shape' | 'timed' | 'several' | 'general'>;

/** Counts, row by row, where each stands in the columns of extents: a column holds the rows that have it. */
class Cursor {
  shape: number = shapes.empty;
  timed = -1;
  several = -1;
  general = -1;
  odd = -1;

  step(head: number): void {
    if (head === headVerbatim) {
      this.shape = shapes.empty;
      this.odd++;
      return;
    }
    const shape = shapeOf(head);
    this.shape = shape;
    if (shape !== shapes.empty) this.timed++;
    if (shape >= shapes.uniform) this.several++;
    if (shape === shapes.general) this.general++;
  }
}

/** A `PlacedRow` to be filled. */
type OpenRow = { -readonly [Field in keyof PlacedRow]: PlacedRow[Field] };

/** Rows of one step, on the grid, until they become a spread. */
class Run {
  startMs = 0;
  endMs = Number.NEGATIVE_INFINITY;
  rows = 0;
  count = 0;
  min = 0;
  max = 0;
  firstTime = 0;
  first = 0;
  lastTime = 0;
  last = 0;
  /** Of rows that are on no grid. */
  others: Spread | undefined;

  begin(startMs: number, stepMs: number): void {
    this.startMs = startMs;
    this.endMs = bucketOf(startMs, stepMs) + stepMs;
    this.rows = 0;
    this.count = 0;
    this.others = undefined;
  }

  /** As extents are merged: windows may tell of times outside of them, so rows that ascend need not ascend in these. */
  add({ count, min, max, first, last }: PlacedRow, firstTime: number, lastTime: number): void {
    const isFirst = this.count === 0;
    if (isFirst || min < this.min) this.min = min;
    if (isFirst || max > this.max) this.max = max;
    if (isFirst || firstTime < this.firstTime || (firstTime === this.firstTime && first < this.first)) {
      this.firstTime = firstTime;
      this.first = first;
    }
    if (isFirst || lastTime > this.lastTime || (lastTime === this.lastTime && last > this.last)) {
      this.lastTime = lastTime;
      this.last = last;
    }
    this.count += count;
  }

  end(grid: ValueGrid): SpreadRow {
    const spread = new Spread();
    spread.count = this.count;
    if (this.count > 0) {
      spread.min = valueOn(grid, this.min);
      spread.max = valueOn(grid, this.max);
      spread.firstTime = this.firstTime;
      spread.firstValue = valueOn(grid, this.first);
      spread.lastTime = this.lastTime;
      spread.lastValue = valueOn(grid, this.last);
    }
    if (this.others !== undefined) spread.mergeSpread(this.others);
    return { startMs: this.startMs, spread, rows: this.rows };
  }
}

interface RunsAsked {
  readonly levelMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
}

export class ExtentColumns {
  readonly #heads: Float64Array;
  readonly #grid: ValueGrid;
  readonly #firstOffset: Float64Array;
  readonly #count: Float64Array;
  readonly #lastOffset: Float64Array;
  readonly #last: Float64Array;
  readonly #first: Float64Array;
  readonly #low: Float64Array;
  readonly #high: Float64Array;

  constructor(from: ByteReader, heads: Float64Array, grid: ValueGrid) {
    this.#heads = heads;
    this.#grid = grid;
    const last = new Cursor();
    for (const head of heads) last.step(head);
    const [timed, several, general] = [last.timed + 1, last.several + 1, last.general + 1];
    this.#firstOffset = readColumn(from, timed);
    this.#count = readColumn(from, several);
    this.#lastOffset = readColumn(from, several);
    this.#last = readColumn(from, timed);
    this.#first = readColumn(from, general);
    this.#low = readColumn(from, general);
    this.#high = readColumn(from, general);
  }

  *places(): Generator<RowPlace> {
    const cursor = new Cursor();
    let summed = -1;
    let held = -1;
    let sketch = -1;
    for (const head of this.#heads) {
      cursor.step(head);
      const { shape, timed, several, general, odd } = cursor;
      if (shape === shapes.general && headHasSums(head, this.#count[several] as number)) {
        summed++;
        if (headHasSketch(head)) sketch++;
      }
      if (head !== headVerbatim && headHasHeld(head)) held++;
      yield { head, shape, timed, several, general, summed, held, sketch, odd };
    }
  }

  /**
   * Of the rows with `fromMs ≤ start < toMs`, those of one step merged as they are decoded, without an object a row. `verbatim`: of a partial that
   * is kept as it is, by its number.
   */
  spreads(
    starts: Float64Array,
    { levelMs, fromMs, toMs, stepMs }: RunsAsked,
    verbatim: (odd: number) => Spread,
  ): SpreadRow[] {
    const found: SpreadRow[] = [];
    const run = new Run();
    const cursor = new Cursor();
    const placed: OpenRow = { ...emptyRow(0) };
    for (let row = 0; row < starts.length; row++) {
      const head = this.#heads[row] as number;
      cursor.step(head);
      const startMs = (starts[row] as number) * levelMs;
      if (startMs < fromMs) continue;
      if (startMs >= toMs) break;
      if (startMs >= run.endMs) {
        if (run.rows > 0) found.push(run.end(this.#grid));
        run.begin(startMs, stepMs);
      }
      run.rows++;
      if (head === headVerbatim) {
        run.others ??= new Spread();
        run.others.mergeSpread(verbatim(cursor.odd));
      } else if (cursor.shape !== shapes.empty) {
        this.#decode(placed, cursor);
        run.add(placed, this.#firstTime(head, cursor, startMs), this.#lastTime(head, cursor, startMs));
      }
    }
    if (run.rows > 0) found.push(run.end(this.#grid));
    return found;
  }

  /** On the grid. */
  rowAt(place: RowPlace): PlacedRow {
    const { shape, timed } = place;
    const row: OpenRow = { ...emptyRow(timed < 0 ? 0 : (this.#last[timed] as number)) };
    if (shape !== shapes.empty) this.#decode(row, place);
    return row;
  }

  /** Of a row that is not empty. */
  #decode(row: OpenRow, { shape, timed, several, general }: ExtentPlace): void {
    const last = this.#last[timed] as number;
    const lastBefore = timed === 0 ? last : (this.#last[timed - 1] as number);
    row.count = shape === shapes.single ? 1 : (this.#count[several] as number);
    row.last = last;
    row.lastBefore = lastBefore;
    if (shape !== shapes.general) {
      row.first = last;
      row.min = last;
      row.max = last;
      return;
    }
    const first = lastBefore + (this.#first[general] as number);
    row.first = first;
    row.min = Math.min(first, last) - (this.#low[general] as number);
    row.max = Math.max(first, last) + (this.#high[general] as number);
  }

  #firstTime(head: number, { timed }: ExtentPlace, startMs: number): number {
    return startMs + (this.#firstOffset[timed] as number) * timeUnitOf(head);
  }

  #lastTime(head: number, place: ExtentPlace, startMs: number): number {
    if (place.shape === shapes.single) return this.#firstTime(head, place, startMs);
    return startMs + (this.#lastOffset[place.several] as number) * timeUnitOf(head);
  }

  /** Fills the extents of a row that was not empty. */
  readInto(extents: Extents, place: RowPlace, row: PlacedRow, startMs: number): void {
    if (place.shape === shapes.empty) return;
    extents.firstTime = this.#firstTime(place.head, place, startMs);
    extents.lastTime = this.#lastTime(place.head, place, startMs);
    extents.min = valueOn(this.#grid, row.min);
    extents.max = valueOn(this.#grid, row.max);
    extents.firstValue = valueOn(this.#grid, row.first);
    extents.lastValue = valueOn(this.#grid, row.last);
  }
}
