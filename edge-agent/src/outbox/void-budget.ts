/**
 * Bounds what the accounts of voids take (P6): an agent that gives up data for months must not fill its own database with the
 * story of it. What goes is detail, never a range or an item: neighbours with one reason become one void, then the oldest lose
 * their statistics per series.
 *
 * A void that the hub already holds in part may be told again as part of a wider one: the hub replaces the narrower by the wider.
 */
import type { StoredVoid } from '../journal/stored.ts';
import type { VoidTable } from '../journal/void-table.ts';
import { LossSummary } from './losses.ts';

export class VoidBudget {
  readonly #voids: VoidTable;
  readonly #bytesMax: number;

  constructor(voids: VoidTable, bytesMax: number) {
    this.#voids = voids;
    this.#bytesMax = bytesMax;
  }

  /** Inside a transaction. Returns whether anything changed: what was joined has to be told again. */
  enforce(): boolean {
    if (this.#voids.bytes() <= this.#bytesMax) return false;
    this.#joinNeighbours();
    let bytes = this.#voids.bytes();
    for (const id of this.#voids.ids()) {
      if (bytes <= this.#bytesMax / 2) break;
      const value = this.#voids.read(id)?.value;
      if (value === undefined || value.stats.length === 0) continue;
      bytes -= JSON.stringify(value.stats).length;
      this.#voids.dropStats(value);
    }
    return true;
  }

  #joinNeighbours(): void {
    let previous: { value: StoredVoid; isAcked: boolean } | undefined;
    for (const id of this.#voids.ids()) {
      const found = this.#voids.read(id);
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
    this.#voids.delete(left.value.id);
    this.#voids.delete(right.value.id);
    const isAcked = left.isAcked && right.isAcked;
    const value = { ...left.value, last: right.value.last, ...summary.report() };
    const id = this.#voids.insert(value);
    // The range may be on its way or held: it is not to be grown, which would send it again each time.
    this.#voids.markSent(id);
    if (isAcked) this.#voids.setAcked(id, true);
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
