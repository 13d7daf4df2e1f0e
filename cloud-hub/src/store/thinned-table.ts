/**
 * Where minutes stand for items: per agent, event hour and series how many, and the aggregate over them. Written with each batch that
 * holds such minutes, so that an answer can say where it lacks readings.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { type BatchContent } from './batch-content.ts';
import { hourMs } from './levels.ts';
import { isMerged } from './merge.ts';
import type { LocalSeries } from './series-table.ts';

interface Row {
  readonly items: number;
  readonly partial: Uint8Array;
}

export class ThinnedTable {
  readonly #get: Statement<Row>;
  readonly #put: Statement<never>;
  readonly #drop: Statement<never>;

  constructor(db: Database) {
    this.#get = db.prepare('SELECT items, partial FROM thinned WHERE agent = ? AND hour = ? AND series = ?');
    this.#put = db.prepare(
      'INSERT OR REPLACE INTO thinned (agent, hour, series, items, partial) VALUES (?, ?, ?, ?, ?)',
    );
    this.#drop = db.prepare(
      'DELETE FROM thinned WHERE agent = ?1 AND hour = (SELECT min(hour) FROM thinned WHERE agent = ?1 AND hour < ?2)',
    );
  }

  /** What of the content is counted by its hours. */
  add(agent: number, { hours, thinned }: BatchContent, table: LocalSeries): void {
    for (const { count, series, start, items, partial } of thinned) {
      for (let row = 0; row < count; ) {
        const local = series[row] as number;
        const hour = Math.floor((start[row] as number) / hourMs);
        const merged = Partial.decode(partial[row] as Uint8Array);
        let sum = items[row] as number;
        for (row++; row < count && series[row] === local && (start[row] as number) < (hour + 1) * hourMs; row++) {
          isMerged(merged, Partial.decode(partial[row] as Uint8Array));
          sum += items[row] as number;
        }
        if (hours.has(hour)) this.#addHour(agent, hour, table.ids[local] ?? 0, sum, merged);
      }
    }
  }

  /** Forgets the oldest hour before that one; false when there is none. */
  dropHour(agent: number, beforeHour: number): boolean {
    return this.#drop.run(agent, beforeHour).changes > 0;
  }

  #addHour(agent: number, hour: number, series: number, items: number, partial: Partial): void {
    const known = this.#get.get(agent, hour, series);
    if (known !== undefined) isMerged(partial, Partial.decode(known.partial));
    this.#put.run(agent, hour, series, (known?.items ?? 0) + items, partial.encode());
  }
}
