import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '@fogline/shared/clock';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { silentLogger } from '@fogline/shared/log';
import { decodeWelcome, encodeBatch, encodeHello, encodeSeries } from '@fogline/shared/protocol/messages';
import { systemRandom } from '@fogline/shared/random';
import { flagText } from '@fogline/shared/reading';
import mqtt, { type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defaultAlarms } from './alarms/alarm-config.ts';
import type { HubConfig } from './config.ts';
import { copyCredentials, openDataFolder } from './data-folder.ts';
import { AgentRegistry } from './fleet/agents.ts';
import { ApiTokens } from './fleet/tokens.ts';
import { type Hub, openHub } from './hub.ts';
import { keptForEver } from './store/retention.ts';
import { definition } from './testing/store-fixture.ts';

const epoch = '00112233445566aa';
/** Looks for revoked tokens at once instead of every quarter of a second, and for damage without a rest. */
const clock: Clock = {
  ...systemClock,
  after: (name, delayMs, fire) =>
    systemClock.after(name, ['hub.credentials', 'hub.damage-watch'].includes(name) ? 1 : delayMs, fire),
};
const ports = { clock, random: systemRandom, log: silentLogger };
let folder = '';
const hubs: Hub[] = [];
const clients: MqttClient[] = [];
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fogline-hub-'));
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.end(true);
  for (const hub of hubs.splice(0)) await hub.close();
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

function config(fields: Partial<HubConfig> = {}): HubConfig {
  const listener = { host: '127.0.0.1', port: 0 };
  return {
    dataFolder: folder,
    http: listener,
    mqtt: listener,
    retention: keptForEver,
    alarms: defaultAlarms,
    ...fields,
  };
}

async function open(fields: Partial<HubConfig> = {}, options: Parameters<typeof openHub>[2] = {}): Promise<Hub> {
  const hub = await openHub(config(fields), ports, options);
  hubs.push(hub);
  return hub;
}

/** An agent that said hello and was welcomed. */
async function connect(hub: Hub, agent: string, token: string): Promise<MqttClient> {
  const client = await mqtt.connectAsync(`mqtt://${hub.mqttAddress}`, {
    username: agent,
    password: token,
    clientId: `${agent}:${epoch}`,
    reconnectPeriod: 0,
  });
  clients.push(client);
  client.on('error', () => {});
  await client.subscribeAsync(`fl/1/${agent}/welcome`, { qos: 1 });
  const welcome = new Promise<Uint8Array>((resolve) => {
    client.once('message', (_topic, payload) => resolve(payload));
  });
  const zero = [0, 0, 0, 0];
  const epochs = [{ epoch, parent: undefined, seriesBase: 0, seriesCount: 1, last: zero }];
  const hello = {
    session: 7,
    page: 1,
    pages: 1,
    current: epoch,
    software: 'test',
    clockMs: 0,
    isClockTrusted: true,
    queued: zero,
    epochs,
  };
  await client.publishAsync(`fl/1/${agent}/hello`, Buffer.from(encodeHello({ agent, ...hello })), { qos: 1 });
  expect(decodeWelcome(await welcome)).toMatchObject({ agent, session: 7, to: epoch });
  return client;
}

