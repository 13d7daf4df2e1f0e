/**
 * What could not be applied, kept with its bytes for whoever investigates. Every quarantined message is counted for ever; the payloads
 * are bounded: beyond `quarantineLimits` the oldest leave, except batches that wait for series definitions, which are owed.
 */
import { createHash } from 'node:crypto';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { DroppedRanges } from './dropped-ranges.ts';

export const quarantineReasons = [
  'corrupt',
  'foreign',
  'unknown_epoch',
  'unknown_series',
  'conflict',
  'overlap',
  'limit',
  'internal',
] as const;
/**
 * `corrupt`: does not decode. `foreign`: names another agent than the one that sent it. `unknown_epoch`: no hello named the epoch.
 * `unknown_series`: waits for definitions. `conflict`: contradicts what is held. `overlap`: part of its range is held, cut otherwise.
 * `limit`: would exceed a named limit. `internal`: the hub failed on it; the detail says how.
 */
export type QuarantineReason = (typeof quarantineReasons)[number];

const quarantineLimits = {
  rowsMax: 10_000,
  bytesMax: 256 * 1024 * 1024,
  /** Of batches that wait for definitions. */
  waitingBytesMax: 64 * 1024 * 1024,
  detailCharactersMax: 500,
} as const;

export interface HeldRange {
  /** Row id of the epoch. */
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
}

export interface Quarantined {
  readonly agent: number;
  readonly kind: string;
  readonly reason: QuarantineReason;
  readonly detail: string;
  readonly payload: Uint8Array;
  /** Set when the range counts as held because of this row. */
  readonly held?: HeldRange;
  /** A local series id it waits for. */
  readonly missing?: number;
}

export interface HeldRow {
  readonly id: number;
  readonly reason: QuarantineReason;
  readonly payload: Uint8Array;
}

/** One message with all that is known of it. */
export interface QuarantinedMessage {
  /** Row id. */
  readonly agent: number;
  readonly kind: string;
  readonly reason: QuarantineReason;
  readonly payload: Uint8Array;
  readonly receivedMs: number;
  readonly held?: HeldRange;
}

interface MessageSql {
  readonly agent: number;
  readonly kind: string;
  readonly reason: QuarantineReason;
  readonly payload: Uint8Array;
  readonly received: number;
  readonly epoch: number | null;
  readonly lane: Lane | null;
  readonly first: number | null;
  readonly last: number | null;
  readonly is_held: number;
}

export interface WaitingRow {
  readonly id: number;
  readonly epoch: number;
  readonly missing: number;
}

const digest = (payload: Uint8Array): Uint8Array => createHash('sha256').update(payload).digest().subarray(0, 16);

export class QuarantineTable {
  #rows = 0;
  #bytes = 0;
  #waitingBytes = 0;
  readonly #dropped: DroppedRanges;
  readonly #insert: Statement<never>;
  readonly #repeat: Statement<{ id: number }>;
  readonly #count: Statement<never>;
  readonly #held: Statement<HeldRow>;
  readonly #within: Statement<{ id: number }>;
  readonly #waiting: Statement<WaitingRow>;
  readonly #find: Statement<{ reason: QuarantineReason; detail: string }>;
  readonly #message: Statement<MessageSql>;
  readonly #setMissing: Statement<never>;
  readonly #size: Statement<{ reason: QuarantineReason; bytes: number }>;
  readonly #delete: Statement<never>;
  readonly #oldest: Statement<{ id: number }>;
  readonly #totals: Statement<{ rows: number; bytes: number | null; waiting: number | null }>;

