/** Columns of numbers that grow: 8 bytes a number instead of an object. */
export class Column {
  #values: Float64Array;
  #count = 0;

  constructor(capacity = 8) {
    this.#values = new Float64Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  push(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  at(index: number): number {
    return this.#values[index] as number;
  }

  /** The values so far, shared. */
  view(): Float64Array {
    return this.#values.subarray(0, this.#count);
  }
}

/** Readings of one series as two columns. */
export interface Readings {
  readonly time: Float64Array;
  readonly value: Float64Array;
}

/** Row numbers in ascending order of time, ties by value; the identity where rows are sorted already. */
export function sortedRows({ time, value }: Readings): Uint32Array {
  const rows = Uint32Array.from(time, (_, row) => row);
  for (let row = 1; row < rows.length; row++) {
    if (isBefore(row, row - 1)) return rows.sort((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
  }
  return rows;

  function isBefore(a: number, b: number): boolean {
    const ta = time[a] as number;
    const tb = time[b] as number;
    return ta < tb || (ta === tb && (value[a] as number) < (value[b] as number));
  }
}
