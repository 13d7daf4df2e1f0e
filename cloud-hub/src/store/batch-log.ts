/**
 * The log: every applied batch as received. Ids ascend in the order of application and are never reused while the tail may
 * refer to them. The indexes by range and by event hour are written by the fold; until then the tail is searched in memory.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { StateTable } from './state.ts';

export interface LoggedBatch {
  readonly id: number;
  /** Row id of its epoch. */
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly receivedMs: number;
  readonly payload: Uint8Array;
  /** Made of several batches as received: their bytes are not known any more. */
  readonly isMerged?: boolean;
}

export interface BatchHead {
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly lastHour: number;
}

export interface SizedRange extends BatchRange {
  readonly bytes: number;
  readonly receivedMs: number;
}

export interface ReplacedBatch {
  readonly id: number;
  readonly head: BatchHead;
  readonly hours: readonly number[];
}

export interface BatchRange {
  readonly batch: number;
  readonly first: number;
  readonly last: number;
  /** 1: made of several batches as received. */
  readonly merged: number;
}

interface TailBatch extends BatchRange {
  readonly epoch: number;
  readonly lane: Lane;
  readonly agent: number;
  readonly hours: readonly number[];
}

/** As it is in its table. */
export interface BatchRow {
  readonly id: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly received: number;
  readonly merged: number;
  readonly payload: Uint8Array;
}

const pageRows = 64;

export class BatchLog {
  #tail: TailBatch[] = [];
  #tailBytes = 0;
  #nextId = 1;
  readonly #insert: Statement<never>;
  readonly #get: Statement<BatchRow>;
  readonly #after: Statement<BatchRow>;
  readonly #maxId: Statement<{ id: number | null }>;
  readonly #state: StateTable;
  readonly #ranges: Statement<BatchRange>;
  readonly #insertRange: Statement<never>;
  readonly #insertHour: Statement<never>;
  readonly #hours: Statement<{ hour: number; batch: number }>;
  readonly #rangeAfter: Statement<BatchRange & { epoch: number; lane: Lane }>;
  readonly #sized: Statement<SizedRange>;
  readonly #head: Statement<BatchHead>;
  readonly #delete: Statement<never>;
  readonly #deleteRange: Statement<never>;
  readonly #deleteHour: Statement<never>;

