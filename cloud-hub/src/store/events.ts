/** What operators should know of the fleet's lineage and of the store. Bounded: beyond `eventsMax` the oldest leave. */
import type { Database, Statement } from '@fogline/shared/sqlite';

export const eventKinds = [
  'rolled_back',
  'cloned',
  'replaced',
  'lineage_conflict',
  'epochs_exceeded',
  'rollup_overflow',
  'arrived_expired',
  'hub_damaged',
] as const;
/**
 * `rolled_back`: a child names less of its parent than the hub holds. `cloned`: a parent has two children. `replaced`: a known
 * agent came with an epoch that has no parent. `lineage_conflict`: an epoch named another parent than before.
 * `epochs_exceeded`: an agent offers more epochs than its limit. `rollup_overflow`: a contribution did not fit into a roll-up (a count beyond 2^53) and is in no roll-up.
 * `arrived_expired`: items older than retention.raw came; they are in the roll-ups that are kept so long, once per epoch.
 * `hub_damaged`: the hub's own database was damaged and salvaged; the detail counts what of its log was sound.
 */
export type EventKind = (typeof eventKinds)[number];

const eventsMax = 100_000;

export class EventTable {
  readonly #insert: Statement<never>;
  readonly #trim: Statement<never>;
  readonly #same: Statement<{ id: number }>;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO events (at, agent, kind, epoch, detail) VALUES (?, ?, ?, ?, ?)');
    this.#same = db.prepare('SELECT id FROM events WHERE agent = ? AND kind = ? AND epoch = ? LIMIT 1');
    this.#trim = db.prepare('DELETE FROM events WHERE id <= ?');
  }

  add(atMs: number, agent: number, kind: EventKind, epoch: string | null, detail: object): void {
    const { lastInsertRowid } = this.#insert.run(atMs, agent, kind, epoch, JSON.stringify(detail));
    this.#trim.run(lastInsertRowid - eventsMax);
  }

  /** Adds it unless the same kind is noted for this epoch already. */
  addOnce(atMs: number, agent: number, kind: EventKind, epoch: string, detail: object): void {
    if (this.#same.get(agent, kind, epoch) === undefined) this.add(atMs, agent, kind, epoch, detail);
  }
}
