/**
 * The account per (agent, lane, event hour): what was delivered, quarantined and declared lost, beside what the agent last
 * reported. `delivered` is derived from the log and reaches its rows at the next fold; the other columns are written by the
 * transaction of their message.
 */

import { type Lane } from '@fogline/shared/protocol/limits';
import { type LedgerRow as ReportedRow, type VoidReason, voidReasons } from '@fogline/shared/protocol/messages';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { Hours } from './batch-content.ts';

type Column = 'delivered' | 'quarantined' | VoidReason;

export interface DeliveredTail {
  readonly agent: number;
  readonly lane: Lane;
  readonly hour: number;
  items: number;
}

const columns: readonly Column[] = ['delivered', 'quarantined', ...voidReasons];

/** The hour of what has no known event time. */
export const unknownHour = -1;

export class LedgerTable {
  readonly #add: Record<Column, Statement<never>>;
  readonly #report: Statement<never>;
  readonly #tail = new Map<string, DeliveredTail>();

  constructor(db: Database) {
    const addTo = (column: Column): Statement<never> =>
      db.prepare(
        `INSERT INTO ledger (agent, lane, hour, ${column}) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET ${column} = ${column} + ?4`,
      );
    this.#add = Object.fromEntries(columns.map((column) => [column, addTo(column)])) as Record<
      Column,
      Statement<never>
    >;
    // `produced` only grows, so a report that knows of fewer is an older one that was overtaken on the way.
    this.#report = db.prepare(
      `INSERT INTO ledger (agent, lane, hour, produced, queued, evicted, reported) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT DO UPDATE SET produced = ?4, queued = ?5, evicted = ?6, reported = ?7
       WHERE reported IS NULL OR ?7 >= reported OR ?4 > produced`,
    );
  }

  get tail(): Iterable<DeliveredTail> {
    return this.#tail.values();
  }

  deliver(agent: number, lane: Lane, hours: Hours): void {
    for (const [hour, items] of hours) {
      const key = `${agent}/${lane}/${hour}`;
      const line = this.#tail.get(key);
      if (line === undefined) this.#tail.set(key, { agent, lane, hour, items });
      else line.items += items;
    }
  }

  /** `sign` −1 takes back. */
  add(agent: number, lane: number, column: 'quarantined' | VoidReason, hours: Hours, sign: 1 | -1): void {
    for (const [hour, items] of hours) this.#add[column].run(agent, lane, hour, items * sign);
  }

  /** For a salvage: what was delivered and is no batch any more. */
  restoreDelivered(agent: number, lane: number, hour: number, items: number): void {
    this.#add.delivered.run(agent, lane, hour, items);
  }

  report(agent: number, row: ReportedRow, atMs: number): void {
    this.#report.run(agent, row.lane, row.hour, row.produced, row.queued, row.evicted, atMs);
  }

  fold(): void {
    const sorted = [...this.#tail.values()].sort((a, b) => a.agent - b.agent || a.lane - b.lane || a.hour - b.hour);
    for (const { agent, lane, hour, items } of sorted) this.#add.delivered.run(agent, lane, hour, items);
    this.#tail.clear();
  }

  reset(): void {
    this.#tail.clear();
  }
}
