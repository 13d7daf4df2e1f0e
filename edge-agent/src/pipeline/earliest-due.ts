/**
 * When the first of many series is due by processing time. It is never later than the truth, and may be earlier: whoever finds it
 * reached looks at all of them and resets it. So a commit does not have to look at each.
 */
export class EarliestDue {
  #at = Number.POSITIVE_INFINITY;

  note(at: number): void {
    if (at < this.#at) this.#at = at;
  }

  /** Begins to collect anew. */
  reset(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  isReached(now: number): boolean {
    return now >= this.#at;
  }

  get at(): number | undefined {
    return this.#at === Number.POSITIVE_INFINITY ? undefined : this.#at;
  }
}
