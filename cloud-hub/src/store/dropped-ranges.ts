/**
 * Which items were delivered and are no batch any more: (epoch, lane) → ranges, with a checksum. Dedupe does not need it; the check of the database and
 * its salvage do, for what is held must be explained by something.
 */
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import type { Lane } from '@fogline/shared/protocol/limits';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { pairsOf } from './void-table.ts';

export interface DroppedRow {
  readonly epoch: number;
  readonly lane: number;
  readonly ranges: Uint8Array;
}

export class DroppedRanges {
  readonly #get: Statement<DroppedRow>;
  readonly #put: Statement<never>;

  constructor(db: Database) {
    this.#get = db.prepare('SELECT epoch, lane, ranges FROM dropped_ranges WHERE epoch = ? AND lane = ?');
    this.#put = db.prepare('INSERT OR REPLACE INTO dropped_ranges (epoch, lane, ranges) VALUES (?, ?, ?)');
  }

  /** [first, last] pairs. Throws `storage_corrupt`. */
  add(epoch: number, lane: Lane, pairs: Iterable<readonly [number, number]>): void {
    const row = this.#get.get(epoch, lane);
    const ranges = SeqRanges.empty();
    for (const [first, last] of [...(row === undefined ? [] : droppedPairs(row)), ...pairs]) ranges.add(first, last);
    const text = JSON.stringify([epoch, lane, ...pairsOf(ranges).flat()]);
    this.#put.run(epoch, lane, withChecksum(Buffer.from(text)));
  }
}

/** [first, last] pairs, ascending. Throws `storage_corrupt`. */
export function droppedPairs({ epoch, lane, ranges }: DroppedRow): [number, number][] {
  const what = `what was dropped of lane ${lane} of epoch ${epoch}`;
  const [ofEpoch, ofLane, ...flat] = JSON.parse(Buffer.from(checkedBytes(ranges, what)).toString()) as number[];
  if (ofEpoch !== epoch || ofLane !== lane) throw new Error(`${what} is not what its row says`);
  const pairs: [number, number][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] ?? 0, flat[i + 1] ?? 0]);
  return pairs;
}
