/**
 * Gathers closed windows as columns, without an object per window: most windows of a backfill hold one reading, and whatever is
 * made for each of them lives until the commit is written.
 */
import { ByteWriter } from '@fogline/shared/aggregate/bytes';
import { type Partial, writePartialOf } from '@fogline/shared/aggregate/partial';
import type { ReadingColumns, WindowColumns } from '@fogline/shared/reading';
import { grown } from './columns.ts';

const rowsMin = 64;

/** Rows in the order in which windows were closed. */
export class WindowBuilder {
  #count = 0;
  #series = new Uint32Array(rowsMin);
  #start = new Float64Array(rowsMin);
  #delta = new Uint8Array(rowsMin);
  /** Where each partial ends in the bytes of all. */
  #end = new Uint32Array(rowsMin);
  readonly #bytes = new ByteWriter();

  get count(): number {
    return this.#count;
  }

  add(series: number, start: number, partial: Partial): void {
    partial.write(this.#bytes);
    this.#push(series, start, false);
  }

  /** A window that holds rows [from, to) of the columns and nothing else. */
  addRows(window: {
    readonly series: number;
    readonly start: number;
    readonly isDelta: boolean;
    readonly columns: Pick<ReadingColumns, 'time' | 'value'>;
    readonly from: number;
    readonly to: number;
    readonly hasSketch: boolean;
  }): void {
    const { series, start, isDelta, columns, from, to, hasSketch } = window;
    writePartialOf(this.#bytes, columns, from, to, { sketch: hasSketch });
    this.#push(series, start, isDelta);
  }

  /** Ascending series, in the order of closing within one; the builder is empty afterwards. */
  take(): WindowColumns {
    const count = this.#count;
    const bytes = this.#bytes.finish();
    const rows = this.#order();
    const columns: WindowColumns = {
      count,
      series: rows === undefined ? this.#series.slice(0, count) : rows.map((row) => this.#series[row] ?? 0),
      start: rows === undefined ? this.#start.slice(0, count) : Float64Array.from(rows, (row) => this.#start[row] ?? 0),
      delta: rows === undefined ? this.#delta.slice(0, count) : Uint8Array.from(rows, (row) => this.#delta[row] ?? 0),
      partial: Array.from({ length: count }, (_, index) => {
        const row = rows?.[index] ?? index;
        return bytes.subarray(row === 0 ? 0 : this.#end[row - 1], this.#end[row]);
      }),
    };
    this.#count = 0;
    this.#bytes.reset();
    return columns;
  }

  /** Undefined when the rows are in order as they are. */
  #order(): Uint32Array | undefined {
    const series = this.#series;
    let isSorted = true;
    for (let row = 1; row < this.#count && isSorted; row++) isSorted = (series[row - 1] ?? 0) <= (series[row] ?? 0);
    if (isSorted) return undefined;
    const rows = Uint32Array.from({ length: this.#count }, (_, row) => row);
    return rows.sort((a, b) => (series[a] ?? 0) - (series[b] ?? 0) || a - b);
  }

  #push(series: number, start: number, isDelta: boolean): void {
    if (this.#count === this.#series.length) this.#grow();
    const row = this.#count++;
    this.#series[row] = series;
    this.#start[row] = start;
    this.#delta[row] = isDelta ? 1 : 0;
    this.#end[row] = this.#bytes.length;
  }

  #grow(): void {
    const rows = this.#series.length * 2;
    this.#series = grown(this.#series, new Uint32Array(rows));
    this.#start = grown(this.#start, new Float64Array(rows));
    this.#delta = grown(this.#delta, new Uint8Array(rows));
    this.#end = grown(this.#end, new Uint32Array(rows));
  }
}
