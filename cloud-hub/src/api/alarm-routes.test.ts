import { describe, expect, it } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const now = Date.UTC(2026, 0, 1);

function open() {
  const fixture = openApiFixture(now, { isLoopback: false });
  const { api, db, clock, tokens, agent } = fixture;
  const registry = new AgentRegistry(db, clock);
  const names = { 'gw-oslo': 'oslo', 'gw-rome': 'rome' };
  const senders = Object.entries(names).map(([name, site]) => {
    registry.create(name);
    registry.setSite(name, site);
    const metrics = ['overheat', 'silent'];
    return agent(
      name,
      metrics.map((metric) => definition({ stream: 'alarms', metric, type: 'text', tags: [['line', '3']] })),
    );
  });
  for (const sender of senders) {
    sender.send([{ series: 0, timeMs: now - 5_000, value: 'active' }], [], 0);
    sender.send([{ series: 1, timeMs: now - 4_000, value: 'cleared' }], [], 0);
  }
  const scopes = ['read', 'command'] as const;
  const whole = tokens.create('whole', { scopes, sites: undefined });
  const oslo = tokens.create('oslo', { scopes, sites: ['oslo'] });
  const ask = async (token: string, url: string, payload?: object) => {
    const headers = { host: 'hub.example', authorization: `Bearer ${token}` };
    const sent = payload === undefined ? { method: 'GET' as const } : { method: 'POST' as const, payload };
    const response = await api.app.inject({ url, headers, ...sent });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  const list = async (token: string, query = '') =>
    (await ask(token, `/api/v1/alarms${query}`)).body['alarms'] as Record<string, unknown>[];
  return { ...fixture, registry, senders, whole, oslo, ask, list };
}

describe('the list of alarms', () => {
  it('says what is the matter where, and is filtered and paged', async () => {
    const { list, ask, whole } = open();
    expect(await list(whole, '?state=active')).toMatchObject([
      { id: 1, origin: 'agent', alarm: 'overheat', agent: 'gw-oslo', site: 'oslo', device: 'd1', severity: null },
      { id: 3, tags: { line: '3' }, state: 'active', sinceMs: now - 5_000, activeSinceMs: now - 5_000 },
    ]);
    expect(await list(whole, '?agent=gw-rome&state=cleared')).toMatchObject([{ id: 4, activeSinceMs: null }]);
    expect(await list(whole, '?severity=critical')).toEqual([]);
    const first = await ask(whole, '/api/v1/alarms?limit=3');
    expect(first.body).toMatchObject({ complete: false, alarms: [{ id: 1 }, { id: 2 }, { id: 3 }] });
    const second = await ask(whole, `/api/v1/alarms?cursor=${first.body['next'] as string}`);
    expect(second.body).toMatchObject({ complete: true, alarms: [{ id: 4 }] });
    expect((await ask(whole, '/api/v1/alarms?state=actve')).body['detail']).toContain('did you mean "active"?');
  });

  it('has names and sites as they are now', async () => {
    const { core, registry, list, whole } = open();
    core.order({ kind: 'series_rename', series: 1, names: { metric: 'too-hot', device: 'cellar' } });
    registry.setSite('gw-oslo', 'paris');
    expect(await list(whole, '?agent=gw-oslo&state=active')).toMatchObject([
      { alarm: 'too-hot', device: 'cellar', site: 'paris' },
    ]);
  });
});

describe('history', () => {
  it('is paged from the newest on, and has what people did', async () => {
    const { senders, ask, whole } = open();
    senders[0]?.send([{ series: 0, timeMs: now - 3_000, value: 'stale' }], [], 0);
    senders[0]?.send([{ series: 0, timeMs: now - 2_000, value: 'active' }], [], 0);
    await ask(whole, '/api/v1/alarms/1/ack', { note: 'on my way' });
    const words: unknown[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await ask(whole, `/api/v1/alarms/history?alarm=1&to=now%2B1m&limit=2${cursor}`);
      for (const { word, who, note } of body['history'] as Record<string, string>[]) words.push([word, who, note]);
      if (body['next'] === null) break;
      cursor = `&cursor=${body['next'] as string}`;
    }
    expect(words).toEqual([
      ['acknowledged', 'whole', 'on my way'],
      ['active', '', ''],
      ['stale', '', ''],
      ['active', '', ''],
    ]);
  });
});

describe('a token that is limited to sites', () => {
  it('sees and does nothing to alarms of others', async () => {
    const { list, ask, oslo, whole } = open();
    expect((await list(oslo)).map(({ agent }) => agent)).toEqual(['gw-oslo', 'gw-oslo']);
    expect((await ask(oslo, '/api/v1/alarms/history?alarm=3')).status).toBe(404);
    for (const [word, body] of [
      ['ack', {}],
      ['shelve', { for: '1h' }],
      ['unshelve', {}],
    ] as const)
      expect((await ask(oslo, `/api/v1/alarms/3/${word}`, body)).status).toBe(404);
    expect((await list(whole, '?agent=gw-rome&state=active'))[0]).toMatchObject({ acknowledged: null, shelved: null });
    expect((await ask(oslo, '/api/v1/alarms/1/ack', {})).body).toMatchObject({ acknowledged: { by: 'oslo' } });
  });
});

describe('what people do', () => {
  it('is answered with what the alarm is then, and audited', async () => {
    const { ask, whole, audit } = open();
    const { body } = await ask(whole, '/api/v1/alarms/1/shelve', { for: '8h', note: 'new fan' });
    expect(body).toMatchObject({ id: 1, shelved: { by: 'whole', untilMs: now + 8 * 3_600_000, note: 'new fan' } });
    expect(audit.list()[0]).toMatchObject({
      who: 'whole',
      what: 'POST /api/v1/alarms/:id/shelve',
      target: 'id=1 for=8h note=new fan',
      outcome: 'ok',
    });
  });

  it.each([
    ['/api/v1/alarms/1/shelve', { for: '8' }, 'for: 8 has no unit'],
    ['/api/v1/alarms/1/shelve', { for: '8d' }, 'at most 7d'],
    ['/api/v1/alarms/1/shelve', {}, 'for: '],
    ['/api/v1/alarms/1/unshelve', {}, 'not shelved'],
    ['/api/v1/alarms/2/ack', {}, 'alarm 2 is cleared'],
    ['/api/v1/alarms/x/ack', {}, 'id: write a whole number'],
    ['/api/v1/alarms/1/ack', { id: 2 }, 'unknown parameter "id"'],
  ])('%s with %o is refused with the fix', async (url, payload, detail) => {
    const { ask, whole } = open();
    const { status, body } = await ask(whole, url, payload);
    expect([status, body['detail']]).toEqual([400, expect.stringContaining(detail)]);
  });
});
