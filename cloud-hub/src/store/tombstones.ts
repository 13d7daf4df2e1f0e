/**
 * Ranges of series that an operator deleted. What lies in one is shown no more and enters no roll-up, however often it comes: an agent that
 * sends the range again, after a restore say, cannot bring it back. A tombstone names its series by agent and identity, not by number, so that it
 * holds in a database that was restored from before the series was known.
 */
import type { Database, Statement } from '@fogline/shared/sqlite';
import { type BatchContent, rowsWhere } from './batch-content.ts';
import type { LocalSeries } from './series-table.ts';

export interface Tombstone {
  readonly agent: string;
  /** Of the series, as `series.identity` has it. */
  readonly identity: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly atMs: number;
}

export interface TombstoneRow extends Tombstone {
  /** Readings that its roll-ups had when it was deleted. */
  readonly readings: number;
  /** Items that came for it since. */
  readonly late: number;
}

type Range = readonly [fromMs: number, toMs: number, id: number];

export class Tombstones {
  readonly #all: Statement<{ series: number; fromMs: number; toMs: number; id: number }>;
  readonly #insert: Statement<never>;
  readonly #due: Statement<{ series: number; fromMs: number; toMs: number; id: number }>;
  readonly #done: Statement<never>;
  readonly #late: Statement<never>;
  #ranges: Map<number, Range[]> | undefined;

  constructor(db: Database) {
    const joined = `tombstones t JOIN agents a ON a.name = t.agent JOIN series s ON s.agent = a.id AND s.identity = t.identity`;
    const range = 's.id AS series, t.from_ms AS fromMs, t.to_ms AS toMs';
    this.#all = db.prepare(`SELECT ${range}, t.id FROM ${joined}`);
    this.#due = db.prepare(`SELECT ${range}, t.id FROM ${joined} WHERE t.is_due = 1 ORDER BY t.id`);
    this.#insert = db.prepare(
      `INSERT OR IGNORE INTO tombstones (agent, identity, from_ms, to_ms, at, readings, late, is_due)
       SELECT a.name, s.identity, ?2, ?3, ?4, 0, 0, 1 FROM series s JOIN agents a ON a.id = s.agent WHERE s.id = ?1`,
    );
    this.#done = db.prepare('UPDATE tombstones SET is_due = 0, readings = readings + ? WHERE id = ?');
    this.#late = db.prepare('UPDATE tombstones SET late = late + ? WHERE id = ?');
  }

  add(series: number, fromMs: number, toMs: number, atMs: number): void {
    this.#insert.run(series, fromMs, toMs, atMs);
    this.reset();
  }

  /** What is not carried out yet, where its series is known. */
  due(): readonly { readonly id: number; readonly series: number; readonly fromMs: number; readonly toMs: number }[] {
    return this.#due.all();
  }

  done(id: number, readings: number): void {
    this.#done.run(readings, id);
  }

  covers(series: number, timeMs: number): boolean {
    return this.#of(series)?.some(([fromMs, toMs]) => timeMs >= fromMs && timeMs < toMs) ?? false;
  }

  /** The content without what is deleted; itself when nothing of it is. */
  without(content: BatchContent, table: LocalSeries): BatchContent {
    const all = this.#map();
    if (all.size === 0) return content;
    const isTouched = [...content.readings, ...content.windows, ...content.thinned].some(({ series, count }) =>
      series.subarray(0, count).some((local) => all.has(table.ids[local] ?? 0)),
    );
    if (!isTouched) return content;
    return rowsWhere(content, (local, timeMs) => !this.covers(table.ids[local] ?? 0, timeMs));
  }

  /** Counts what of a batch that has just come is deleted. */
  countLate(content: BatchContent, table: LocalSeries): void {
    if (this.#map().size === 0) return;
    const late = new Map<number, number>();
    const count = (local: number, timeMs: number, items = 1): void => {
      for (const [fromMs, toMs, id] of this.#of(table.ids[local] ?? 0) ?? [])
        if (timeMs >= fromMs && timeMs < toMs) late.set(id, (late.get(id) ?? 0) + items);
    };
    for (const { series, time, count: rows } of content.readings)
      for (let row = 0; row < rows; row++) count(series[row] as number, time[row] as number);
    for (const { series, start, count: rows } of content.windows)
      for (let row = 0; row < rows; row++) count(series[row] as number, start[row] as number);
    for (const { series, start, items, count: rows } of content.thinned)
      for (let row = 0; row < rows; row++) count(series[row] as number, start[row] as number, items[row]);
    for (const [id, items] of late) this.#late.run(items, id);
  }

  reset(): void {
    this.#ranges = undefined;
  }

  #of(series: number): readonly Range[] | undefined {
    return this.#map().get(series);
  }

  #map(): Map<number, Range[]> {
    if (this.#ranges !== undefined) return this.#ranges;
    const ranges = new Map<number, Range[]>();
    for (const { series, fromMs, toMs, id } of this.#all.all())
      ranges.set(series, [...(ranges.get(series) ?? []), [fromMs, toMs, id]]);
    this.#ranges = ranges;
    return ranges;
  }
}
