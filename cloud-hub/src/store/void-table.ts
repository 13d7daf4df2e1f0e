/**
 * Declared losses. A void keeps the exact pieces of its range that are really void: what arrives after all is cut out of it, with its
 * share of the account and of the per-series gaps. Items per hour always add up to the pieces.
 */

import type { Lane } from '@fogline/shared/protocol/limits';
import type { VoidMessage, VoidReason } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database, Statement, Value } from '@fogline/shared/sqlite';
import type { Hours } from './batch-content.ts';
import { type LedgerTable, unknownHour } from './ledger-table.ts';

export interface VoidState {
  readonly id: number;
  readonly agent: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly pieces: SeqRanges;
  readonly reason: VoidReason;
  readonly hours: Hours;
}

interface VoidRow {
  readonly id: number;
  readonly agent: number;
  readonly epoch: number;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  readonly pieces: string;
  readonly reason: VoidReason;
  readonly hours: string;
}

interface GapRow {
  readonly hour: number;
  readonly local: number;
  readonly count: number;
}

/** Items per series (local id) and event hour. */
export type SeriesHours = ReadonlyMap<number, Hours>;

export class VoidTable {
  readonly #ledger: LedgerTable;
  readonly #find: Statement<VoidRow>;
  readonly #insert: Statement<never>;
  readonly #update: Statement<never>;
  readonly #delete: Statement<never>;
  readonly #insertGap: Statement<never>;
  readonly #gaps: Statement<GapRow>;
  readonly #reduceGap: Statement<never>;
  readonly #deleteGap: Statement<never>;
  readonly #deleteGaps: Statement<never>;

