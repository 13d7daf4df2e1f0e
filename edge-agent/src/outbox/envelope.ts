/** Assembling the bytes of a batch from its immutable blocks, the same every time. */
import { crc32 } from 'node:zlib';
import { FoglineError, invariant } from '@fogline/shared/errors';
import { envelopeBytesMax } from '@fogline/shared/protocol/envelope';
import { type Lane, protocolLimits } from '@fogline/shared/protocol/limits';
import { type BatchPart, encodeBatch } from '@fogline/shared/protocol/messages';
import type { AgentStore } from '../journal/agent-store.ts';
import { blockOf, type CommitRecord } from '../journal/commit-record.ts';
import type { BlockPlace } from '../journal/stored.ts';

/** A batch is cut when its blocks exceed this; one block alone may be larger, up to `blockBytesMax` (commit-record.ts). */
export const batchBytesMax = 192 * 1024;
/** A batch is cut at this many blocks. */
export const batchPartsMax = 2048;
/** A batch is cut when its items exceed this; half of what a hub takes, for items may be very small. */
export const batchItemsMax = protocolLimits.itemsPerBatchMax / 2;

/** Reads blocks, remembering the last commit read: neighbours often lie in one. */
export class BlockReader {
  readonly #store: AgentStore;
  #commit: { id: number; record: CommitRecord } | undefined;

  constructor(store: AgentStore) {
    this.#store = store;
  }

  read(place: BlockPlace): Uint8Array {
    if ('pack' in place) return this.#store.readPack(place.pack);
    if (this.#commit?.id !== place.commit)
      this.#commit = { id: place.commit, record: this.#store.readCommit(place.commit) };
    const { record } = this.#commit;
    const output = record.outputs[place.output];
    if (output === undefined)
      throw new FoglineError('storage_corrupt', `commit ${place.commit} has no output ${place.output}`);
    return blockOf(record, output);
  }
}

export interface BatchBytes {
  readonly payload: Uint8Array;
  readonly crc: number;
}

export function assembleBatch(
  agent: string,
  range: { epoch: string; lane: Lane; first: number; last: number },
  parts: readonly BatchPart[],
): BatchBytes {
  const payload = encodeBatch({ agent, ...range, parts });
  invariant(payload.byteLength <= envelopeBytesMax, `a batch of ${payload.byteLength} bytes fits into an envelope`);
  return { payload, crc: crc32(payload) };
}
