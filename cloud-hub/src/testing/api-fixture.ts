/** For tests: the HTTP side over a store in memory, without a socket. */

import { silentLogger } from '@fogline/shared/log';
import { Metrics } from '@fogline/shared/metrics';
import { SeededRandom } from '@fogline/shared/random';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { defaultAlarms } from '../alarms/alarm-config.ts';
import { Alarms } from '../alarms/alarms.ts';
import { type Api, buildApi } from '../api/app.ts';
import type { AccessPolicy } from '../auth/access.ts';
import { AuditLog } from '../auth/audit-log.ts';
import { EdgeAsker } from '../edge/edge-asker.ts';
import { ApiTokens } from '../fleet/tokens.ts';
import { type Live, openLive } from '../live/live.ts';
import { openStoreFixture, type StoreFixture } from './store-fixture.ts';

export interface ApiFixture extends StoreFixture {
  readonly clock: ManualClock;
  readonly api: Api;
  readonly tokens: ApiTokens;
  readonly audit: AuditLog;
  readonly live: Live;
  readonly alarms: Alarms;
  readonly edge: EdgeAsker;
  /** What agents do with questions; undefined: none is connected. */
  readonly edgeAgents: { onQuery: ((agent: string, payload: Uint8Array) => void) | undefined };
  /** GET on the loopback, answer parsed. */
  get(url: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  text(url: string): Promise<{ readonly headers: Readonly<Record<string, unknown>>; readonly body: string }>;
}

/** `access` without `callerOf`: tokens are those of the store. */
export function openApiFixture(
  nowMs: number,
  access: Pick<AccessPolicy, 'isLoopback'> & Partial<AccessPolicy> = { isLoopback: true },
): ApiFixture {
  const clock = new ManualClock(nowMs);
  const store = openStoreFixture(clock, {
    onAlarms: (batch) => alarms.applied(batch),
    onCommitted: (change) => live.feed.committed(change),
  });
  const alarms: Alarms = new Alarms({
    db: store.db,
    store: store.core.read,
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    config: defaultAlarms,
    isBusy: () => false,
    hasRoom: () => true,
  });
  const tokens = new ApiTokens(store.db, clock);
  const audit = new AuditLog(':memory:', clock);
  const live: Live = openLive({
    store: store.core.read,
    clock,
    random: new SeededRandom(1),
    log: silentLogger,
    beforeDelivery: () => undefined,
  });
  const edgeAgents: ApiFixture['edgeAgents'] = { onQuery: undefined };
  const edge = new EdgeAsker({
    clock,
    random: new SeededRandom(1),
    send: (agent, payload) => edgeAgents.onQuery?.(agent, payload),
    isHeard: () => edgeAgents.onQuery !== undefined,
  });
  const api = buildApi({
    store: store.core.read,
    clock,
    log: silentLogger,
    metrics: new Metrics(),
    access: { callerOf: (token) => tokens.verify(token), ...access },
    tokens,
    credentialsChanged: () => undefined,
    audit,
    order: (order) => store.core.order(order),
    live,
    alarms,
    edge,
    notReady: () => undefined,
  });
  const ask = (url: string) => api.app.inject({ method: 'GET', url, headers: { host: 'localhost' } });
  return {
    ...store,
    clock,
    api,
    tokens,
    audit,
    live,
    alarms,
    edge,
    edgeAgents,
    async get(url) {
      const response = await ask(url);
      return { status: response.statusCode, body: JSON.parse(response.body) as Record<string, unknown> };
    },
    async text(url) {
      const { headers, body } = await ask(url);
      return { headers, body };
    },
  };
}
