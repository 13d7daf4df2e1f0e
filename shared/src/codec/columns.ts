/**
 * Memory of decoded columns. Columns lie in slabs, as small `Buffer`s do in Node: one allocation of 21 KB per block takes a third of
 * the time of decoding it, and four for a small blob more than everything else (1,000 rows: 2.0 µs alone, 1.2 from a
 * slab). No two results overlap; a result that is kept keeps its slab, so whoever keeps many has slabs of its own.
 */

const slabBytes = 1 << 16;
/** What would waste more of a slab than this gets memory of its own. */
const sharedBytesMax = slabBytes / 2;

/** Where decoded columns are put: columns for `count` rows, not zeroed, so every row of every column must be written. */
export type ColumnMemory = (count: number, strings: readonly string[]) => ReturnType<typeof columnsIn>;

/** Memory that is never used again. */
export class NewColumns {
  #slab = new ArrayBuffer(0);
  #at = 0;

  readonly memory: ColumnMemory = (count, strings) => {
    const bytes = bytesOf(count);
    if (bytes > sharedBytesMax) return columnsIn(Buffer.allocUnsafeSlow(bytes).buffer, 0, count, strings);
    if (this.#at + bytes > this.#slab.byteLength) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes).buffer;
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += bytes;
    return columnsIn(this.#slab, at, count, strings);
  };
}

/** Of all who are done with the columns soon. */
export const newColumns = new NewColumns().memory;

/**
 * Memory that is used again, for whoever is done with the columns before the next `reset`. Half of what a hub's collector did under load was
 * counting and freeing columns that lived for a millisecond.
 */
export class ReusedColumns {
  #buffer = new ArrayBuffer(0);
  #at = 0;

  /** From now on, columns lie where earlier ones lay. */
  reset(): void {
    this.#at = 0;
  }

  readonly memory: ColumnMemory = (count, strings) => {
    const bytes = bytesOf(count);
    if (this.#at + bytes > this.#buffer.byteLength) {
      this.#buffer = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes, this.#buffer.byteLength * 2)).buffer;
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += bytes;
    return columnsIn(this.#buffer, at, count, strings);
  };
}

function bytesOf(count: number): number {
  return (count * 21 + 7) & ~7;
}

function columnsIn(buffer: ArrayBuffer, at: number, count: number, strings: readonly string[]) {
  return {
    count,
    series: new Uint32Array(buffer, at + count * 16, count),
    time: new Float64Array(buffer, at, count),
    value: new Float64Array(buffer, at + count * 8, count),
    flags: new Uint8Array(buffer, at + count * 20, count),
    strings,
  };
}
