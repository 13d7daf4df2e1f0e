/**
 * Roll-ups: (level, series, start) → canonical partial, with a checksum. Exact merges make a fold independent of when it happens. Old rows
 * are packed into blocks (rollup-blocks.ts); what comes for a packed bucket is a row again, merged when it is read.
 */
import { isLess, mergeEncoded, Partial } from '@fogline/shared/aggregate/partial';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { blockSpanMs, levels, type RollupLevelMs } from './levels.ts';
import { packRows } from './packed/packed-rows.ts';
import type { RollupRow, SpreadRow, SpreadsAsked } from './read.ts';
import { RollupBlocks } from './rollup-blocks.ts';
import type { RollupTail } from './rollup-tail.ts';
import { openSealed, seal } from './sealed.ts';

/** What did not fit: its count or held time would pass 2^53. */
export interface RollupOverflow {
  readonly series: number;
  readonly levelMs: number;
  readonly startMs: number;
}

interface Row {
  readonly start: number;
  readonly partial: Uint8Array;
}

/** Before which time a level of a series is gone. */
export type HorizonOf = (levelMs: RollupLevelMs, series: number) => number;

/** All rows with `from ≤ start < endMs` of a page that began at `from`. */
export interface RollupPage {
  readonly rows: readonly RollupRow[];
  readonly endMs: number;
}

interface SpreadRange {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The same, of spreads. */
export interface SpreadPage {
  readonly rows: readonly SpreadRow[];
  readonly endMs: number;
}

/** Rows [fromMs, toMs) of one series and level, while somebody is about to replace them. */
interface Watch {
  readonly levelMs: number;
  readonly series: number;
  readonly fromMs: number;
  readonly toMs: number;
  isTouched: boolean;
}

const pageRows = 512;

export class RollupTable {
  readonly blocks: RollupBlocks;
  readonly #horizonOf: HorizonOf;
  #watch: Watch | undefined;
  readonly #get: Statement<Row>;
  readonly #put: Statement<never>;
  readonly #page: Statement<Row>;
  readonly #from: Statement<{ series: number; start: number }>;
  readonly #delete: Statement<never>;
  readonly #lastDay: Statement<Row>;

