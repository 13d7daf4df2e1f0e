/**
 * Packed roll-ups: (level, series, start of an aligned span) → the rows of that span in columns, with a checksum. A bucket may have a row in
 * `rollups` too: what came after it was packed. Both merge to the bucket, whoever reads.
 */
import type { Database, Statement } from '@fogline/shared/sqlite';
import { blockSpanMs, bucketOf } from './levels.ts';
import { PackedRows, unpackRows } from './packed/packed-rows.ts';
import type { RollupRow, SpreadRow, SpreadsAsked } from './read.ts';
import { openSealed, seal } from './sealed.ts';

interface BlockRow {
  readonly start: number;
  readonly packed: Uint8Array;
}

export class RollupBlocks {
  readonly #next: Statement<{ start: number }>;
  readonly #get: Statement<BlockRow>;
  readonly #put: Statement<never>;
  readonly #delete: Statement<never>;
  readonly #from: Statement<{ series: number; start: number }>;
  readonly #drop: Statement<never>;
  readonly #newest: Statement<{ start: number }>;

  /** The block that was read last: whoever reads one reads it in several pages. */
  #last:
    | { readonly levelMs: number; readonly series: number; readonly blockMs: number; readonly rows: PackedRows }
    | undefined;

  constructor(db: Database) {
    this.#next = db.prepare(
      'SELECT start FROM rollup_blocks WHERE level = ? AND series = ? AND start >= ? AND start < ? ORDER BY start LIMIT 1',
    );
    this.#get = db.prepare('SELECT start, packed FROM rollup_blocks WHERE level = ? AND series = ? AND start = ?');
    this.#put = db.prepare('INSERT INTO rollup_blocks (level, series, start, rows, packed) VALUES (?, ?, ?, ?, ?)');
    this.#from = db.prepare(
      'SELECT series, start FROM rollup_blocks WHERE level = ? AND series >= ? ORDER BY series, start LIMIT 1',
    );
    this.#drop = db.prepare(
      `DELETE FROM rollup_blocks WHERE id IN
         (SELECT id FROM rollup_blocks WHERE level = ? AND series = ? AND start <= ? ORDER BY start LIMIT ?)`,
    );
    this.#newest = db.prepare(
      'SELECT start FROM rollup_blocks WHERE level = ? AND series = ? ORDER BY start DESC LIMIT 1',
    );
    this.#delete = db.prepare('DELETE FROM rollup_blocks WHERE level = ? AND series = ? AND start = ?');
  }

  /** Start of the first block with a bucket in the range, if it has one there at all. */
  firstIn(levelMs: number, series: number, fromMs: number, toMs: number): number | undefined {
    return this.#next.get(levelMs, series, bucketOf(fromMs, blockSpanMs(levelMs)), toMs)?.start;
  }

  /** Rows of one block with `fromMs ≤ start < toMs`; none where there is no block. Throws `storage_corrupt`. */
  rows(levelMs: number, series: number, blockMs: number, fromMs: number, toMs: number): RollupRow[] {
    return this.#block(levelMs, series, blockMs)?.rows(fromMs, toMs) ?? [];
  }

  /** What most questions need of the same rows. */
  spreads(
    levelMs: number,
    series: number,
    blockMs: number,
    asked: SpreadsAsked & { readonly fromMs: number; readonly toMs: number },
  ): SpreadRow[] {
    return this.#block(levelMs, series, blockMs)?.spreads(asked.fromMs, asked.toMs, asked) ?? [];
  }

  #block(levelMs: number, series: number, blockMs: number): PackedRows | undefined {
    const last = this.#last;
    if (last?.levelMs === levelMs && last.series === series && last.blockMs === blockMs) return last.rows;
    const block = this.#get.get(levelMs, series, blockMs);
    if (block === undefined) return undefined;
    const rows = new PackedRows(openSealed(block.packed, levelMs, series, blockMs), levelMs);
    this.#last = { levelMs, series, blockMs, rows };
    return rows;
  }

  /** The last row of the last block of a series. */
  lastRow(levelMs: number, series: number): RollupRow | undefined {
    const blockMs = this.#newest.get(levelMs, series)?.start;
    if (blockMs === undefined) return undefined;
    return this.rows(levelMs, series, blockMs, blockMs, blockMs + blockSpanMs(levelMs)).at(-1);
  }

  /** The first block of a level at or after a series. */
  blockFrom(levelMs: number, series: number): { readonly series: number; readonly start: number } | undefined {
    return this.#from.get(levelMs, series);
  }

  /** Removes the oldest blocks that begin up to `lastMs`, `limit` at most; true when no such is left. */
  drop(levelMs: number, series: number, lastMs: number, limit: number): boolean {
    this.reset();
    return this.#drop.run(levelMs, series, lastMs, limit).changes < limit;
  }

  /** What is in memory may not be what is stored. */
  reset(): void {
    this.#last = undefined;
  }

  /** Removes one block. */
  delete(levelMs: number, series: number, blockMs: number): void {
    this.reset();
    this.#delete.run(levelMs, series, blockMs);
  }

  put(levelMs: number, series: number, blockMs: number, rows: number, packed: Uint8Array): void {
    this.delete(levelMs, series, blockMs);
    this.#put.run(levelMs, series, blockMs, rows, seal(packed, levelMs, series, blockMs));
  }
}

/** Throws `storage_corrupt`, `codec_corrupt`, `codec_version`. */
export function rowsOfBlock(
  levelMs: number,
  series: number,
  block: BlockRow,
  fromMs: number,
  toMs: number,
): RollupRow[] {
  return unpackRows(openSealed(block.packed, levelMs, series, block.start), levelMs, fromMs, toMs);
}