async function get(
  hub: Hub,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${hub.httpUrl}${path}`, { headers });
  return { status: response.status, body: await response.json() };
}

describe('the hub', () => {
  it('takes what an agent sends, answers at once, and still knows it after a restart', async () => {
    const hub = await open();
    const client = await connect(hub, 'gw1', hub.agents.create('gw1'));
    const columns = {
      count: 1,
      series: Uint32Array.of(0),
      time: Float64Array.of(1_767_225_600_000),
      value: Float64Array.of(20.5),
      flags: Uint8Array.of(0),
      strings: [],
    };
    const batch = {
      agent: 'gw1',
      epoch,
      lane: 2,
      first: 1,
      last: 1,
      parts: [{ kind: 'readings', bytes: encodeReadings(columns, 'fast') }],
    } as const;
    await client.publishAsync(
      'fl/1/gw1/series',
      Buffer.from(encodeSeries({ agent: 'gw1', epoch, first: 0, definitions: [definition()] })),
      { qos: 1 },
    );
    await client.publishAsync('fl/1/gw1/batch', Buffer.from(encodeBatch(batch)), { qos: 1 });
    const question = '/api/v1/data?match=temperature&from=1767225600000&to=1767225660000&every=1m&agg=mean';
    const answer = {
      status: 200,
      body: { series: [{ columns: { time: [1_767_225_600_000], mean: [20.5] } }], complete: true },
    };
    expect(await get(hub, question)).toMatchObject(answer);
    expect(await get(hub, '/readyz')).toEqual({ status: 200, body: { status: 'ok' } });
    const metrics = await (await fetch(`${hub.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(/fogline_hub_ingest_total\{kind="itemsApplied"\} 1\n/);
    expect(metrics).toMatch(/fogline_hub_agents_connected 1\n/);
    await hub.close();
    expect(await get(await open(), question)).toMatchObject(answer);
  });

  it('carries out over HTTP what commands order, and what is deleted has a copy beside the database by then', async () => {
    const hub = await open();
    const client = await connect(hub, 'gw1', hub.agents.create('gw1'));
    const series = encodeSeries({ agent: 'gw1', epoch, first: 0, definitions: [definition()] });
    await client.publishAsync('fl/1/gw1/series', Buffer.from(series), { qos: 1 });
    const response = await fetch(`${hub.httpUrl}/api/v1/series/1/delete-range`, {
      method: 'POST',
      headers: { authorization: `Bearer ${hub.firstToken ?? ''}`, 'content-type': 'application/json' },
      body: JSON.stringify({ from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }),
    });
    expect([response.status, await response.json()]).toMatchObject([200, { done: expect.stringContaining('nothing') }]);
    expect(readFileSync(join(folder, 'hub.tombstones'), 'latin1')).toContain('"fromMs":1767225600000');
  });

  it('keeps the alarms that agents tell of, and tells a webhook', async () => {
    const told = Promise.withResolvers<string>();
    const receiver = createHttpServer((request, response) => {
      request.on('data', (body) => told.resolve(String(body)));
      request.on('end', () => response.writeHead(204).end());
    });
    servers.push(receiver);
    await new Promise<void>((resolve) => {
      receiver.listen(0, '127.0.0.1', resolve);
    });
    const { port } = receiver.address() as AddressInfo;
    const webhook = {
      name: 'ops',
      url: new URL(`http://127.0.0.1:${port}/`),
      key: new Uint8Array(32),
      allowsPrivate: true,
      states: ['active'],
      severities: ['unknown'],
    };
    const hub = await open({ alarms: { ...defaultAlarms, webhooks: [webhook] } });
    const client = await connect(hub, 'gw1', hub.agents.create('gw1'));
    const definitions = [definition({ stream: 'alarms', metric: 'overheat', type: 'text' })];
    const columns = {
      count: 1,
      series: Uint32Array.of(0),
      time: Float64Array.of(1_767_225_600_000),
      value: Float64Array.of(0),
      flags: Uint8Array.of(flagText),
      strings: ['active'],
    };
    const parts = [{ kind: 'readings', bytes: encodeReadings(columns, 'fast') }] as const;
    const batch = { agent: 'gw1', epoch, lane: 0, first: 1, last: 1, parts } as const;
    const series = encodeSeries({ agent: 'gw1', epoch, first: 0, definitions });
    await client.publishAsync('fl/1/gw1/series', Buffer.from(series), { qos: 1 });
    await client.publishAsync('fl/1/gw1/batch', Buffer.from(encodeBatch(batch)), { qos: 1 });
    const alarm = { agent: 'gw1', alarm: 'overheat', state: 'active', sinceMs: 1_767_225_600_000 };
    expect((await get(hub, '/api/v1/alarms')).body).toMatchObject({ alarms: [alarm] });
    expect(JSON.parse(await told.promise)).toMatchObject({ type: 'alarm.active', data: alarm });
    const metrics = await (await fetch(`${hub.httpUrl}/metrics`)).text();
    expect(metrics).toMatch(/fogline_hub_alarms\{state="active"\} 1\n/);
    expect(metrics).toMatch(/fogline_hub_alarm_breaker\{webhook="ops"\} 0\n/);
  });

  it('one folder has one hub', async () => {
    await open();
    await expect(open()).rejects.toThrow(
      expect.objectContaining({
        code: 'address_in_use',
        message: `${folder} is in use by another hub; stop it, or give another folder with --data`,
      }),
    );
    await hubs[0]?.close();
    await open();
  });

  it.each(['revoke', 'rotate'] as const)('an agent loses its connection when another process does %s', async (what) => {
    const hub = await open();
    const client = await connect(hub, 'gw1', hub.agents.create('gw1'));
    const closed = new Promise<void>((resolve) => {
      client.once('close', () => resolve());
    });
    const other = openDataFolder(folder);
    new AgentRegistry(other, systemClock)[what]('gw1');
    other.close();
    await closed;
  });
});

