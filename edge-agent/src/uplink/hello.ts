/** The pages of a `hello`: every epoch of the database, oldest first. */
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { encodeHello, type Hello } from '@fogline/shared/protocol/messages';
import type { EpochRow } from '../journal/stored.ts';

export function helloPages(
  head: Omit<Hello, 'page' | 'pages' | 'epochs'>,
  epochs: readonly EpochRow[],
): readonly Uint8Array[] {
  const { epochsPerPageMax } = protocolLimits;
  const pages = Math.max(1, Math.ceil(epochs.length / epochsPerPageMax));
  return Array.from({ length: pages }, (_, index) =>
    encodeHello({
      ...head,
      page: index + 1,
      pages,
      epochs: epochs.slice(index * epochsPerPageMax, (index + 1) * epochsPerPageMax).map((row) => ({
        epoch: row.epoch,
        parent: row.parent === null ? undefined : { epoch: row.parent, last: row.parentLast },
        seriesBase: row.seriesBase,
        seriesCount: row.seriesCount,
        last: row.last,
      })),
    }),
  );
}
