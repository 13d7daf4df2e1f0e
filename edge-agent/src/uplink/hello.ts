/** How an agent introduces itself: the connection, and the pages of a `hello` with every epoch of the database, oldest first. */
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { encodeHello, encodeStatus, type Hello } from '@fogline/shared/protocol/messages';
import { downKinds, topicOf } from '@fogline/shared/protocol/topics';
import type { EpochRow } from '../journal/stored.ts';
import type { UplinkContext } from './uplink-ports.ts';
import type { WireOptions } from './wire.ts';

export function wireOptions(context: UplinkContext): WireOptions {
  const { agent, config } = context;
  const { epoch } = context.currentEpoch();
  return {
    clientId: `${agent}:${epoch}`,
    username: agent,
    password: config.token,
    subscribe: downKinds.map((kind) => topicOf(agent, kind)),
    will: { topic: topicOf(agent, 'status'), payload: encodeStatus({ agent, epoch, isOnline: false }) },
  };
}

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