describe('damage while it runs', () => {
  it('is found in the background, ends the hub with a reason, and the next start salvages and reports it', async () => {
    const hub = await open();
    hub.agents.create('gw1');
    expect(await (await fetch(`${hub.httpUrl}/metrics`)).text()).toContain('fogline_hub_is_salvaged 0\n');
    const other = openDataFolder(folder);
    other.exec("INSERT INTO batches VALUES (7, 1, 2, 1, 1, 0, 0, 0, x'00')");
    other.close();
    await expect(hub.failed).rejects.toThrow('the database is damaged: batches: batch 7');
    expect(await get(hub, '/readyz')).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('batch 7') },
    });
    await hub.close();
    const next = await open();
    expect(await get(next, '/readyz')).toMatchObject({ status: 200 });
    expect(await (await fetch(`${next.httpUrl}/metrics`)).text()).toContain('fogline_hub_is_salvaged 1\n');
    expect(await get(next, '/api/v1/events')).toMatchObject({
      body: { events: [{ kind: 'hub_damaged', agent: 'gw1' }] },
    });
    await hub.close();
  });
});

describe('an alarm whose state cannot be read', () => {
  const planted = (body: string): void => {
    const other = openDataFolder(folder);
    other.exec(
      `INSERT INTO alarms (origin, rule, agent, series, state, changed, body) VALUES ('missing', '', 1, 0, 'active', 0, '${body}')`,
    );
    other.close();
  };

  it.each(['{"word"', '{"wosd":"active"}'])('%s is found by the next start, which goes on without it', async (body) => {
    const hub = await open();
    hub.agents.create('gw1');
    await hub.close();
    planted(body);
    const next = await open();
    expect(await get(next, '/api/v1/alarms')).toMatchObject({ status: 200, body: { alarms: [] } });
    expect(await (await fetch(`${next.httpUrl}/metrics`)).text()).toContain('fogline_hub_is_salvaged 1\n');
    await next.close();
  });
});

