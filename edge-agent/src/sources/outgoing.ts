/** Publishes of ours that a broker has not acked: their packet ids, and who waits. Nothing here survives the connection. */

const idsMax = 65_535;

export class Outgoing {
  readonly #waiting = new Map<number, (isTaken: boolean) => void>();
  #last = 0;

  /** A packet id for one more; `end` is called once. Undefined, and `end` is not called, when all ids are in use. */
  add(end: (isTaken: boolean) => void): number | undefined {
    if (this.#waiting.size >= idsMax) return undefined;
    do this.#last = (this.#last % idsMax) + 1;
    while (this.#waiting.has(this.#last));
    this.#waiting.set(this.#last, end);
    return this.#last;
  }

  acked(id: number): void {
    const end = this.#waiting.get(id);
    this.#waiting.delete(id);
    end?.(true);
  }

  /** The connection is gone: nobody knows what the broker has taken. */
  fail(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const end of waiting) end(false);
  }
}