  constructor(db: Database, dropped: DroppedRanges) {
    this.#dropped = dropped;
    this.#insert = db.prepare(
      `INSERT INTO quarantine (agent, kind, reason, hash, epoch, lane, first, last, is_held, missing, detail, received, times, payload)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)`,
    );
    this.#repeat = db.prepare(
      'UPDATE quarantine SET times = times + 1 WHERE agent = ? AND hash = ? AND reason = ? RETURNING id',
    );
    this.#count = db.prepare(
      `INSERT INTO quarantine_counts (agent, reason, count) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1`,
    );
    this.#held = db.prepare(
      'SELECT id, reason, payload FROM quarantine WHERE is_held = 1 AND epoch = ? AND lane = ? AND first = ? AND last = ?',
    );
    this.#within = db.prepare(
      'SELECT id FROM quarantine WHERE is_held = 1 AND epoch = ? AND lane = ? AND first <= ? AND last >= ? LIMIT 1',
    );
    this.#waiting = db.prepare(
      "SELECT id, epoch, missing FROM quarantine WHERE agent = ? AND reason = 'unknown_series' AND is_held = 1 ORDER BY id",
    );
    this.#find = db.prepare(
      'SELECT reason, detail FROM quarantine WHERE agent = ? AND hash = ? ORDER BY id DESC LIMIT 1',
    );
    this.#message = db.prepare(
      'SELECT agent, kind, reason, payload, received, epoch, lane, first, last, is_held FROM quarantine WHERE id = ?',
    );
    this.#setMissing = db.prepare('UPDATE quarantine SET missing = ? WHERE id = ?');
    this.#size = db.prepare('SELECT reason, length(payload) AS bytes FROM quarantine WHERE id = ?');
    this.#delete = db.prepare('DELETE FROM quarantine WHERE id = ?');
    this.#oldest = db.prepare("SELECT id FROM quarantine WHERE reason <> 'unknown_series' ORDER BY id LIMIT 1");
    this.#totals = db.prepare(
      `SELECT count(*) AS rows, sum(length(payload)) AS bytes,
         sum(CASE WHEN reason = 'unknown_series' THEN length(payload) ELSE 0 END) AS waiting FROM quarantine`,
    );
  }

  get bytes(): number {
    return this.#bytes;
  }

  canWait(bytes: number): boolean {
    return this.#waitingBytes + bytes <= quarantineLimits.waitingBytesMax;
  }

  add(entry: Quarantined, nowMs: number): void {
    const { agent, reason, payload, held } = entry;
    this.#count.run(agent, reason);
    const hash = digest(payload);
    if (this.#repeat.get(agent, hash, reason) !== undefined) return;
    this.#insert.run(
      agent,
      entry.kind,
      reason,
      hash,
      held?.epoch ?? null,
      held?.lane ?? null,
      held?.first ?? null,
      held?.last ?? null,
      held === undefined ? 0 : 1,
      entry.missing ?? null,
      entry.detail.slice(0, quarantineLimits.detailCharactersMax),
      nowMs,
      payload,
    );
    this.#rows++;
    this.#bytes += payload.byteLength;
    if (reason === 'unknown_series') this.#waitingBytes += payload.byteLength;
    this.#trim();
  }

  /** The row because of which exactly this range counts as held. */
  findHeld(range: HeldRange): HeldRow | undefined {
    return this.#held.get(range.epoch, range.lane, range.first, range.last);
  }

  /** Whether any of a range counts as held because of a row. */
  isWaitingIn({ epoch, lane, first, last }: HeldRange): boolean {
    return this.#within.get(epoch, lane, last, first) !== undefined;
  }

  /** Batches of an agent that wait for definitions, in order of arrival. */
  waiting(agent: number): WaitingRow[] {
    return this.#waiting.all(agent);
  }

  setMissing(id: number, missing: number): void {
    this.#setMissing.run(missing, id);
  }

  /** The newest of the same bytes. */
  find(agent: number, payload: Uint8Array): { readonly reason: QuarantineReason; readonly detail: string } | undefined {
    return this.#find.get(agent, digest(payload));
  }

  message(id: number): QuarantinedMessage | undefined {
    const row = this.#message.get(id);
    if (row === undefined) return undefined;
    const { agent, kind, reason, payload, received: receivedMs, epoch, lane, first, last } = row;
    const isHeld = row.is_held === 1 && epoch !== null && lane !== null && first !== null && last !== null;
    return { agent, kind, reason, payload, receivedMs, ...(isHeld ? { held: { epoch, lane, first, last } } : {}) };
  }

  /** Removes it without anything in its place: a range that it holds stays held. */
  forget(id: number): void {
    const held = this.message(id)?.held;
    if (held !== undefined) this.#dropped.add(held.epoch, held.lane, [[held.first, held.last]]);
    this.remove(id);
  }

  remove(id: number): void {
    const row = this.#size.get(id);
    if (row === undefined) return;
    this.#delete.run(id);
    this.#rows--;
    this.#bytes -= row.bytes;
    if (row.reason === 'unknown_series') this.#waitingBytes -= row.bytes;
  }

  reset(): void {
    const totals = this.#totals.get();
    this.#rows = totals?.rows ?? 0;
    this.#bytes = totals?.bytes ?? 0;
    this.#waitingBytes = totals?.waiting ?? 0;
  }

  #trim(): void {
    while (this.#rows > quarantineLimits.rowsMax || this.#bytes > quarantineLimits.bytesMax) {
      const oldest = this.#oldest.get();
      if (oldest === undefined) return;
      this.forget(oldest.id);
    }
  }
}
