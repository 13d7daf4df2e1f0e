/** P4 as the hub's API tells it: what became of everything that the agents produced, in outbox items. */
import { z } from 'zod';
import { getJson } from '../../src/verify/hub-http.ts';

const answer = z.object({
  meta: z.object({
    totals: z.object({
      produced: z.number(),
      delivered: z.number(),
      queued: z.number(),
      evicted: z.number(),
      gone: z.number(),
      damaged: z.number(),
      quarantined: z.number(),
      /** null while the agents' report is behind. */
      unaccounted: z.number().nullable(),
    }),
  }),
});

export type LedgerTotals = z.infer<typeof answer>['meta']['totals'];

/** Throws `unavailable` while the hub is away. */
export async function ledgerTotals(hubUrl: string): Promise<LedgerTotals> {
  return answer.parse(await getJson(new URL('/api/v1/ledger', hubUrl), undefined)).meta.totals;
}
