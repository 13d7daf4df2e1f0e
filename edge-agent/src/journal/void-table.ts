/**
 * What was given up and how far the hub knows of it: the table of declared losses. Ids only grow, so a cursor over what is unacked
 * sees everything that is added behind it; a void that covers more than before is a new one.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { VoidReason, VoidStat } from '@fogline/shared/protocol/messages';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { StoredRange, StoredVoid } from './stored.ts';

export interface VoidRow {
  readonly id: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly reason: VoidReason;
  readonly stats: string;
  readonly stats_omitted: number;
  readonly hours: string;
  readonly acked: number;
}

type Range = Pick<StoredRange, 'first' | 'last'>;

/** Reaches into a range. */
const reaches = 'epoch = ? AND lane = ? AND first <= ? AND last >= ?';

export class VoidTable {
  readonly #insert: Statement<never>;
  readonly #delete: Statement<never>;
  readonly #growing: Statement<VoidRow>;
  readonly #markSent: Statement<never>;
  readonly #setAcked: Statement<never>;
  readonly #ackWithin: Statement<never>;
  readonly #rewind: Statement<never>;
  readonly #unacked: Statement<VoidRow>;
  readonly #ranges: Statement<Range>;
  readonly #reaching: Statement<VoidRow>;
  readonly #bytes: Statement<{ bytes: number }>;
  readonly #ids: Statement<{ id: number }>;
  readonly #read: Statement<VoidRow>;
  readonly #setStats: Statement<never>;

  constructor(db: Database) {
    this.#insert = db.prepare(
      'INSERT INTO voids (epoch, lane, first, last, reason, stats, stats_omitted, hours, sent, acked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)',
    );
    this.#delete = db.prepare('DELETE FROM voids WHERE id = ?');
    this.#growing = db.prepare(
      'SELECT * FROM voids WHERE epoch = ? AND lane = ? AND last = ? AND reason = ? AND sent = 0',
    );
    this.#markSent = db.prepare('UPDATE voids SET sent = 1 WHERE id = ?');
    this.#setAcked = db.prepare('UPDATE voids SET acked = ? WHERE id = ?');
    this.#ackWithin = db.prepare(
      'UPDATE voids SET acked = 1 WHERE acked = 0 AND epoch = ? AND lane = ? AND first >= ? AND last <= ?',
    );
    this.#rewind = db.prepare(`UPDATE voids SET acked = 0 WHERE acked = 1 AND ${reaches}`);
    this.#unacked = db.prepare('SELECT * FROM voids WHERE acked = 0 AND id > ? ORDER BY id LIMIT ?');
    this.#ranges = db.prepare(`SELECT first, last FROM voids WHERE ${reaches} ORDER BY first`);
    this.#reaching = db.prepare(`SELECT * FROM voids WHERE ${reaches} ORDER BY first`);
    this.#bytes = db.prepare('SELECT coalesce(sum(length(stats) + length(hours)), 0) AS bytes FROM voids');
    this.#ids = db.prepare('SELECT id FROM voids ORDER BY epoch, lane, first');
    this.#read = db.prepare('SELECT * FROM voids WHERE id = ?');
    this.#setStats = db.prepare('UPDATE voids SET stats = ?, stats_omitted = ? WHERE id = ?');
  }

  /** Unsent and unacked; returns its id. */
  insert(value: Omit<StoredVoid, 'id'>): number {
    const { epochId, lane, first, last, reason, stats, statsOmitted, hours } = value;
    return this.#insert.run(
      epochId,
      lane,
      first,
      last,
      reason,
      JSON.stringify(stats),
      statsOmitted,
      JSON.stringify(hours),
    ).lastInsertRowid;
  }

  delete(id: number): void {
    this.#delete.run(id);
  }

  /** The unsent void of this reason that ends right before `first`, to grow it instead of adding another. */
  growingBefore(epochId: number, lane: Lane, first: number, reason: VoidReason): StoredVoid | undefined {
    const row = this.#growing.get(epochId, lane, first - 1, reason);
    return row === undefined ? undefined : fromRow(row);
  }

  /** It may be on its way from now on, and does not grow. */
  markSent(id: number): void {
    this.#markSent.run(id);
  }

  setAcked(id: number, isAcked: boolean): void {
    this.#setAcked.run(isAcked ? 1 : 0, id);
  }

  /** The hub holds every void that lies within the range. */
  ackWithin({ epochId, lane, first, last }: StoredRange): void {
    this.#ackWithin.run(epochId, lane, first, last);
  }

  /** The hub lacks something of every void that reaches into the range. */
  rewind({ epochId, lane, first, last }: StoredRange): void {
    this.#rewind.run(epochId, lane, last, first);
  }

  unacked(afterId: number, limit: number): StoredVoid[] {
    return this.#unacked.all(afterId, limit).map(fromRow);
  }

  /** The ranges of the voids that reach into the range, in order. */
  rangesIn({ epochId, lane, first, last }: StoredRange): Range[] {
    return this.#ranges.all(epochId, lane, last, first);
  }

  /** The voids that reach into the range, in order. */
  in({ epochId, lane, first, last }: StoredRange): StoredVoid[] {
    return this.#reaching.all(epochId, lane, last, first).map(fromRow);
  }

  /** What the accounts of all voids take. */
  bytes(): number {
    return this.#bytes.get()?.bytes ?? 0;
  }

  /** Of all voids, neighbours next to each other. */
  ids(): number[] {
    return this.#ids.all().map(({ id }) => id);
  }

  read(id: number): { value: StoredVoid; isAcked: boolean } | undefined {
    const row = this.#read.get(id);
    return row === undefined ? undefined : { value: fromRow(row), isAcked: row.acked === 1 };
  }

  /** Gives up what a void tells per series; range, items and hours stay. */
  dropStats({ id, first, last }: StoredVoid): void {
    this.#setStats.run('[]', last - first + 1, id);
  }
}

function fromRow({ id, epoch, lane, first, last, reason, stats, stats_omitted, hours }: VoidRow): StoredVoid {
  return {
    id,
    epochId: epoch,
    lane,
    first,
    last,
    reason,
    stats: JSON.parse(stats) as VoidStat[],
    statsOmitted: stats_omitted,
    hours: JSON.parse(hours) as [number, number][],
  };
}
