/** What ingest did since this process started. Reset by a restart; what must survive is in the ledger and in `quarantine_counts`. */
import { type QuarantineReason, quarantineReasons } from './quarantine.ts';
import type { HubCounters } from './read.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };
export type Counters = Writable<Omit<HubCounters, 'quarantined'>> & {
  readonly quarantined: Record<QuarantineReason, number>;
};

export function newCounters(): Counters {
  return {
    batchesApplied: 0,
    itemsApplied: 0,
    batchesRepeated: 0,
    voidsApplied: 0,
    voidsRepeated: 0,
    voidsWithdrawn: 0,
    seriesDefined: 0,
    groups: 0,
    folds: 0,
    blocksPacked: 0,
    batchesDropped: 0,
    batchesMerged: 0,
    quarantined: Object.fromEntries(quarantineReasons.map((reason) => [reason, 0])) as Record<QuarantineReason, number>,
  };
}