  constructor(db: Database, state: StateTable) {
    this.#state = state;
    this.#insert = db.prepare(
      'INSERT INTO batches (id, epoch, lane, first, last, received, last_hour, merged, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#get = db.prepare('SELECT * FROM batches WHERE id = ?');
    this.#after = db.prepare('SELECT * FROM batches WHERE id > ? ORDER BY id LIMIT ?');
    this.#maxId = db.prepare('SELECT max(id) AS id FROM batches');
    this.#ranges = db.prepare(
      'SELECT batch, first, last, merged FROM batch_ranges WHERE epoch = ? AND lane = ? AND last >= ? ORDER BY last LIMIT ?',
    );
    this.#insertRange = db.prepare(
      'INSERT INTO batch_ranges (epoch, lane, last, first, batch, merged) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#insertHour = db.prepare('INSERT INTO batch_hours (agent, hour, batch) VALUES (?, ?, ?)');
    this.#rangeAfter = db.prepare(
      'SELECT * FROM batch_ranges WHERE (epoch, lane, last) > (?, ?, ?) ORDER BY epoch, lane, last LIMIT 1',
    );
    this.#sized = db.prepare(
      `SELECT r.batch, r.first, r.last, r.merged, length(b.payload) AS bytes, b.received AS receivedMs
       FROM batch_ranges r JOIN batches b ON b.id = r.batch
       WHERE r.epoch = ? AND r.lane = ? AND r.last > ? ORDER BY r.last LIMIT ?`,
    );
    this.#head = db.prepare('SELECT epoch, lane, first, last, last_hour AS lastHour FROM batches WHERE id = ?');
    this.#delete = db.prepare('DELETE FROM batches WHERE id = ?');
    this.#deleteRange = db.prepare('DELETE FROM batch_ranges WHERE epoch = ? AND lane = ? AND last = ?');
    this.#deleteHour = db.prepare('DELETE FROM batch_hours WHERE agent = ? AND hour = ? AND batch = ?');
    this.#hours = db.prepare(
      `SELECT hour, batch FROM batch_hours
       WHERE agent = ?1 AND (hour, batch) > (?2, ?3) AND hour <= ?4 ORDER BY hour, batch LIMIT ?5`,
    );
  }

  get tailCount(): number {
    return this.#tail.length;
  }

  get tailBytes(): number {
    return this.#tailBytes;
  }

  get newestId(): number {
    return this.#nextId - 1;
  }

  /** `lastHour`: the latest event hour of its items. */
  append(batch: Omit<LoggedBatch, 'id'>, lastHour: number): number {
    const id = this.#nextId++;
    const { epoch, lane, first, last, receivedMs, payload } = batch;
    this.#insert.run(id, epoch, lane, first, last, receivedMs, lastHour, batch.isMerged === true ? 1 : 0, payload);
    return id;
  }

  /** Notes a batch of the log as not folded yet. */
  track(batch: LoggedBatch, agent: number, hours: readonly number[]): void {
    const { id, epoch, lane, first, last } = batch;
    const merged = batch.isMerged === true ? 1 : 0;
    this.#tail.push({ batch: id, epoch, lane, first, last, merged, agent, hours });
    this.#tailBytes += batch.payload.byteLength;
  }

  get(id: number): LoggedBatch | undefined {
    const row = this.#get.get(id);
    return row === undefined ? undefined : fromRow(row);
  }

  /** Batches that hold any of [first, last], ascending. */
  overlapping(epoch: number, lane: Lane, first: number, last: number): BatchRange[] {
    const found: BatchRange[] = this.#tail.filter(
      (batch) => batch.epoch === epoch && batch.lane === lane && batch.first <= last && batch.last >= first,
    );
    for (let from = first; ; ) {
      const page = this.#ranges.all(epoch, lane, from, pageRows);
      // Ranges are disjoint, so `first` ascends with `last`.
      const inside = page.filter((range) => range.first <= last);
      found.push(...inside);
      if (inside.length < pageRows) break;
      from = (inside.at(-1)?.last ?? last) + 1;
    }
    return found.sort((a, b) => a.first - b.first);
  }

  /** (hour, batch) pairs of an agent after the given pair, up to hour `toHour`, ascending; at most `limit`. */
  inHours(agent: number, after: HourCursor, toHour: number, limit: number): HourCursor[] {
    const { hour, batch } = after;
    const folded = this.#hours.all(agent, hour, batch, toHour, limit);
    const tail: HourCursor[] = [];
    for (const entry of this.#tail) {
      if (entry.agent !== agent) continue;
      for (const at of entry.hours) {
        if ((at > hour || (at === hour && entry.batch > batch)) && at <= toHour)
          tail.push({ hour: at, batch: entry.batch });
      }
    }
    return [...folded, ...tail].sort((a, b) => a.hour - b.hour || a.batch - b.batch).slice(0, limit);
  }

  /** Batches with greater ids, in order of application. */
  *after(id: number): Generator<LoggedBatch> {
    let after = id;
    for (;;) {
      const page = this.#after.all(after, pageRows);
      for (const row of page) yield fromRow(row);
      after = page.at(-1)?.id ?? after;
      if (page.length < pageRows) return;
    }
  }

  /** Folded (hour, batch) pairs of an agent before an hour, ascending. */
  before(agent: number, hour: number, limit: number): HourCursor[] {
    return this.#hours.all(agent, Number.MIN_SAFE_INTEGER, 0, hour - 1, limit);
  }

  /** What a batch is besides its payload; undefined when there is none. */
  head(id: number): BatchHead | undefined {
    return this.#head.get(id);
  }

  /** The first folded range after a place in the order of (epoch, lane, last). */
  rangeAfter(epoch: number, lane: number, last: number): (BatchRange & { epoch: number; lane: Lane }) | undefined {
    return this.#rangeAfter.get(epoch, lane, last);
  }

  /** Folded ranges of one lane that end after `last`, ascending. */
  rangesAfter(epoch: number, lane: number, last: number, limit: number): SizedRange[] {
    return this.#sized.all(epoch, lane, last, limit);
  }

  /** Puts one merged batch in the place of folded ones, under the id of the first; its ranges and hours are in the indexes at once. */
  replace(agent: number, parts: readonly ReplacedBatch[], merged: LoggedBatch, lastHour: number): void {
    // Pairs that retention removed already do not come back.
    const kept = new Set<number>();
    for (const { id, head, hours } of parts) {
      this.drop(id, head);
      for (const hour of hours) if (this.forgetHour(agent, { hour, batch: id })) kept.add(hour);
    }
    const { id, epoch, lane, first, last, receivedMs, payload } = merged;
    this.#insert.run(id, epoch, lane, first, last, receivedMs, lastHour, 1, payload);
    this.#insertRange.run(epoch, lane, last, first, id, 1);
    for (const hour of [...kept].sort((a, b) => a - b)) this.#insertHour.run(agent, hour, id);
  }

  /** Whether there was such a pair. */
  forgetHour(agent: number, { hour, batch }: HourCursor): boolean {
    return this.#deleteHour.run(agent, hour, batch).changes > 0;
  }

  /** A folded batch; its entries by hour are forgotten one by one. */
  drop(id: number, { epoch, lane, last }: BatchHead): void {
    this.#delete.run(id);
    this.#deleteRange.run(epoch, lane, last);
  }

  fold(): void {
    const byRange = [...this.#tail].sort((a, b) => a.epoch - b.epoch || a.lane - b.lane || a.last - b.last);
    for (const { epoch, lane, last, first, batch, merged } of byRange)
      this.#insertRange.run(epoch, lane, last, first, batch, merged);
    const byHour = this.#tail
      .flatMap(({ agent, hours, batch }) => hours.map((hour) => ({ agent, hour, batch })))
      .sort((a, b) => a.agent - b.agent || a.hour - b.hour || a.batch - b.batch);
    for (const { agent, hour, batch } of byHour) this.#insertHour.run(agent, hour, batch);
    const newest = this.#tail.at(-1);
    if (newest !== undefined) this.#state.set('folded', newest.batch);
    this.#tail = [];
    this.#tailBytes = 0;
  }

  reset(): void {
    this.#tail = [];
    this.#tailBytes = 0;
    this.#nextId = Math.max(this.#maxId.get()?.id ?? 0, this.#state.get('folded')) + 1;
  }
}

export interface HourCursor {
  readonly hour: number;
  readonly batch: number;
}

export function fromRow(row: BatchRow): LoggedBatch {
  const { id, epoch, lane, first, last, received: receivedMs, merged, payload } = row;
  return { id, epoch, lane, first, last, receivedMs, payload, isMerged: merged === 1 };
}
