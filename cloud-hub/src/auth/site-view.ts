/**
 * The store as a caller sees it whose token is limited to sites: agents of other sites, and everything of theirs, do not exist. One
 * instance serves one question; a route gets nothing else, so none can forget to ask.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { SeriesInfo, StoreRead } from '../store/read.ts';

export function storeOfSites(store: StoreRead, sites: readonly string[]): StoreRead {
  const known = new Map<string, boolean>();
  const isSeen = (agent: string): boolean => {
    const before = known.get(agent);
    if (before !== undefined) return before;
    const isOfSite = sites.includes(store.agent(agent)?.site ?? '');
    known.set(agent, isOfSite);
    return isOfSite;
  };
  const seriesSeen = (id: number): SeriesInfo | undefined => {
    const info = store.series(id);
    return info !== undefined && isSeen(info.agent) ? info : undefined;
  };
  const ofSeen = <Row extends { readonly agent: string }>(rows: readonly Row[]): Row[] =>
    rows.filter(({ agent }) => isSeen(agent));
  return {
    listAgents: () => store.listAgents().filter(({ site }) => sites.includes(site)),
    agent: (name) => (isSeen(name) ? store.agent(name) : undefined),
    listSeries: (filter) => store.listSeries({ ...filter, sites }),
    series: seriesSeen,
    namesAtAgent: (id) => (seriesSeen(id) === undefined ? [] : store.namesAtAgent(id)),
    newestSeries: () => store.newestSeries(),
    latest: (ids) => store.latest(ids.filter((id) => seriesSeen(id) !== undefined)),
    *rollups(id, ...range) {
      if (seriesSeen(id) !== undefined) yield* store.rollups(id, ...range);
    },
    *spreads(id, ...range) {
      if (seriesSeen(id) !== undefined) yield* store.spreads(id, ...range);
    },
    *raw(query) {
      if (isSeen(query.agent)) yield* store.raw(query);
    },
    stamp: (agent, toMs) => store.stamp(agent, toMs),
    gaps: (agent, fromMs, toMs) => ofSeen(store.gaps(agent, fromMs, toMs)),
    voids: (agent) => ofSeen(store.voids(agent)),
    ledger: (agent) => ofSeen(store.ledger(agent)),
    events: (options) => store.events({ ...options, sites }),
    quarantine: (options) => store.quarantine({ ...options, sites }),
    quarantined(id) {
      const found = store.quarantined(id);
      return found !== undefined && isSeen(found.agent) ? found : undefined;
    },
    quarantineCounts: () => ofSeen(store.quarantineCounts()),
    storeStats: hubWide,
    counters: hubWide,
    expiry: () => store.expiry(),
    tombstones: () => ofSeen(store.tombstones()),
  };
}

function hubWide(): never {
  throw new FoglineError('forbidden', 'this token is limited to sites, and this tells of the whole hub');
}
