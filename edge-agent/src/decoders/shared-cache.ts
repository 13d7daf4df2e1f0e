/**
 * Caches of many owners under one limit. Beyond it all of them are emptied and filled anew, which costs time and loses nothing:
 * what a sender can make up without end must not fill the memory.
 */
export class CacheBudget {
  readonly #entriesMax: number;
  #entries = 0;
  generation = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  spend(): void {
    if (this.#entries < this.#entriesMax) this.#entries++;
    else {
      this.#entries = 1;
      this.generation++;
    }
  }
}

export class BudgetedMap<Value> {
  readonly #budget: CacheBudget;
  readonly #entries = new Map<string, Value>();
  #generation = 0;

  constructor(budget: CacheBudget) {
    this.#budget = budget;
  }

  get(key: string): Value | undefined {
    if (this.#generation !== this.#budget.generation) {
      this.#entries.clear();
      this.#generation = this.#budget.generation;
    }
    return this.#entries.get(key);
  }

  /** Of a key that `get` did not find. */
  set(key: string, value: Value): void {
    this.#budget.spend();
    if (this.#generation !== this.#budget.generation) {
      this.#entries.clear();
      this.#generation = this.#budget.generation;
    }
    this.#entries.set(key, value);
  }
}
