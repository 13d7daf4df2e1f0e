/** Rows that pass, in ascending order, and the columns of them; when all pass, the columns themselves. */
import { flagText, type ReadingColumns } from '@fogline/shared/reading';
import { noReadings } from './columns.ts';

export class RowSelection {
  #rows = new Uint32Array(0);
  #count = 0;

  /** Begins a selection of rows of columns of this length. */
  begin(count: number): void {
    if (this.#rows.length < count) this.#rows = new Uint32Array(Math.max(count, this.#rows.length * 2));
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  add(row: number): void {
    this.#rows[this.#count++] = row;
  }

  addRun(from: number, to: number): void {
    for (let row = from; row < to; row++) this.#rows[this.#count++] = row;
  }

  take(columns: ReadingColumns): ReadingColumns {
    const count = this.#count;
    if (count === columns.count) return columns;
    if (count === 0) return noReadings;
    const rows = this.#rows;
    const series = new Uint32Array(count);
    const time = new Float64Array(count);
    const value = new Float64Array(count);
    const flags = new Uint8Array(count);
    for (let at = 0; at < count; at++) {
      const row = rows[at] ?? 0;
      series[at] = columns.series[row] ?? 0;
      time[at] = columns.time[row] ?? 0;
      value[at] = columns.value[row] ?? 0;
      flags[at] = columns.flags[row] ?? 0;
    }
    const strings = columns.strings.length === 0 ? columns.strings : usedStrings(columns.strings, value, flags);
    return { count, series, time, value, flags, strings };
  }
}

/** The texts that are still named, and the rows' indices into them. */
function usedStrings(strings: readonly string[], value: Float64Array, flags: Uint8Array): string[] {
  const used: string[] = [];
  const indexOf = new Map<number, number>();
  for (let row = 0; row < value.length; row++) {
    if (((flags[row] ?? 0) & flagText) === 0) continue;
    const old = value[row] ?? 0;
    let index = indexOf.get(old);
    if (index === undefined) {
      index = used.length;
      used.push(strings[old] ?? '');
      indexOf.set(old, index);
    }
    value[row] = index;
  }
  return used;
}
