/**
 * State per series without an object or a Map entry for each: rows of float64 fields, found by series id through an index array.
 * Rows are in order of first use. The first `saved` fields survive a restart, the others are worked out anew by who made them.
 */
import { grown } from './columns.ts';
import { SeriesIndex } from './series-index.ts';
import { bytesOf, floatsOf, idsOf } from './state-bytes.ts';

const rowsMin = 16;

export interface SavedTable {
  readonly ids: Uint8Array;
  /** Field by field, so that like stands beside like. */
  readonly fields: Uint8Array;
}

export class SeriesTable {
  /** Row `n` begins at `n · width`. It is another array after `add`. */
  values = new Float64Array(0);
  readonly width: number;
  readonly #saved: number;
  /** Row + 1. */
  readonly #rows = new SeriesIndex();
  #ids = new Uint32Array(0);
  #count = 0;

  constructor(fields: { readonly saved: number; readonly derived?: number }) {
    this.#saved = fields.saved;
    this.width = fields.saved + (fields.derived ?? 0);
  }

  get count(): number {
    return this.#count;
  }

  /** Where the row of a series begins in `values`; negative when it has none. */
  find(id: number): number {
    return (this.#rows.get(id) - 1) * this.width;
  }

  /** A new row of zeros, for a series that has none. */
  add(id: number): number {
    if (this.#count === this.#ids.length) this.#grow();
    const row = this.#count++;
    this.#ids[row] = id;
    this.#rows.set(id, row + 1);
    return row * this.width;
  }

  idAt(row: number): number {
    return this.#ids[row] ?? 0;
  }

  save(): SavedTable {
    const { width } = this;
    const fields = new Float64Array(this.#count * this.#saved);
    for (let field = 0, to = 0; field < this.#saved; field++)
      for (let row = 0; row < this.#count; row++) fields[to++] = this.values[row * width + field] ?? 0;
    return { ids: bytesOf(this.#ids.slice(0, this.#count)), fields: bytesOf(fields) };
  }

  /** Into an empty table; `add` finds or makes a row with what is not saved. */
  restore({ ids, fields }: SavedTable, add: (id: number) => number): void {
    const saved = floatsOf(fields);
    const savedIds = idsOf(ids);
    const count = savedIds.length;
    savedIds.forEach((id, row) => {
      const at = add(id);
      for (let field = 0; field < this.#saved; field++) this.values[at + field] = saved[field * count + row] ?? 0;
    });
  }

  #grow(): void {
    const rows = Math.max(rowsMin, this.#ids.length * 2);
    this.#ids = grown(this.#ids, new Uint32Array(rows));
    this.values = grown(this.values, new Float64Array(rows * this.width));
  }
}
