/**
 * Lets only so many connections begin in one turn of the event loop; the others wait their turn, first come first served, without a time limit of
 * their own. Between two turns whoever has begun is served. So when a whole fleet comes back at once, handshakes are finished one after the
 * other, where all of them together would be late, be given up by their clients and be begun again.
 */
export class ConnectPace {
  readonly #perTurnMax: number;
  readonly #waiting = new Set<() => void>();
  #begun = 0;
  #isArmed = false;

  constructor(perTurnMax: number) {
    this.#perTurnMax = perTurnMax;
  }

  /** Calls `start` now or in a later turn. */
  begin(start: () => void): void {
    this.#arm();
    if (this.#begun >= this.#perTurnMax || this.#waiting.size > 0) this.#waiting.add(start);
    else {
      this.#begun++;
      start();
    }
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isArmed = false;
    this.#begun = 0;
    for (const start of this.#waiting) {
      if (this.#begun >= this.#perTurnMax) break;
      this.#waiting.delete(start);
      this.#begun++;
      start();
    }
    if (this.#begun > 0) this.#arm();
  }
}
