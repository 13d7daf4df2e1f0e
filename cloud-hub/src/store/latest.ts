/**
 * The latest value of a series, decided by (time, then value order, then flags) alone, so that arrival order cannot change it. Of
 * windows it is the latest start with everything merged that came for it.
 */
import { isLess, Partial } from '@fogline/shared/aggregate/partial';
import { flagText, type ReadingColumns } from '@fogline/shared/reading';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { isMerged } from './merge.ts';
import type { LatestValue } from './read.ts';

const kindNumber = 0;
const kindText = 1;
const kindWindow = 2;

interface LatestRow {
  readonly series: number;
  readonly time: number;
  readonly kind: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

/** The later of two values of one series; windows of one start are merged. */
export function laterOf(a: LatestValue, b: LatestValue): LatestValue {
  if (a.timeMs !== b.timeMs) return a.timeMs > b.timeMs ? a : b;
  if (a.kind === 'window' && b.kind === 'window') {
    const merged = Partial.decode(a.partial);
    return isMerged(merged, Partial.decode(b.partial)) ? { ...a, partial: merged.encode() } : a;
  }
  return isAfter(b, a) ? b : a;
}

function isAfter(left: LatestValue, right: LatestValue): boolean {
  if (left.kind === 'number' && right.kind === 'number') {
    return Object.is(left.value, right.value) ? left.flags > right.flags : isLess(right.value, left.value);
  }
  if (left.kind === 'text' && right.kind === 'text') {
    return left.value === right.value ? left.flags > right.flags : left.value > right.value;
  }
  return left.kind !== 'number' && right.kind === 'number';
}

/** The latest of rows [from, to), which are of one series. */
export function latestOfRun(columns: ReadingColumns, from: number, to: number, series: number): LatestValue {
  const { time } = columns;
  let best = from;
  let bestTime = time[from] as number;
  let isTied = false;
  for (let row = from + 1; row < to; row++) {
    const t = time[row] as number;
    if (t < bestTime) continue;
    isTied = t === bestTime;
    best = row;
    bestTime = t;
  }
  let latest = valueAt(columns, best, series);
  if (!isTied) return latest;
  for (let row = from; row < to; row++) {
    if (row !== best && time[row] === bestTime) latest = laterOf(latest, valueAt(columns, row, series));
  }
  return latest;
}

function valueAt(columns: ReadingColumns, row: number, series: number): LatestValue {
  const flags = columns.flags[row] as number;
  const value = columns.value[row] as number;
  const timeMs = columns.time[row] as number;
  if ((flags & flagText) === 0) return { series, timeMs, kind: 'number', value, flags };
  return { series, timeMs, kind: 'text', value: columns.strings[value] ?? '', flags };
}

export class LatestTable {
  readonly #get: Statement<LatestRow>;
  readonly #within: Statement<LatestRow>;
  readonly #put: Statement<never>;
  readonly #delete: Statement<never>;

  constructor(db: Database) {
    this.#get = db.prepare('SELECT series, time, kind, flags, value FROM latest WHERE series = ?');
    this.#within = db.prepare('SELECT series, time, kind, flags, value FROM latest WHERE series >= ? AND series <= ?');
    this.#delete = db.prepare('DELETE FROM latest WHERE series = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO latest (series, time, kind, flags, value) VALUES (?, ?, ?, ?, ?)');
  }

  get(series: number): LatestValue | undefined {
    const row = this.#get.get(series);
    return row === undefined ? undefined : fromRow(row);
  }

  /** By series. Where most of a range of ids are wanted the range is read at once, which costs a third. */
  many(series: readonly number[]): Map<number, LatestValue> {
    const first = series.reduce((least, id) => Math.min(least, id), Number.POSITIVE_INFINITY);
    const last = series.reduce((greatest, id) => Math.max(greatest, id), 0);
    const rows =
      last - first < series.length * 2
        ? this.#within.all(first, last)
        : series.map((id) => this.#get.get(id)).filter((row) => row !== undefined);
    return new Map(rows.map((row) => [row.series, fromRow(row)]));
  }

  /** Where the latest lies in a range that was deleted: what is left is the latest, as far as roll-ups tell it. */
  forget(series: number, fromMs: number, toMs: number, left: { timeMs: number; value: number } | undefined): void {
    const stored = this.get(series);
    if (stored === undefined || stored.timeMs < fromMs || stored.timeMs >= toMs) return;
    this.#delete.run(series);
    if (stored.kind === 'number' && left !== undefined) this.fold({ series, kind: 'number', flags: 0, ...left });
  }

  fold(fresh: LatestValue): void {
    const stored = this.get(fresh.series);
    const latest = stored === undefined ? fresh : laterOf(stored, fresh);
    if (latest === stored) return;
    const { kind, flags, value } = toRow(latest);
    this.#put.run(latest.series, latest.timeMs, kind, flags, value);
  }
}

function toRow(latest: LatestValue): { kind: number; flags: number; value: Uint8Array } {
  switch (latest.kind) {
    case 'number': {
      const value = Buffer.alloc(8);
      value.writeDoubleLE(latest.value);
      return { kind: kindNumber, flags: latest.flags, value };
    }
    case 'text':
      return { kind: kindText, flags: latest.flags, value: Buffer.from(latest.value, 'utf8') };
    case 'window':
      return { kind: kindWindow, flags: 0, value: latest.partial };
  }
}

function fromRow(row: LatestRow): LatestValue {
  const { series, time: timeMs, flags } = row;
  const value = Buffer.from(row.value.buffer, row.value.byteOffset, row.value.byteLength);
  switch (row.kind) {
    case kindNumber:
      return { series, timeMs, kind: 'number', value: value.readDoubleLE(), flags };
    case kindText:
      return { series, timeMs, kind: 'text', value: value.toString('utf8'), flags };
    default:
      return { series, timeMs, kind: 'window', partial: row.value };
  }
}
