/** Whether a run has passed (decision 0005): asked of the public interfaces alone, after everything has drained. */
import { hasCode } from '@fogline/shared/errors';
import { getJson } from '@fogline/shared/get-json';
import { HubClient } from '@fogline/shared/hub-client';
import { z } from 'zod';
import type { ChaosSystem, Site } from './cli-system.ts';

export interface SiteVerdict {
  readonly agent: string;
  readonly sent: number;
  readonly acked: number;
  readonly atHub: number;
  /** Acked readings that are not at the hub. */
  readonly lost: number;
  /** Items of their lane that the hub was told are lost. */
  readonly declared: number;
  readonly duplicated: number;
  /** There once more, as decision 0005 allows after damage. */
  readonly resent: number;
  readonly wrong: number;
  readonly unexpected: number;
  readonly bucket: number;
  readonly unaccounted: number | null;
  readonly quarantined: number;
}

const lane = 'normal';

/** All that is missing is lost, whatever class `verify` gives it; what of it was declared, the ledger says. */
const summary = z
  .object({
    sent: z.number(),
    acked: z.number(),
    atHub: z.number(),
    lost: z.number(),
    late_dropped: z.number(),
    undeclared: z.number(),
    declared: z.number(),
    duplicated: z.number(),
    resent: z.number(),
    wrong: z.number(),
    unexpected: z.number(),
    bucket: z.number(),
  })
  .transform(({ late_dropped: late, undeclared, declared, lost, ...rest }) => {
    return { ...rest, lost: lost + late + undeclared + declared };
  });

const status = z.object({ isConnected: z.boolean(), queuedItems: z.array(z.number()) });

function ledgerOf(system: ChaosSystem, agent: string) {
  return new HubClient({ url: system.hubUrl }).get('ledger', { agent, limit: 10_000 });
}

/** The agent has a session with the hub. False while it is away. */
export async function isOnline(site: Site): Promise<boolean> {
  try {
    return status.parse(await getJson(new URL('/status', site.url), undefined)).isConnected;
  } catch (error) {
    if (hasCode(error, 'unavailable')) return false;
    throw error;
  }
}

/** The agent is connected and holds nothing that the hub is not known to hold. */
export async function isEmpty(site: Site): Promise<boolean> {
  const { isConnected, queuedItems } = status.parse(await getJson(new URL('/status', site.url), undefined));
  return isConnected && queuedItems.every((items) => items === 0);
}

/** Every item that the agent produced has a place in the hub's account. */
export async function isAccounted(system: ChaosSystem, site: Site): Promise<boolean> {
  return (await ledgerOf(system, site.name)).meta.totals.unaccounted === 0;
}

export interface Circumstances {
  /** Something destroyed data, so the window stream cannot be compared with the truth; the readings can. */
  readonly isHarmed: boolean;
  /** Wall times at which the agent's own database was damaged. */
  readonly damagedMs: readonly number[];
}

export async function judge(system: ChaosSystem, site: Site, circumstances: Circumstances): Promise<SiteVerdict> {
  const { isHarmed, damagedMs } = circumstances;
  const live = await verified(system, site, 'live', damagedMs);
  const windows = isHarmed ? undefined : await verified(system, site, 'stats', []);
  const { ledger: lines, meta } = await ledgerOf(system, site.name);
  let declared = 0;
  for (const { lane: name, voided } of lines) {
    if (name === lane) declared += voided.damaged + voided.gone + voided.evicted_age + voided.evicted_size;
  }
  return {
    agent: site.name,
    ...live,
    bucket: live.bucket + (windows?.bucket ?? 0),
    declared,
    unaccounted: meta.totals.unaccounted,
    quarantined: meta.totals.quarantined,
  };
}

async function verified(
  system: ChaosSystem,
  site: Site,
  stream: string,
  damagedMs: readonly number[],
): Promise<z.output<typeof summary>> {
  const where = ['--truth', site.truth, '--hub', system.hubUrl, '--stream', stream, '--agent', site.name];
  const damaged = damagedMs.length === 0 ? [] : ['--damaged', damagedMs.join(',')];
  const { out, error } = await system.run('sim', ['verify', ...where, ...damaged, '--wait', '5s', '--json']);
  const last = out.trimEnd().split('\n').at(-1) ?? '';
  const parsed = last === '' ? undefined : summary.safeParse(JSON.parse(last));
  if (parsed?.data === undefined) throw new Error(`no verdict on ${site.name}: ${error}`);
  return parsed.data;
}

/** What speaks against it; empty = passed. */
export function objections(verdict: SiteVerdict, isHarmed: boolean): string[] {
  const { agent, acked, lost, declared, unaccounted } = verdict;
  const out: string[] = [];
  if (acked === 0) out.push(`${agent}: nothing was acked, so nothing is proved`);
  for (const kind of ['duplicated', 'wrong', 'unexpected', 'bucket'] as const) {
    if (verdict[kind] > 0) out.push(`${agent}: ${verdict[kind]} ${kind}`);
  }
  if (lost > declared) out.push(`${agent}: ${lost} acked readings are lost, ${declared} items were declared`);
  if (!isHarmed && declared > 0) out.push(`${agent}: ${declared} items are declared lost, and nothing destroyed any`);
  // A ledger whose page was damaged tells of more than there was, never of less (decision 0006).
  if (unaccounted !== 0 && !(isHarmed && unaccounted !== null && unaccounted > 0))
    out.push(`${agent}: ${unaccounted} items unaccounted for`);
  return out;
}
