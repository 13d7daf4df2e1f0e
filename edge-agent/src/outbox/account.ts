/**
 * What is counted between checkpoints: the ledger of outbox items by lane and event hour (P4), and counters of what never
 * became an item. In the log until the checkpoint puts it into tables, so a replay counts it again.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { AgentStore } from '../journal/agent-store.ts';
import type { CommitRecord } from '../journal/commit-record.ts';

export class Account {
  readonly #produced = new Map<string, { lane: Lane; hour: number; items: number }>();
  readonly #changed = new Map<string, { lane: Lane; hour: number }>();
  readonly #counted = new Map<string, number>();

  add(record: CommitRecord): void {
    for (const { lane, hours } of record.outputs) {
      for (let i = 0; i < hours.length; i += 2) {
        const hour = hours[i] ?? -1;
        const key = `${lane}:${hour}`;
        const entry = this.#produced.get(key);
        if (entry === undefined) this.#produced.set(key, { lane, hour, items: hours[i + 1] ?? 0 });
        else entry.items += hours[i + 1] ?? 0;
      }
    }
    for (const [name, count] of record.counted) this.#counted.set(name, (this.#counted.get(name) ?? 0) + count);
  }

  /** Rows of these hours changed their state without being produced: their account is reported again. */
  touch(lane: Lane, hours: readonly number[]): void {
    for (let i = 0; i < hours.length; i += 2) {
      const hour = hours[i] ?? -1;
      this.#changed.set(`${lane}:${hour}`, { lane, hour });
    }
  }

  /** Inside the transaction of a checkpoint. */
  flush(store: AgentStore): void {
    for (const { lane, hour, items } of this.#produced.values()) store.addToLedger(lane, hour, items, 0);
    for (const { lane, hour } of this.#changed.values()) store.touchLedger(lane, hour);
    for (const [name, count] of this.#counted) store.addToCounter(name, count);
  }

  clear(): void {
    this.#produced.clear();
    this.#changed.clear();
    this.#counted.clear();
  }
}
