/** What the commands have the hub do, over HTTP: the same orders, done when the answer comes, noted, and only for agents that the caller sees. */
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const minuteMs = 60_000;
const start = Date.UTC(2026, 0, 1);
const now = start + 60 * minuteMs;
const admin = 'boss';

/** Series 1 and 2 are alike and of gw-oslo, 3 is of gw-rome; messages 1 and 2 could not be applied, one of each. */
function open() {
  const fixture = openApiFixture(now, { isLoopback: false });
  const registry = new AgentRegistry(fixture.db, new ManualClock(now));
  for (const site of ['oslo', 'rome']) {
    registry.create(`gw-${site}`);
    registry.setSite(`gw-${site}`, site);
  }
  const oslo = fixture.agent('gw-oslo', [definition(), definition({ device: 'spare' })]);
  const rome = fixture.agent('gw-rome', [definition()]);
  const at = (minute: number, series = 0) => ({ series, timeMs: start + minute * minuteMs, value: minute });
  oslo.send([at(0), at(1), at(2), at(3, 1)]);
  rome.send([at(0)]);
  for (const agent of [oslo, rome]) agent.submit('batch', new Uint8Array([1, 2, 3]));
  const { tokens, api } = fixture;
  const secrets: Record<string, string> = {
    [admin]: tokens.create(admin, { scopes: ['admin'], sites: undefined }),
    oslo: tokens.create('oslo', { scopes: ['read', 'write'], sites: ['oslo'] }),
  };
  const ask = async (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object, who = admin) => {
    const headers = { host: 'hub.example', authorization: `Bearer ${secrets[who]}` };
    const response = await api.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  const times = async (match: string) => {
    const { body } = await ask('GET', `/api/v1/data?match=${encodeURIComponent(match)}&from=${start}&shape=rows`);
    return (body['rows'] as { time: number }[]).map(({ time }) => (time - start) / minuteMs).sort((a, b) => a - b);
  };
  return { ...fixture, ask, times };
}

describe('orders about series', () => {
  it('are done when the answer comes, and in the audit log by then', async () => {
    const { ask, times, audit } = open();
    expect(await ask('POST', '/api/v1/series/1/rename', { metric: 'inlet' })).toEqual({
      status: 200,
      body: { done: 'series 1 is inlet of d1 in raw now; its agent goes on to call it as before' },
    });
    expect(await times('inlet')).toEqual([0, 1, 2]);
    const range = { from: String(start), to: '2026-01-01T00:02:00Z' };
    expect((await ask('POST', '/api/v1/series/1/delete-range', range)).status).toBe(200);
    expect(await times('inlet')).toEqual([2]);
    expect((await ask('POST', '/api/v1/series/2/merge', { into: 1 })).status).toBe(200);
    expect(await times('inlet')).toEqual([2, 3]);
    expect((await ask('GET', '/api/v1/deleted')).body).toEqual({
      deleted: [
        { series: 1, agent: 'gw-oslo', fromMs: start, toMs: start + 2 * minuteMs, atMs: now, readings: 2, late: 0 },
      ],
      complete: true,
      next: null,
    });
    expect(audit.list().map(({ who, what, target, outcome }) => [who, what, target, outcome])).toEqual([
      [admin, 'POST /api/v1/series/:id/merge', 'id=2 into=1', 'ok'],
      [admin, 'POST /api/v1/series/:id/delete-range', `id=1 from=${start} to=2026-01-01T00:02:00Z`, 'ok'],
      [admin, 'POST /api/v1/series/:id/rename', 'id=1 metric=inlet', 'ok'],
    ]);
  });

  it.each([
    ['/api/v1/series/1/rename', { metric: 'temperature', device: 'spare' }, 400, 'merge 1 into 2 to read them as one'],
    ['/api/v1/series/1/rename', { stream: '' }, 400, 'stream: 1 to 256 characters'],
    ['/api/v1/series/1/merge', { into: 3 }, 400, 'they are of two agents'],
    ['/api/v1/series/1/merge', { into: 9 }, 404, 'no series 9'],
    ['/api/v1/series/1/delete-range', { from: String(start + 1), to: String(now) }, 400, 'whole 60 s only; write'],
    ['/api/v1/series/x/merge', { into: 1 }, 400, 'id: write a whole number'],
    ['/api/v1/series/1/merge', { id: 2, into: 1 }, 400, 'unknown parameter "id"'],
  ])('%s with %j is refused with the reason, noted, and nothing changes', async (url, body, status, detail) => {
    const { ask, times, audit, core } = open();
    expect(await ask('POST', url, body)).toMatchObject({ status, body: { detail: expect.stringContaining(detail) } });
    expect(await times('temperature{agent="gw-oslo"}')).toEqual([0, 1, 2, 3]);
    expect(core.read.tombstones()).toEqual([]);
    expect(audit.list()).toMatchObject([{ who: admin, outcome: status === 404 ? 'not_found' : 'query_invalid' }]);
  });
});

describe('the quarantine', () => {
  it('is listed, shown with its bytes, tried again and dropped', async () => {
    const { ask } = open();
    const { body } = await ask('GET', '/api/v1/quarantine?limit=1');
    expect(body).toMatchObject({
      quarantine: [{ id: 2, agent: 'gw-rome', reason: 'corrupt', bytes: 3 }],
      complete: false,
    });
    const rest = await ask('GET', `/api/v1/quarantine?limit=1&cursor=${String(body['next'])}`);
    expect(rest.body).toMatchObject({ quarantine: [{ id: 1, agent: 'gw-oslo' }], complete: true });
    expect((await ask('GET', '/api/v1/quarantine/1')).body).toMatchObject({
      id: 1,
      isHeld: false,
      payload: Buffer.from([1, 2, 3]).toString('base64'),
      content: { problem: expect.stringContaining('batch') },
    });
    expect((await ask('POST', '/api/v1/quarantine/1/retry')).body).toMatchObject({
      done: expect.stringContaining('quarantined again: corrupt'),
    });
    expect(await ask('DELETE', '/api/v1/quarantine/2')).toEqual({ status: 200, body: { done: 'dropped' } });
    expect((await ask('GET', '/api/v1/quarantine')).body).toMatchObject({ quarantine: [{ agent: 'gw-oslo' }] });
    expect((await ask('DELETE', '/api/v1/quarantine/2')).status).toBe(404);
  });
});

describe('a token of one site', () => {
  it.each([
    ['POST', '/api/v1/series/3/rename', { metric: 'stolen' }],
    ['POST', '/api/v1/series/1/merge', { into: 3 }],
    ['GET', '/api/v1/quarantine/2', undefined],
    ['POST', '/api/v1/quarantine/2/retry', undefined],
  ] as const)('%s %s: what is of another site does not exist for it', async (method, url, body) => {
    const { ask, core } = open();
    const before = JSON.stringify([core.read.listSeries({}), core.read.quarantine()]);
    expect((await ask(method, url, body, 'oslo')).status).toBe(404);
    expect(JSON.stringify([core.read.listSeries({}), core.read.quarantine()])).toBe(before);
  });

  it('may change what is of its own, and destroys nothing', async () => {
    const { ask } = open();
    expect((await ask('POST', '/api/v1/series/1/rename', { metric: 'inlet' }, 'oslo')).status).toBe(200);
    expect((await ask('POST', '/api/v1/quarantine/1/retry', undefined, 'oslo')).status).toBe(200);
    const range = { from: String(start), to: String(start + minuteMs) };
    expect((await ask('POST', '/api/v1/series/1/delete-range', range, 'oslo')).status).toBe(403);
    expect((await ask('DELETE', '/api/v1/quarantine/1', undefined, 'oslo')).status).toBe(403);
  });
});
