/** The columns of a block that say how many readings a row has, their extents and times: what comes first in it, and all that a chart needs. */
import type { Extents } from '@fogline/shared/aggregate/extents';
import { headHasHeld, headHasSketch, shapeOf, shapes, timeUnitOf } from '@fogline/shared/aggregate/partial-layout';
import type { ByteReader } from '@fogline/shared/codec/byte-io';
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