  constructor(db: Database, ledger: LedgerTable) {
    this.#ledger = ledger;
    this.#find = db.prepare(
      'SELECT * FROM voids WHERE epoch = ? AND lane = ? AND last >= ? AND first <= ? ORDER BY first, id',
    );
    this.#insert = db.prepare(
      `INSERT INTO voids (agent, epoch, lane, first, last, pieces, reason, hours, stats_omitted, received)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = db.prepare('UPDATE voids SET pieces = ?, hours = ? WHERE id = ?');
    this.#delete = db.prepare('DELETE FROM voids WHERE id = ?');
    this.#insertGap = db.prepare(
      `INSERT INTO gaps (agent, hour, void, epoch, local, count, min, max, mean) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
       ON CONFLICT DO NOTHING`,
    );
    this.#gaps = db.prepare('SELECT hour, local, count FROM gaps WHERE void = ?');
    this.#reduceGap = db.prepare('UPDATE gaps SET count = ? WHERE agent = ? AND hour = ? AND void = ? AND local = ?');
    this.#deleteGap = db.prepare('DELETE FROM gaps WHERE agent = ? AND hour = ? AND void = ? AND local = ?');
    this.#deleteGaps = db.prepare('DELETE FROM gaps WHERE void = ?');
  }

  /** Voids of which a piece lies in [first, last]. */
  overlapping(epoch: number, lane: Lane, first: number, last: number): VoidState[] {
    return this.#find
      .all(epoch, lane, first, last)
      .map(fromRow)
      .filter((found) => found.pieces.classify(first, last) !== 'new');
  }

  /** `pieces` and `hours` may be less than the message's where data of its range is held. */
  insert(agent: number, epoch: number, message: VoidMessage, pieces: SeqRanges, hours: Hours, nowMs: number): void {
    const { lane, first, last, reason, stats, statsOmitted } = message;
    const { lastInsertRowid: id } = this.#insert.run(
      agent,
      epoch,
      lane,
      first,
      last,
      packPieces(pieces),
      reason,
      packHours(hours),
      statsOmitted,
      nowMs,
    );
    this.#ledger.add(agent, lane, reason, hours, 1);
    for (const { hour, series, count, min, max, mean } of stats) {
      this.#insertGap.run(agent, hour, id, epoch, series, count, float(min), float(max), float(mean));
    }
  }

  /** Takes a void back altogether. */
  withdraw(state: VoidState): void {
    this.#ledger.add(state.agent, state.lane, state.reason, state.hours, -1);
    this.#deleteGaps.run(state.id);
    this.#delete.run(state.id);
  }

  /**
   * Data of [first, last] arrived after all. `arrived` (items per hour) and `perSeries` are what of it is still to be taken out of
   * voids; both are reduced by what this one had.
   */
  cut(state: VoidState, first: number, last: number, arrived: Hours, perSeries: SeriesHours): void {
    const kept = without(state.pieces, first, last);
    if (kept.size === 0) {
      subtract(arrived, state.hours);
      return this.withdraw(state);
    }
    const before = state.hours;
    const after: Hours = new Map(before);
    let cut = state.pieces.size - kept.size;
    for (const [hour, items] of before) {
      const taken = Math.min(items, arrived.get(hour) ?? 0, cut);
      if (taken === 0) continue;
      take(after, hour, taken);
      cut -= taken;
    }
    balance(after, kept.size);
    this.#ledger.add(state.agent, state.lane, state.reason, before, -1);
    this.#ledger.add(state.agent, state.lane, state.reason, after, 1);
    for (const [hour, items] of before) take(arrived, hour, items - (after.get(hour) ?? 0));
    this.#update.run(packPieces(kept), packHours(after), state.id);
    for (const { hour, local, count } of this.#gaps.all(state.id)) {
      const taken = Math.min(count, perSeries.get(local)?.get(hour) ?? 0);
      if (taken === 0) continue;
      const hours = perSeries.get(local);
      if (hours !== undefined) take(hours, hour, taken);
      const key: Value[] = [state.agent, hour, state.id, local];
      if (taken === count) this.#deleteGap.run(...key);
      else this.#reduceGap.run(count - taken, ...key);
    }
  }
}

/** The ranges without [first, last]. */
function without(ranges: SeqRanges, first: number, last: number): SeqRanges {
  const kept = SeqRanges.empty();
  for (const [from, to] of pairsOf(ranges)) {
    if (from < first) kept.add(from, Math.min(to, first - 1));
    if (to > last) kept.add(Math.max(from, last + 1), to);
  }
  return kept;
}

/** How many numbers of [first, last] the ranges hold. */
export function sizeWithin(ranges: SeqRanges, first: number, last: number): number {
  let size = 0;
  for (const [from, to] of pairsOf(ranges)) size += Math.max(0, Math.min(to, last) - Math.max(from, first) + 1);
  return size;
}

/** The ranges as [first, last] pairs, ascending. */
export function pairsOf(ranges: SeqRanges): [number, number][] {
  const flat = ranges.watermark > 0 ? [1, ranges.watermark, ...ranges.beyond] : ranges.beyond;
  const pairs: [number, number][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] ?? 0, flat[i + 1] ?? 0]);
  return pairs;
}

/** Takes `other` off, as far as there is any. */
export function subtract(hours: Hours, other: Hours): void {
  for (const [hour, items] of other) take(hours, hour, items);
}

function take(hours: Hours, hour: number, items: number): void {
  const left = (hours.get(hour) ?? 0) - items;
  if (left > 0) hours.set(hour, left);
  else hours.delete(hour);
}

/** Makes the hours add up to `items`: what is missing goes to the unknown hour, what is too much leaves it first, then the latest hours. */
export function balance(hours: Hours, items: number): void {
  let sum = 0;
  for (const count of hours.values()) sum += count;
  if (sum < items) hours.set(unknownHour, (hours.get(unknownHour) ?? 0) + items - sum);
  const order = [unknownHour, ...[...hours.keys()].filter((hour) => hour !== unknownHour).sort((a, b) => b - a)];
  for (const hour of order) {
    if (sum <= items) break;
    const taken = Math.min(sum - items, hours.get(hour) ?? 0);
    take(hours, hour, taken);
    sum -= taken;
  }
}

function fromRow(row: VoidRow): VoidState {
  const { id, agent, epoch, lane, first, last, reason } = row;
  const flat = JSON.parse(row.pieces) as number[];
  const pieces = SeqRanges.empty();
  for (let i = 0; i < flat.length; i += 2) pieces.add(flat[i] ?? 0, flat[i + 1] ?? 0);
  return {
    id,
    agent,
    epoch,
    lane,
    first,
    last,
    reason,
    pieces,
    hours: new Map(JSON.parse(row.hours) as [number, number][]),
  };
}

function packPieces(pieces: SeqRanges): string {
  return JSON.stringify(pairsOf(pieces).flat());
}

function packHours(hours: Hours): string {
  return JSON.stringify([...hours]);
}

function float(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
