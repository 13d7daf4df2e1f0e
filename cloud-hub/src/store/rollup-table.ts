/** Roll-ups: (level, series, start) → canonical partial, with a checksum. Exact merges make a fold independent of when it happens. */
import { mergeEncoded, type Partial } from '@fogline/shared/aggregate/partial';
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { levels } from './levels.ts';
import type { RollupRow } from './read.ts';
import type { RollupTail } from './rollup-tail.ts';

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

export class RollupTable {
  readonly #get: Statement<Row>;
  readonly #put: Statement<never>;
  readonly #page: Statement<Row>;

  constructor(db: Database) {
    this.#get = db.prepare('SELECT start, partial FROM rollups WHERE level = ? AND series = ? AND start = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO rollups (level, series, start, partial) VALUES (?, ?, ?, ?)');
    this.#page = db.prepare(
      'SELECT start, partial FROM rollups WHERE level = ? AND series = ? AND start >= ? AND start < ? ORDER BY start LIMIT ?',
    );
  }

  get(levelMs: number, series: number, start: number): Uint8Array | undefined {
    const stored = this.#get.get(levelMs, series, start)?.partial;
    return stored === undefined ? undefined : checkedPartial(stored, series, start);
  }

  /** Ascending from `fromMs`, below `toMs`, at most `limit`. */
  page(levelMs: number, series: number, fromMs: number, toMs: number, limit: number): RollupRow[] {
    return this.#page
      .all(levelMs, series, fromMs, toMs, limit)
      .map((row) => ({ startMs: row.start, partial: checkedPartial(row.partial, series, row.start) }));
  }

  /** Merges what one series has in the tail into its rows. */
  fold(tail: RollupTail, series: number): RollupOverflow[] {
    const overflows: RollupOverflow[] = [];
    const overflow = (level: number, startMs: number): void =>
      void overflows.push({ series, levelMs: levels[level] as number, startMs });
    tail.visit(series, {
      overflow,
      bucket: (level, startMs, partial) => {
        const levelMs = levels[level] as number;
        const stored = this.get(levelMs, series, startMs);
        const merged = stored === undefined ? partial.encode() : mergedBytes(stored, partial, series, startMs);
        if (merged === undefined) overflow(level, startMs);
        else this.#put.run(levelMs, series, startMs, withChecksum(merged));
      },
    });
    return overflows;
  }
}

/** What is stored of a roll-up, as its partial. Throws `storage_corrupt`. */
export function checkedPartial(stored: Uint8Array, series: number, startMs: number): Uint8Array {
  return checkedBytes(stored, `the roll-up of series ${series} at ${startMs}`);
}

/** Stored bytes and a contribution, merged; undefined when the sum has no canonical form. Throws `storage_corrupt`. */
export function mergedBytes(
  stored: Uint8Array,
  fresh: Partial,
  series: number,
  startMs: number,
): Uint8Array | undefined {
  try {
    return mergeEncoded(stored, fresh.encode());
  } catch (error) {
    if (hasCode(error, 'limit_exceeded')) return undefined;
    const text = `roll-up of series ${series} at ${startMs} is damaged: ${messageOf(error)}`;
    throw new FoglineError('storage_corrupt', text, { cause: error });
  }
}
