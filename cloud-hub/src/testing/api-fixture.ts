/** For tests: the HTTP side over a store in memory, without a socket. */
import { silentLogger } from '@fogline/shared/log';
import { Metrics } from '@fogline/shared/metrics';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { type Api, buildApi } from '../api/app.ts';
import type { AccessPolicy } from '../auth/access.ts';
import { openStoreFixture, type StoreFixture } from './store-fixture.ts';

export interface ApiFixture extends StoreFixture {
  readonly clock: ManualClock;
  readonly api: Api;
  /** GET on the loopback, answer parsed. */
  get(url: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  text(url: string): Promise<{ readonly headers: Readonly<Record<string, unknown>>; readonly body: string }>;
}

const open: AccessPolicy = { isLoopback: true, callerOf: () => undefined };

export function openApiFixture(nowMs: number, access: AccessPolicy = open): ApiFixture {
  const clock = new ManualClock(nowMs);
  const store = openStoreFixture(clock);
  const api = buildApi({
    store: store.core.read,
    clock,
    log: silentLogger,
    metrics: new Metrics(),
    access,
    notReady: () => undefined,
  });
  const ask = (url: string) => api.app.inject({ method: 'GET', url, headers: { host: 'localhost' } });
  return {
    ...store,
    clock,
    api,
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
