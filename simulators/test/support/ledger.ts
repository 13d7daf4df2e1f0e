/** P4 as the hub's API tells it: what became of everything that the agents produced, in outbox items. */
import { HubClient } from '@fogline/shared/hub-client';

/** Throws `unavailable` while the hub is away. */
export async function ledgerTotals(hubUrl: string) {
  return (await new HubClient({ url: hubUrl }).get('ledger')).meta.totals;
}
