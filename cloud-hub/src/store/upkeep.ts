/**
 * What keeps the store small while ingest runs: what is older than its retention
 * goes, old roll-ups are packed, small batches merged. It goes round and round in steps of a few milliseconds, which the
 * hub takes between its commits; each writes at most one short transaction. Nothing of it is kept across a restart: a round that
 * was cut begins anew and finds done what was done.
 */
import { compactRound, KeptRuns } from './compact-job.ts';
import type { Counters } from './counters.ts';
import type { HubStore } from './hub-store.ts';
import { packRound } from './pack-job.ts';
import { retainRound } from './retain-job.ts';
import type { Retention } from './retention.ts';

export interface UpkeepPorts {
  nowMs(): number;
  /** In one transaction of its own; what is in memory is made valid before and after. */
  transaction<T>(work: () => T): T;
  readonly counters: Counters;
  readonly retention: Retention;
}

export class Upkeep {
  readonly #store: HubStore;
  readonly #ports: UpkeepPorts;
  readonly #kept = new KeptRuns();
  #round: Generator<void, void> | undefined;

  constructor(store: HubStore, ports: UpkeepPorts) {
    this.#store = store;
    this.#ports = ports;
  }

  /** One step; false when it ended a round. Throws what the storage threw. */
  step(): boolean {
    this.#round ??= this.#rounds();
    try {
      if (this.#round.next().done !== true) return true;
    } catch (error) {
      this.#round = undefined;
      throw error;
    }
    this.#round = undefined;
    return false;
  }

  *#rounds(): Generator<void, void> {
    yield* retainRound(this.#store, this.#ports.retention, this.#ports);
    yield* packRound(this.#store.rollups, this.#ports);
    yield* compactRound(this.#store, this.#kept, this.#ports);
  }
}
