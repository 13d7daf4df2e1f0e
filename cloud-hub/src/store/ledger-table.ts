/**
 * The account per (agent, lane, event hour): what was delivered, thinned, quarantined and declared lost, beside what the agent last
 * reported. `delivered` and `thinned` are derived from the log and reach their rows at the next fold; the other columns are written by the
 * transaction of their message.
 */

import { type Lane } from '@fogline/shared/protocol/limits';
import { type LedgerRow as ReportedRow, type VoidReason, voidReasons } from '@fogline/shared/protocol/messages';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { Hours } from './batch-content.ts';

type Column = Form | 'quarantined' | VoidReason;

/** As what items arrived: themselves, or the minutes that stand for them. */
export type Form = 'delivered' | 'thinned';

export interface DeliveredTail {
  readonly form: Form;
  readonly agent: number;
  readonly lane: Lane;
  readonly hour: number;
  items: number;
}

const columns: readonly Column[] = ['delivered', 'thinned', 'quarantined', ...voidReasons];

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

  deliver(agent: number, lane: Lane, hours: Hours, form: Form): void {
    for (const [hour, items] of hours) {
      const key = `${agent}/${lane}/${hour}/${form}`;
      const line = this.#tail.get(key);
      if (line === undefined) this.#tail.set(key, { form, agent, lane, hour, items });
      else line.items += items;
    }
  }

  /** `sign` −1 takes back. */
  add(agent: number, lane: number, column: 'quarantined' | VoidReason, hours: Hours, sign: 1 | -1): void {
    for (const [hour, items] of hours) this.#add[column].run(agent, lane, hour, items * sign);
  }

  /** For a salvage: what arrived and is no batch any more. */
  restoreArrived(form: Form, agent: number, lane: number, hour: number, items: number): void {
    this.#add[form].run(agent, lane, hour, items);
  }

  report(agent: number, row: ReportedRow, atMs: number): void {
    this.#report.run(agent, row.lane, row.hour, row.produced, row.queued, row.evicted, atMs);
  }

  fold(): void {
    const sorted = [...this.#tail.values()].sort((a, b) => a.agent - b.agent || a.lane - b.lane || a.hour - b.hour);
    for (const { form, agent, lane, hour, items } of sorted) this.#add[form].run(agent, lane, hour, items);
    this.#tail.clear();
  }

  reset(): void {
    this.#tail.clear();
  }
}
