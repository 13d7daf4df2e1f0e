import { Partial } from '@fogline/shared/aggregate/partial';
import { problem } from '@fogline/shared/hub-api/answers';
import { frames } from '@fogline/shared/hub-api/frames';
import { HubClient, numbersOf } from '@fogline/shared/hub-client';
import { afterAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';
import { routes } from './routes.ts';

const now = Date.UTC(2026, 0, 1, 12);
const hourMs = 3_600_000;
const fixture = openApiFixture(now);
const { api, tokens, audit } = fixture;

/** Something of everything. */
function fill(): string {
  const window = definition({ metric: 'stats', kind: 'window', widthMs: 10_000 });
  const held = definition({ metric: 'held', sampling: 'held', holdMs: 60_000 });
  const state = definition({ metric: 'state', type: 'text' });
  const gw = fixture.agent('gw', [
    definition(),
    window,
    held,
    state,
    definition({ stream: 'other' }),
    definition({ stream: 'spare' }),
  ]);
  const partial = Partial.empty();
  partial.add(1, now - 5_000);
  partial.add(2, now - 4_000);
  gw.send(
    [
      { series: 0, timeMs: now - 2 * hourMs, value: 1, quality: 1 },
      { series: 0, timeMs: now - 60_000, value: 20 },
      { series: 2, timeMs: now - hourMs, value: 5 },
      { series: 3, timeMs: now - 60_000, value: 'on' },
      { series: 4, timeMs: now - 60_000, value: 20 },
    ],
    [{ series: 1, startMs: now - 10_000, partial: partial.encode() }],
  );
  const hour = Math.floor(now / hourMs) - 1;
  const stats = [{ series: 0, hour, count: 3, min: 1, max: 2, mean: 1.5 }];
  gw.void(5, { reason: 'evicted_size', stats, statsOmitted: 2, hours: [[hour, 5]] });
  for (const byte of [1, 2]) gw.submit('batch', new Uint8Array([byte]));
  gw.report([{ lane: 2, hour, produced: 100, queued: 1, evicted: 5 }]);
  fixture.agent('gw', [definition()], '00000000000000a2');
  const alarms = fixture.agent(
    'gw',
    [definition({ stream: 'alarms', metric: 'overheat', type: 'text' })],
    '00000000000000a3',
  );
  alarms.send([{ series: 0, timeMs: now - 60_000, value: 'active' }], [], 0);
  const boss = tokens.create('boss', { scopes: ['admin'], sites: undefined });
  tokens.create('limited', { scopes: ['read'], sites: ['oslo'] });
  tokens.revoke('limited');
  audit.refuse({ who: 'nobody', from: '::1', what: 'GET /', target: '', outcome: 'unauthorized' });
  return boss;
}

const boss = fill();
const headers = { host: 'localhost', authorization: `Bearer ${boss}` };

/** A request of each JSON route, and what must be in its answer so that the shape is tried on something. */
const samples: readonly (readonly [
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  address: string,
  ...has: string[],
])[] = [
  ['GET', '/api/v1/data', '/api/v1/data?match=temperature&match=state&from=now-3h', '"quality"', '"items"', '"other"'],
  ['GET', '/api/v1/data', '/api/v1/data?match=temperature&from=now-3h&shape=rows', '"rows"'],
  [
    'GET',
    '/api/v1/data',
    '/api/v1/data?match=temperature&from=now-3h&every=1m&agg=count,mean&tz=Europe/Paris&fill=null',
    '"tz"',
    'null',
  ],
  ['GET', '/api/v1/data', '/api/v1/data?match=stats&from=now-1h', '"windows"'],
  ['POST', '/api/v1/data', '/api/v1/data', '"columns"'],
  ['GET', '/api/v1/series', '/api/v1/series?limit=1', '"next":"'],
  ['GET', '/api/v1/latest', '/api/v1/latest', '"mean"', '"on"'],
  ['GET', '/api/v1/gaps', '/api/v1/gaps?match=temperature&every=10m', '"evicted_size"', '"not_recorded"'],
  ['GET', '/api/v1/agents', '/api/v1/agents', '"replaced"', '"corrupt"'],
  ['GET', '/api/v1/devices', '/api/v1/devices', '"lastMs"'],
  ['GET', '/api/v1/events', '/api/v1/events', '"replaced"'],
  ['GET', '/api/v1/ledger', '/api/v1/ledger', '"evicted_size"'],
  ['POST', '/api/v1/alarms/:id/ack', '/api/v1/alarms/1/ack', '"by":"boss"'],
  ['POST', '/api/v1/alarms/:id/shelve', '/api/v1/alarms/1/shelve', '"untilMs"'],
  ['GET', '/api/v1/alarms', '/api/v1/alarms', '"overheat"', '"by":"boss"', '"untilMs"'],
  ['POST', '/api/v1/alarms/:id/unshelve', '/api/v1/alarms/1/unshelve', '"shelved":null'],
  ['GET', '/api/v1/alarms/history', `/api/v1/alarms/history?alarm=1&to=${now + hourMs}`, '"unshelved"', '"active"'],
  ['GET', '/api/v1/tokens', '/api/v1/tokens', '"oslo"'],
  ['POST', '/api/v1/tokens', '/api/v1/tokens', '"token"'],
  ['DELETE', '/api/v1/tokens/:name', '/api/v1/tokens/made', '"revoked"'],
  ['GET', '/api/v1/audit', '/api/v1/audit', '"times"'],
  ['POST', '/api/v1/series/:id/rename', '/api/v1/series/3/rename', 'inlet'],
  ['POST', '/api/v1/series/:id/merge', '/api/v1/series/6/merge', 'is read as 5'],
  ['POST', '/api/v1/series/:id/delete-range', '/api/v1/series/3/delete-range', 'has nothing'],
  ['GET', '/api/v1/deleted', '/api/v1/deleted', '"late"'],
  ['GET', '/api/v1/quarantine', '/api/v1/quarantine?limit=1', '"corrupt"', '"next":"'],
  ['GET', '/api/v1/quarantine/:id', '/api/v1/quarantine/1', '"problem"'],
  ['POST', '/api/v1/quarantine/:id/retry', '/api/v1/quarantine/1/retry', 'quarantined again'],
  ['DELETE', '/api/v1/quarantine/:id', '/api/v1/quarantine/2', 'dropped'],
  ['GET', '/healthz', '/healthz'],
  ['GET', '/readyz', '/readyz'],
  ['GET', '/api/v1/openapi.json', '/api/v1/openapi.json'],
];

const bodies: Readonly<Record<string, object>> = {
  '/api/v1/data': { match: 'temperature', from: 'now-3h' },
  '/api/v1/alarms/:id/shelve': { for: '8h' },
  '/api/v1/tokens': { name: 'made', scopes: ['read'] },
  '/api/v1/series/:id/rename': { metric: 'inlet' },
  '/api/v1/series/:id/merge': { into: 5 },
  '/api/v1/series/:id/delete-range': { from: String(now - hourMs), to: String(now) },
};

describe('the documented shape of answers', () => {
  it('is tried on every route that answers with JSON', () => {
    const documented = routes
      .filter(({ answers }) => 'safeParse' in answers)
      .map(({ method, url }) => `${method} ${url}`);
    const tried = new Set(samples.map(([method, url]) => `${method} ${url}`));
    expect([...tried].sort()).toEqual(documented.sort());
  });

  it.each(samples)('%s %s, as %s, is what comes, no field more or less', async (method, url, address, ...has) => {
    const payload = method === 'POST' ? { payload: bodies[url] ?? {} } : {};
    const response = await api.app.inject({ method, url: encodeURI(address), headers, ...payload });
    const route = routes.find((candidate) => candidate.method === method && candidate.url === url);
    expect(response.statusCode, response.body).toBe(route?.status);
    for (const part of has) expect(response.body).toContain(part);
    const parsed = (route?.answers as z.ZodType | undefined)?.safeParse(response.json());
    expect(parsed?.error?.issues ?? []).toEqual([]);
    expect(parsed?.data).toEqual(response.json());
  });

  it('of problems too', async () => {
    const { body } = await api.app.inject({ method: 'GET', url: '/api/v1/nothing', headers });
    expect(problem.parse(JSON.parse(body))).toEqual(JSON.parse(body));
  });
});

describe('the client', () => {
  const listening = api.app.listen({ host: '127.0.0.1', port: 0 });
  afterAll(() => api.close());

  it('reads lists page by page, typed', async () => {
    const client = new HubClient({ url: await listening, token: boss });
    const ids: number[] = [];
    for await (const { series } of client.pages('series', { limit: 2 })) ids.push(...series.map(({ id }) => id));
    expect(ids.slice(0, 5)).toEqual([1, 2, 3, 4, 5]);
    const question = { match: ['temperature{stream="raw"}'], from: 'now-3h', every: '1d', agg: 'count' };
    const { series } = await client.get('data', question);
    expect(series.map(({ columns }) => numbersOf(columns, 'count'))).toEqual([[2]]);
    expect(() => numbersOf(series[0]?.columns ?? { time: [] }, 'mean')).toThrow('column "mean" is none of numbers');
  });

  it('says what the hub says', async () => {
    const url = await listening;
    await expect(new HubClient({ url, token: 'nonsense' }).get('series')).rejects.toMatchObject({
      code: 'unauthorized',
    });
    await expect(new HubClient({ url }).get('data', {})).rejects.toMatchObject({
      code: 'message_invalid',
      message: expect.stringContaining('match: name the series'),
    });
    await expect(new HubClient({ url: 'http://127.0.0.1:1' }).get('series')).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

describe('the documented shape of events', () => {
  it.each(Object.keys(frames) as (keyof typeof frames)[])('%s has one', (type) => {
    expect(frames[type].description).toBeDefined();
  });
});
