/** How far the derived tables have come. */
import type { Database, Statement } from '@fogline/shared/sqlite';

/**
 * `folded`: batches up to this id are in ledger, ranges and indexes. `rolled`: … in roll-ups and latest values. Where `rolled` is less,
 * a fold is under way: of the batches between, series up to `rolling_series` are done.
 */
export type StateName = 'folded' | 'rolled' | 'rolling_series';

export class StateTable {
  readonly #get: Statement<{ value: number }>;
  readonly #set: Statement<never>;

  constructor(db: Database) {
    this.#get = db.prepare('SELECT value FROM state WHERE name = ?');
    this.#set = db.prepare('UPDATE state SET value = ? WHERE name = ?');
  }

  get(name: StateName): number {
    return this.#get.get(name)?.value ?? 0;
  }

  set(name: StateName, value: number): void {
    this.#set.run(value, name);
  }
}
