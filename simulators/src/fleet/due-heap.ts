/** A binary heap of small integers by due time, in typed arrays: what is due first, ties by number. The keys belong to the caller. */

export class DueHeap {
  readonly #ids: Int32Array;
  readonly #dueMs: Float64Array;
  #count = 0;

  /** `ids` is where the heap lives; it must have room for all that are ever in it. `dueMs` is indexed by id. */
  constructor(ids: Int32Array, dueMs: Float64Array) {
    this.#ids = ids;
    this.#dueMs = dueMs;
  }

  get count(): number {
    return this.#count;
  }

  /** The one that is due first; -1 when there is none. */
  get first(): number {
    return this.#count === 0 ? -1 : (this.#ids[0] as number);
  }

  add(id: number): void {
    let at = this.#count++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const other = this.#ids[parent] as number;
      if (!this.#isBefore(id, other)) break;
      this.#ids[at] = other;
      at = parent;
    }
    this.#ids[at] = id;
  }

  /** The first one is due later now. */
  postponeFirst(): void {
    this.#sink(this.#ids[0] as number);
  }

  removeFirst(): void {
    const last = this.#ids[--this.#count] as number;
    if (this.#count > 0) this.#sink(last);
  }

  /** Puts `id` where it belongs, from the top. */
  #sink(id: number): void {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isBefore(this.#ids[child + 1] as number, this.#ids[child] as number))
        child++;
      const other = this.#ids[child] as number;
      if (!this.#isBefore(other, id)) break;
      this.#ids[at] = other;
      at = child;
    }
    this.#ids[at] = id;
  }

  #isBefore(a: number, b: number): boolean {
    const x = this.#dueMs[a] as number;
    const y = this.#dueMs[b] as number;
    return x < y || (x === y && a < b);
  }
}
