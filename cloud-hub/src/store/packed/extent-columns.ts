/** The columns of a block that say how many readings a row has, their extents and times: what comes first in it, and all that a chart needs. */
import type { Extents } from '@fogline/shared/aggregate/extents';
import { headHasHeld, headHasSketch, shapeOf, shapes, timeUnitOf } from '@fogline/shared/aggregate/partial-layout';
import { Spread } from '@fogline/shared/aggregate/spread';
import type { ByteReader } from '@fogline/shared/codec/byte-io';
import { bucketOf } from '../levels.ts';
import type { SpreadRow } from '../read.ts';
import { readColumn } from './columns.ts';
import { hasSums } from './partial-fields.ts';
import { emptyRow, type PlacedRow } from './plain-row.ts';
import { type ValueGrid, valueOn } from './value-grid.ts';

/** In place of a head: the partial is kept as it is. */
export const headVerbatim = 256;

/** Where a row stands in each group of columns. */
export interface RowPlace {
  readonly head: number;
  readonly timed: number;
  readonly several: number;
  readonly general: number;
  readonly summed: number;
  readonly held: number;
  readonly sketch: number;
  readonly odd: number;
}

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
  add(count: number, min: number, max: number, firstTime: number, first: number, lastTime: number, last: number): void {
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
    let timed = 0;
    let several = 0;
    let general = 0;
    for (const head of heads) {
      if (head === headVerbatim) continue;
      const shape = shapeOf(head);
      if (shape !== shapes.empty) timed++;
      if (shape >= shapes.uniform) several++;
      if (shape === shapes.general) general++;
    }
    this.#firstOffset = readColumn(from, timed);
    this.#count = readColumn(from, several);
    this.#lastOffset = readColumn(from, several);
    this.#last = readColumn(from, timed);
    this.#first = readColumn(from, general);
    this.#low = readColumn(from, general);
    this.#high = readColumn(from, general);
  }

  /** Each column holds the rows that have it, so where a row stands is counted from the first. */
  *places(): Generator<RowPlace> {
    const place = { timed: -1, several: -1, general: -1, summed: -1, held: -1, sketch: -1, odd: -1 };
    for (const head of this.#heads) {
      if (head === headVerbatim) {
        place.odd++;
        yield { ...place, head };
        continue;
      }
      const shape = shapeOf(head);
      if (shape !== shapes.empty) place.timed++;
      if (shape >= shapes.uniform) place.several++;
      if (shape === shapes.general) {
        place.general++;
        if (hasSums(head, this.#count[place.several] as number)) {
          place.summed++;
          if (headHasSketch(head)) place.sketch++;
        }
      }
      if (headHasHeld(head)) place.held++;
      yield { ...place, head };
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
    let timed = -1;
    let several = -1;
    let general = -1;
    let odd = -1;
    for (let row = 0; row < starts.length; row++) {
      const head = this.#heads[row] as number;
      const shape = head === headVerbatim ? shapes.empty : shapeOf(head);
      if (head === headVerbatim) odd++;
      if (shape !== shapes.empty) timed++;
      if (shape >= shapes.uniform) several++;
      if (shape === shapes.general) general++;
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
        run.others.mergeSpread(verbatim(odd));
      } else if (shape !== shapes.empty) this.#addTo(run, head, startMs, timed, several, general);
    }
    if (run.rows > 0) found.push(run.end(this.#grid));
    return found;
  }

  #addTo(run: Run, head: number, startMs: number, timed: number, several: number, general: number): void {
    const shape = shapeOf(head);
    const unit = timeUnitOf(head);
    const firstTime = startMs + (this.#firstOffset[timed] as number) * unit;
    const last = this.#last[timed] as number;
    if (shape === shapes.single) {
      run.add(1, last, last, firstTime, last, firstTime, last);
      return;
    }
    const count = this.#count[several] as number;
    const lastTime = startMs + (this.#lastOffset[several] as number) * unit;
    if (shape === shapes.uniform) {
      run.add(count, last, last, firstTime, last, lastTime, last);
      return;
    }
    const first = (timed === 0 ? last : (this.#last[timed - 1] as number)) + (this.#first[general] as number);
    const min = Math.min(first, last) - (this.#low[general] as number);
    const max = Math.max(first, last) + (this.#high[general] as number);
    run.add(count, min, max, firstTime, first, lastTime, last);
  }

  /** On the grid. */
  rowAt({ head, timed, several, general }: RowPlace): PlacedRow {
    const shape = shapeOf(head);
    if (shape === shapes.empty) return emptyRow(timed < 0 ? 0 : (this.#last[timed] as number));
    const last = this.#last[timed] as number;
    const lastBefore = timed === 0 ? last : (this.#last[timed - 1] as number);
    const count = shape === shapes.single ? 1 : (this.#count[several] as number);
    if (shape !== shapes.general) return { count, min: last, max: last, first: last, last, lastBefore };
    const first = lastBefore + (this.#first[general] as number);
    const min = Math.min(first, last) - (this.#low[general] as number);
    const max = Math.max(first, last) + (this.#high[general] as number);
    return { count, min, max, first, last, lastBefore };
  }

  /** Fills the extents of a row that was not empty. */
  readInto(extents: Extents, { head, timed, several }: RowPlace, row: PlacedRow, startMs: number): void {
    const shape = shapeOf(head);
    if (shape === shapes.empty) return;
    const unit = timeUnitOf(head);
    extents.firstTime = startMs + (this.#firstOffset[timed] as number) * unit;
    extents.lastTime =
      shape === shapes.single ? extents.firstTime : startMs + (this.#lastOffset[several] as number) * unit;
    extents.min = valueOn(this.#grid, row.min);
    extents.max = valueOn(this.#grid, row.max);
    extents.firstValue = valueOn(this.#grid, row.first);
    extents.lastValue = valueOn(this.#grid, row.last);
  }
}