  constructor(db: Database, horizonOf: HorizonOf) {
    this.#horizonOf = horizonOf;
    this.blocks = new RollupBlocks(db);
    this.#get = db.prepare('SELECT start, partial FROM rollups WHERE level = ? AND series = ? AND start = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO rollups (level, series, start, partial) VALUES (?, ?, ?, ?)');
    this.#page = db.prepare(
      'SELECT start, partial FROM rollups WHERE level = ? AND series = ? AND start >= ? AND start < ? ORDER BY start LIMIT ?',
    );
    this.#from = db.prepare(
      'SELECT series, start FROM rollups WHERE level = ? AND (series, start) >= (?, ?) ORDER BY series, start LIMIT 1',
    );
    this.#lastDay = db.prepare(
      'SELECT start, partial FROM rollups WHERE level = ? AND series = ? ORDER BY start DESC LIMIT 1',
    );
    this.#delete = db.prepare('DELETE FROM rollups WHERE level = ? AND series = ? AND start >= ? AND start < ?');
  }

  /** Rows ascend from `fromMs`, below `toMs`; some hundreds. */
  page(levelMs: number, series: number, fromMs: number, toMs: number): RollupPage {
    const blockMs = this.blocks.firstIn(levelMs, series, fromMs, toMs);
    if (blockMs === undefined || blockMs > fromMs) {
      const endMs = blockMs ?? toMs;
      const rows = this.rows(levelMs, series, fromMs, endMs, pageRows);
      return { rows, endMs: rows.length < pageRows ? endMs : (rows.at(-1)?.startMs ?? endMs) + levelMs };
    }
    const endMs = Math.min(toMs, blockMs + blockSpanMs(levelMs), fromMs + pageRows * levelMs);
    const packed = this.blocks.rows(levelMs, series, blockMs, fromMs, endMs);
    const later = this.rows(levelMs, series, fromMs, endMs, pageRows + 1);
    return { rows: mergeRows(packed, later, series), endMs };
  }

  /** What one block alone holds from `fromMs` on; undefined where there is none, or rows beside it. */
  packedPage(levelMs: number, series: number, asked: SpreadsAsked & SpreadRange): SpreadPage | undefined {
    const { fromMs, toMs } = asked;
    const blockMs = this.blocks.firstIn(levelMs, series, fromMs, toMs);
    if (blockMs === undefined || blockMs > fromMs) return undefined;
    const endMs = Math.min(toMs, blockMs + blockSpanMs(levelMs));
    if (this.#page.get(levelMs, series, fromMs, endMs, 1) !== undefined) return undefined;
    return { rows: this.blocks.spreads(levelMs, series, blockMs, { ...asked, toMs: endMs }), endMs };
  }

  /** Rows that are in no block; ascending from `fromMs`, below `toMs`, at most `limit`. */
  rows(levelMs: number, series: number, fromMs: number, toMs: number, limit: number): RollupRow[] {
    return this.#page
      .all(levelMs, series, fromMs, toMs, limit)
      .map((row) => ({ startMs: row.start, partial: openSealed(row.partial, levelMs, series, row.start) }));
  }

  /** The first row of a level at or after (series, start). */
  rowFrom(
    levelMs: number,
    series: number,
    startMs: number,
  ): { readonly series: number; readonly start: number } | undefined {
    return this.#from.get(levelMs, series, startMs);
  }

  /** Notes from now on whether anything is written to these rows. One range at a time. */
  watch(levelMs: number, series: number, fromMs: number, toMs: number): { readonly isTouched: boolean } {
    this.#watch = { levelMs, series, fromMs, toMs, isTouched: false };
    return this.#watch;
  }

  /** The last reading of a series that its days tell of. */
  lastReading(series: number): { readonly timeMs: number; readonly value: number } | undefined {
    const row = this.#lastDay.get(levels[3], series);
    const packed = this.blocks.lastRow(levels[3], series);
    const rows = packed === undefined ? [] : [packed];
    if (row !== undefined)
      rows.push({ startMs: row.start, partial: openSealed(row.partial, levels[3], series, row.start) });
    let last: { readonly timeMs: number; readonly value: number } | undefined;
    for (const { partial } of rows) {
      const { lastTime: timeMs, lastValue: value } = Partial.decode(partial);
      const isLater =
        last === undefined || timeMs > last.timeMs || (timeMs === last.timeMs && isLess(last.value, value));
      if (isLater) last = { timeMs, value };
    }
    return last;
  }

  /** Removes all rows with `fromMs ≤ start < toMs`, from blocks too; blocks that lie within are not even read. */
  takeOut(levelMs: number, series: number, fromMs: number, toMs: number): void {
    const spanMs = blockSpanMs(levelMs);
    let blockMs: number | undefined;
    for (
      let at = fromMs;
      (blockMs = this.blocks.firstIn(levelMs, series, at, toMs)) !== undefined;
      at = blockMs + spanMs
    ) {
      if (blockMs >= fromMs && blockMs + spanMs <= toMs) {
        this.blocks.delete(levelMs, series, blockMs);
        continue;
      }
      const all = this.blocks.rows(levelMs, series, blockMs, blockMs, blockMs + spanMs);
      const kept = all.filter(({ startMs }) => startMs < fromMs || startMs >= toMs);
      if (kept.length === all.length) continue;
      this.blocks.delete(levelMs, series, blockMs);
      if (kept.length > 0) this.blocks.put(levelMs, series, blockMs, kept.length, packRows(kept, levelMs));
    }
    this.#delete.run(levelMs, series, fromMs, toMs);
    // Whoever packs this span has read what is gone.
    if (this.#watch !== undefined) this.#watch.isTouched = true;
  }

  /** Removes the oldest rows below `endMs`, `limit` at most; true when no such is left. */
  dropRows(levelMs: number, series: number, endMs: number, limit: number): boolean {
    const last = this.#page.all(levelMs, series, Number.MIN_SAFE_INTEGER, endMs, limit).at(-1)?.start;
    if (last === undefined) return true;
    return this.#delete.run(levelMs, series, Number.MIN_SAFE_INTEGER, last + 1).changes < limit;
  }

  /** Replaces all rows of the span that begins at `blockMs`, and its block, by this block. */
  replace(levelMs: number, series: number, blockMs: number, rows: number, packed: Uint8Array): void {
    this.#delete.run(levelMs, series, blockMs, blockMs + blockSpanMs(levelMs));
    this.blocks.put(levelMs, series, blockMs, rows, packed);
  }

  /** Merges what one series has in the tail into its rows. */
  fold(tail: RollupTail, series: number): RollupOverflow[] {
    const overflows: RollupOverflow[] = [];
    const overflow = (level: number, startMs: number): void =>
      void overflows.push({ series, levelMs: levels[level] as number, startMs });
    tail.visit(series, {
      overflow,
      bucket: (level, startMs, partial) => {
        const levelMs = levels[level] as RollupLevelMs;
        // What came for a bucket that is gone would stand there as if it were all of it.
        if (startMs < this.#horizonOf(levelMs, series)) return;
        const isMerged = this.mergeRow(levelMs, series, { startMs, partial: partial.encode() });
        if (!isMerged) overflow(level, startMs);
      },
    });
    return overflows;
  }

  /** False, and nothing changes, when the sum has no canonical form. */
  mergeRow(levelMs: number, series: number, { startMs, partial }: RollupRow): boolean {
    const stored = this.#get.get(levelMs, series, startMs)?.partial;
    const merged =
      stored === undefined
        ? partial
        : mergedBytes(openSealed(stored, levelMs, series, startMs), partial, series, startMs);
    if (merged === undefined) return false;
    this.#put.run(levelMs, series, startMs, seal(merged, levelMs, series, startMs));
    this.#touch(levelMs, series, startMs);
    return true;
  }

  #touch(levelMs: number, series: number, startMs: number): void {
    const watch = this.#watch;
    if (watch?.series !== series || watch.levelMs !== levelMs) return;
    if (startMs >= watch.fromMs && startMs < watch.toMs) watch.isTouched = true;
  }
}

/** Two ascending lists of one series → one; what does not fit together leaves the later out, as a fold does. */
export function mergeRows(
  rows: readonly RollupRow[],
  later: readonly RollupRow[],
  series: number,
): readonly RollupRow[] {
  if (later.length === 0) return rows;
  const merged = new Map(rows.map((row) => [row.startMs, row.partial]));
  for (const { startMs, partial } of later) {
    const known = merged.get(startMs);
    merged.set(startMs, known === undefined ? partial : (mergedBytes(known, partial, series, startMs) ?? known));
  }
  return [...merged].map(([startMs, partial]) => ({ startMs, partial })).sort((a, b) => a.startMs - b.startMs);
}

/** Stored bytes and a contribution, merged; undefined when the sum has no canonical form. Throws `storage_corrupt`. */
function mergedBytes(stored: Uint8Array, fresh: Uint8Array, series: number, startMs: number): Uint8Array | undefined {
  try {
    return mergeEncoded(stored, fresh);
  } catch (error) {
    if (hasCode(error, 'limit_exceeded')) return undefined;
    const text = `roll-up of series ${series} at ${startMs} is damaged: ${messageOf(error)}`;
    throw new FoglineError('storage_corrupt', text, { cause: error });
  }
}
