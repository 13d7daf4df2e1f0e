/** Roll-ups: (level, series, start) → canonical partial, with a checksum. Exact merges make a fold independent of when it happens. */
import { crc32 } from 'node:zlib';
import { mergeEncoded, type Partial } from '@fogline/shared/aggregate/partial';
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
    return stored === undefined ? undefined : openPartial(stored, levelMs, series, start);
  }

  /** Ascending from `fromMs`, below `toMs`, at most `limit`. */
  page(levelMs: number, series: number, fromMs: number, toMs: number, limit: number): RollupRow[] {
    return this.#page
      .all(levelMs, series, fromMs, toMs, limit)
      .map((row) => ({ startMs: row.start, partial: openPartial(row.partial, levelMs, series, row.start) }));
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
        else this.#put.run(levelMs, series, startMs, sealPartial(merged, levelMs, series, startMs));
      },
    });
    return overflows;
  }
}

const keyBytes = 24;

function keyOf(levelMs: number, series: number, startMs: number): Buffer {
  const key = Buffer.alloc(keyBytes);
  key.writeDoubleLE(levelMs, 0);
  key.writeDoubleLE(series, 8);
  key.writeDoubleLE(startMs, 16);
  return key;
}

/** As it is stored: after a checksum that covers its key too, so that a bit that flipped there is noticed as well. */
export function sealPartial(partial: Uint8Array, levelMs: number, series: number, startMs: number): Uint8Array {
  const out = new Uint8Array(4 + partial.byteLength);
  new DataView(out.buffer).setUint32(0, crc32(partial, crc32(keyOf(levelMs, series, startMs))), true);
  out.set(partial, 4);
  return out;
}

/** Throws `storage_corrupt`. */
export function openPartial(stored: Uint8Array, levelMs: number, series: number, startMs: number): Uint8Array {
  const partial = stored.subarray(4);
  const sum = stored.byteLength < 4 ? undefined : new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);
  if (sum !== crc32(partial, crc32(keyOf(levelMs, series, startMs))))
    throw new FoglineError(
      'storage_corrupt',
      `the roll-up of series ${series} at ${startMs} does not match its checksum`,
    );
  return partial;
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
