import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it, vi } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { openApiFixture } from '../testing/api-fixture.ts';
import { definition } from '../testing/store-fixture.ts';

const now = Date.UTC(2026, 0, 1);
const { api, core, db, agent, tokens } = openApiFixture(now, { isLoopback: false });
const registry = new AgentRegistry(db, new ManualClock(now));

for (const [name, site] of [
  ['gw-oslo', 'oslo'],
  ['gw-rome', 'rome'],
  ['gw-none', ''],
] as const) {
  registry.create(name);
  registry.setSite(name, site);
  const sender = agent(name, [definition({ device: `of-${name}` })]);
  sender.send([{ series: 0, timeMs: now - 60_000, value: 20 }]);
  sender.void(2, { reason: 'gone', stats: [], statsOmitted: 2, hours: [[Math.floor(now / 3_600_000), 2]] });
  core.order({
    kind: 'series_delete',
    series: core.read.newestSeries(),
    fromMs: now - 7_200_000,
    toMs: now - 3_600_000,
  });
  // A second epoch without parent: noted as an event.
  agent(name, [definition({ device: `of-${name}` })], '00000000000000a2');
  sender.submit('batch', new Uint8Array([1, 2, 3]));
}

async function ask(url: string, token: string): Promise<string> {
  const headers = { host: 'hub.example', authorization: `Bearer ${token}` };
  const response = await api.app.inject({ method: 'GET', url, headers });
  expect(response.statusCode, response.body).toBe(200);
  return response.body;
}

const whole = tokens.create('whole', { scopes: ['read'], sites: undefined });
const oslo = tokens.create('oslo', { scopes: ['read'], sites: ['oslo'] });
const both = tokens.create('both', { scopes: ['read'], sites: ['oslo', 'rome'] });
const nowhere = tokens.create('nowhere', { scopes: ['read'], sites: ['paris'] });

const addresses = [
  '/api/v1/data?match={}&from=now-1h',
  '/api/v1/data?match={}&from=now-1h&every=1m',
  '/api/v1/series',
  '/api/v1/series?match={kind="reading"}',
  '/api/v1/latest',
  '/api/v1/gaps?every=1h',
  '/api/v1/agents',
  '/api/v1/devices',
  '/api/v1/events',
  '/api/v1/ledger',
  '/api/v1/quarantine',
  '/api/v1/deleted',
];

describe('a token that is limited to sites', () => {
  it.each(addresses)('sees of %s what is there, and nothing of other sites', async (url) => {
    const agentsIn = (body: string) => [...new Set(body.match(/gw-[a-z]+/g))].sort();
    expect(agentsIn(await ask(url, whole))).toEqual(['gw-none', 'gw-oslo', 'gw-rome']);
    expect(agentsIn(await ask(url, both))).toEqual(['gw-oslo', 'gw-rome']);
    expect(agentsIn(await ask(url, oslo))).toEqual(['gw-oslo']);
  });

  it.each(addresses.filter((url) => !url.includes('/data')))('%s is empty where there is nothing', async (url) => {
    expect(await ask(url, nowhere)).not.toContain('gw-');
  });

  it('the site is a label that selectors know', async () => {
    const { series } = JSON.parse(await ask('/api/v1/series?match={site="rome"}', whole)) as { series: object[] };
    expect(series).toMatchObject([{ labels: { agent: 'gw-rome', site: 'rome' } }]);
  });

  it('pages are full as long as there is something', async () => {
    const page = JSON.parse(await ask('/api/v1/events?limit=1', oslo)) as { events: object[]; complete: boolean };
    expect(page).toMatchObject({ events: [{ agent: 'gw-oslo' }], complete: true });
  });

  it('a page of events costs one read, however many there are of other sites', async () => {
    const insert = db.prepare(
      "INSERT INTO events (at, agent, kind, epoch, detail) VALUES (0, ?, 'replaced', NULL, '{}')",
    );
    const rome = core.read.agent('gw-rome')?.id ?? 0;
    db.transaction(() => {
      for (let n = 0; n < 5_000; n++) insert.run(rome);
    });
    const read = vi.spyOn(core.read, 'events');
    const page = JSON.parse(await ask('/api/v1/events', oslo)) as { events: object[]; complete: boolean };
    expect(page).toMatchObject({ events: [{ agent: 'gw-oslo' }], complete: true });
    expect(read).toHaveBeenCalledTimes(1);
    read.mockRestore();
  });

  it('an agent that moves is seen where it stands', async () => {
    registry.setSite('gw-none', 'oslo');
    expect(await ask('/api/v1/latest', oslo)).toContain('gw-none');
    registry.setSite('gw-none', '');
    expect(await ask('/api/v1/latest', oslo)).not.toContain('gw-none');
  });
});