describe('addresses', () => {
  async function occupy(): Promise<number> {
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  it.each(['http', 'mqtt'] as const)('a taken %s port is an error that names another', async (name) => {
    const port = await occupy();
    await expect(open({ [name]: { host: '127.0.0.1', port } })).rejects.toThrow(
      expect.objectContaining({
        code: 'address_in_use',
        message: `${name}: 127.0.0.1:${port} is taken by another process; stop that, or choose another with --${name} 127.0.0.1:${port + 1}`,
      }),
    );
    await open();
  });

  it('on request it is replaced by a free one', async () => {
    const http = { host: '127.0.0.1', port: await occupy() };
    const mqttListener = { host: '127.0.0.1', port: await occupy() };
    const hub = await open({ http, mqtt: mqttListener }, { portFallback: true });
    expect(hub.mqttPort).not.toBe(mqttListener.port);
    expect(await get(hub, '/healthz')).toMatchObject({ status: 200 });
  });
});

describe('beyond loopback', () => {
  const everywhere = { host: '0.0.0.0', port: 0 };

  it('nothing listens until a credential exists', async () => {
    await expect(open({ mqtt: everywhere })).rejects.toThrow('run "fogline-hub agent add ID" first');
    const db = openDataFolder(folder);
    new ApiTokens(db, systemClock).revoke('admin');
    copyCredentials(folder, db);
    db.close();
    await expect(open({ http: everywhere })).rejects.toThrow(
      'http.listen is to listen on 0.0.0.0, beyond this machine, but there is no credential yet: run "fogline-hub token add NAME --scope read" first, or listen on 127.0.0.1',
    );
  });

  it('a revoked agent is no credential', async () => {
    const db = openDataFolder(folder);
    const registry = new AgentRegistry(db, systemClock);
    registry.create('gw1');
    registry.revoke('gw1');
    db.close();
    await expect(open({ mqtt: everywhere })).rejects.toThrow('run "fogline-hub agent add ID" first');
  });

  it('the first start makes a token that may do everything, and no other start does', async () => {
    const hub = await open({ http: everywhere });
    const headers = { authorization: `Bearer ${hub.firstToken ?? ''}` };
    expect(hub.firstToken).toMatch(/^[\w-]{43}$/);
    const made = await fetch(`${hub.httpUrl}/api/v1/tokens`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'grafana', scopes: ['read'] }),
    });
    expect(made.status).toBe(201);
    const { token } = (await made.json()) as { token: string };
    expect((await get(hub, '/api/v1/series', { authorization: `Bearer ${token}` })).status).toBe(200);
    expect((await get(hub, '/api/v1/tokens', { authorization: `Bearer ${token}` })).status).toBe(403);
    expect((await fetch(`${hub.httpUrl}/api/v1/tokens/grafana`, { method: 'DELETE', headers })).status).toBe(200);
    expect(readFileSync(join(folder, 'hub.credentials'), 'utf8')).toMatch(/"grafana"[^}]*"revoked":\d/);
    await hub.close();
    const again = await open({ http: everywhere });
    expect(again.firstToken).toBeUndefined();
    expect(await get(again, '/api/v1/audit', headers)).toMatchObject({
      status: 200,
      body: {
        audit: [
          { who: 'admin', what: 'DELETE /api/v1/tokens/:name', target: 'name=grafana', outcome: 'ok' },
          { who: 'grafana', what: 'GET /api/v1/tokens', target: '', outcome: 'forbidden', times: 1 },
          { who: 'admin', what: 'POST /api/v1/tokens', target: 'name=grafana scopes=["read"]', outcome: 'ok' },
          { who: 'hub', what: 'first start', target: 'token name=admin', outcome: 'ok' },
        ],
      },
    });
  });

  it('an open stream ends when another process revokes its token', async () => {
    const hub = await open({ http: everywhere });
    const headers = { authorization: `Bearer ${hub.firstToken ?? ''}` };
    const stream = await fetch(`${hub.httpUrl}/api/v1/stream`, { headers });
    expect(stream.status).toBe(200);
    const other = openDataFolder(folder);
    new ApiTokens(other, systemClock).revoke('admin');
    other.close();
    expect(await stream.text()).toMatch(/event: live\n[^]*event: end\ndata: \{"reason":"the token was revoked"\}\n\n$/);
  });

  it('a token is asked for, until it is revoked', async () => {
    const db = openDataFolder(folder);
    const token = new ApiTokens(db, systemClock).create('me', { scopes: ['read'], sites: undefined });
    db.close();
    const hub = await open({ http: everywhere });
    const headers = { authorization: `Bearer ${token}` };
    expect((await get(hub, '/api/v1/series')).status).toBe(401);
    expect((await get(hub, '/api/v1/series', headers)).status).toBe(200);
    hub.tokens.revoke('me');
    expect((await get(hub, '/api/v1/series', headers)).status).toBe(401);
  });
});
