/**
 * Caches of many owners under one limit, of entries or of what they cost. Beyond it all of them are emptied and filled anew, which costs
 * time and loses nothing: what a sender can make up without end must not fill the memory.
 */
export class CacheBudget {
  readonly #costMax: number;
  #cost = 0;
  generation = 0;

  constructor(costMax: number) {
    this.#costMax = costMax;
  }

  spend(cost = 1): void {
    this.#cost += cost;
    if (this.#cost <= this.#costMax) return;
    this.#cost = cost;
    this.generation++;
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
  set(key: string, value: Value, cost = 1): void {
    this.#budget.spend(cost);
    if (this.#generation !== this.#budget.generation) {
      this.#entries.clear();
      this.#generation = this.#budget.generation;
    }
    this.#entries.set(key, value);
  }
}
