/**
 * Bounds what the accounts of voids take (P6): an agent that gives up data for months must not fill its own database with the
 * story of it. What goes is detail, never a range or an item: neighbours with one reason become one void, then the oldest lose
 * their statistics per series.
 *
 * A void that the hub already holds in part may be told again as part of a wider one: the hub replaces the narrower by the wider.
 */
import type { AgentStore } from '../journal/agent-store.ts';
import type { StoredVoid } from '../journal/stored.ts';
import { LossSummary } from './losses.ts';

export class VoidBudget {
  readonly #store: AgentStore;
  readonly #bytesMax: number;

  constructor(store: AgentStore, bytesMax: number) {
    this.#store = store;
    this.#bytesMax = bytesMax;
  }

  /** Inside a transaction. Returns whether anything changed: what was joined has to be told again. */
  enforce(): boolean {
    if (this.#store.voidBytes() <= this.#bytesMax) return false;
    this.#joinNeighbours();
    let bytes = this.#store.voidBytes();
    for (const id of this.#store.voidIds()) {
      if (bytes <= this.#bytesMax / 2) break;
      const value = this.#store.readVoid(id)?.value;
      if (value === undefined || value.stats.length === 0) continue;
      bytes -= JSON.stringify(value.stats).length;
      this.#store.dropVoidStats(value);
    }
    return true;
  }

  #joinNeighbours(): void {
    let previous: { value: StoredVoid; isAcked: boolean } | undefined;
    for (const id of this.#store.voidIds()) {
      const found = this.#store.readVoid(id);
      if (found === undefined) continue;
      previous =
        previous !== undefined && areNeighbours(previous.value, found.value) ? this.#join(previous, found) : found;
    }
  }

  #join(
    left: { value: StoredVoid; isAcked: boolean },
    right: { value: StoredVoid; isAcked: boolean },
  ): { value: StoredVoid; isAcked: boolean } {
    const summary = new LossSummary();
    summary.addReport(left.value);
    summary.addReport(right.value);
    this.#store.deleteVoid(left.value.id);
    this.#store.deleteVoid(right.value.id);
    const isAcked = left.isAcked && right.isAcked;
    const value = { ...left.value, last: right.value.last, ...summary.report() };
    const id = this.#store.insertVoid(value);
    // The range may be on its way or held: it is not to be grown, which would send it again each time.
    this.#store.markVoidSent(id);
    if (isAcked) this.#store.setVoidAcked(id, true);
    return { value: { ...value, id }, isAcked };
  }
}

function areNeighbours(left: StoredVoid, right: StoredVoid): boolean {
  return (
    left.epochId === right.epochId &&
    left.lane === right.lane &&
    left.reason === right.reason &&
    left.last + 1 === right.first
  );
}
