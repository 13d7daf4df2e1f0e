/**
 * What of a partial needs no sums: how many readings, the least and the greatest, the first and the last. Merges as partials do, so it is what
 * the merged partial would say, at a small part of the cost.
 */
import { ByteReader } from './bytes.ts';
import { Extents } from './extents.ts';
import { addCounts } from './held.ts';
import { headHasTime, readExtremes, readHead, readTimes } from './partial-layout.ts';

const scratchReader = new ByteReader(new Uint8Array(0));

export class Spread extends Extents {
  /** Of readings; 0: the extents mean nothing. */
  count = 0;

  /** Of the bytes of a partial. Throws `codec_corrupt`, `codec_version`; that they are canonical is not checked. */
  static of(partial: Uint8Array): Spread {
    const spread = new Spread();
    scratchReader.reset(partial, 0, partial.length);
    const head = readHead(scratchReader);
    if (!headHasTime(head)) return spread;
    spread.count = readTimes(scratchReader, head, spread);
    readExtremes(scratchReader, head, spread.count, spread);
    return spread;
  }

  /** Throws `limit_exceeded` beyond 2^53 readings; nothing is merged then. */
  mergeSpread(other: Spread): void {
    const count = addCounts(this.count, other.count);
    if (other.count === 0) return;
    if (this.count === 0) this.copy(other);
    else this.merge(other);
    this.count = count;
  }
}
