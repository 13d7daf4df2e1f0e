import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type AlarmFixture, openAlarmFixture } from '../testing/alarm-fixture.ts';
import { definition, openStoreFixture } from '../testing/store-fixture.ts';
import { guardedLookup } from './address-guard.ts';
import type { WebhookConfig } from './alarm-config.ts';
import type { Alarms } from './alarms.ts';
import { breakerLimits } from './circuit-breaker.ts';
import { NotificationQueue, queueLimits } from './notification-queue.ts';

const start = Date.UTC(2026, 0, 1);
const secret = 'a secret of some length';
const servers: Server[] = [];
const rooms: Alarms[] = [];

afterEach(() => {
  for (const room of rooms.splice(0)) room.stop();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly path: string;
  readonly body: string;
}

/** A server that answers each request with the next of these, and the last for ever. */
async function receive(...answers: (number | ((response: ServerResponse) => void))[]) {
  const got: Got[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      got.push({ headers: request.headers, path: request.url ?? '', body });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (typeof answer === 'function') answer(response);
      else response.writeHead(answer ?? 200, answer === 302 ? { location: '/elsewhere' } : {}).end();
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const count = (atLeast: number): Promise<void> =>
    vi.waitFor(() => expect(got.length).toBeGreaterThanOrEqual(atLeast));
  return { got, port, count };
}

interface World extends Pick<AlarmFixture, 'clock' | 'logged' | 'core' | 'agent' | 'rows'> {
  readonly alarms: Alarms;
  open(fields?: Partial<WebhookConfig>, hasRoom?: () => boolean): Alarms;
  settled(counts: Partial<Alarms['webhooks']['counts']>): Promise<void>;
  send(...rows: readonly (readonly [timeMs: number, word: string])[]): void;
}

function openWorld(port: number, fields: Partial<WebhookConfig> = {}, lookup: { lookup?: LookupFunction } = {}): World {
  const fixture = openAlarmFixture(start);
  let alarms: Alarms | undefined;
  const open = (changed: Partial<WebhookConfig> = {}, hasRoom = (): boolean => true): Alarms => {
    const webhook = {
      name: 'ops',
      url: new URL(`http://127.0.0.1:${port}/alarms?x=1`),
      key: new Uint8Array(Buffer.from(secret)),
      allowsPrivate: true,
      states: ['active', 'cleared', 'stale', 'ended'],
      severities: ['unknown'],
      ...fields,
      ...changed,
    };
    alarms = fixture.open({ webhooks: [webhook] }, { hasRoom, ...lookup });
    rooms.push(alarms);
    return alarms;
  };
  const first = open();
  const agent = fixture.agent('gw', [definition({ stream: 'alarms', metric: 'overheat', type: 'text' })]);
  return {
    ...fixture,
    alarms: first,
    open,
    settled: (counts) => vi.waitFor(() => expect(alarms?.webhooks.counts).toMatchObject(counts)),
    send: (...rows) =>
      agent.send(
        rows.map(([timeMs, value]) => ({ series: 0, timeMs, value })),
        [],
        0,
      ),
  };
}

const fail = (error: unknown): void => {
  throw error;
};

/** What docs/hub.md says that a receiver should do. */
function isGenuine(key: string, headers: IncomingHttpHeaders, body: string): boolean {
  const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`;
  const expected = Buffer.from(`v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
  const given = Buffer.from(String(headers['webhook-signature']));
  return given.length === expected.length && timingSafeEqual(given, expected);
}

describe('a notification', () => {
  it('says what the alarm is, signed so that the receiver can tell', async () => {
    const { got, port, count } = await receive(204);
    const { alarms, clock, send, settled } = openWorld(port);
    alarms.start(fail);
    send([start - 60_000, 'active']);
    clock.advance(0);
    await count(1);
    const [{ headers, path, body } = { headers: {}, path: '', body: '' }] = got;
    expect(path).toBe('/alarms?x=1');
    expect(JSON.parse(body)).toMatchObject({
      type: 'alarm.active',
      timestamp: new Date(start - 60_000).toISOString(),
      data: { id: 1, origin: 'agent', alarm: 'overheat', agent: 'gw', device: 'd1', state: 'active', severity: null },
    });
    expect(headers['webhook-timestamp']).toBe(String(start / 1000));
    expect(isGenuine(secret, headers, body)).toBe(true);
    expect(isGenuine('another secret', headers, body)).toBe(false);
    expect(isGenuine(secret, headers, body.replace('active', 'cleared'))).toBe(false);
    expect(isGenuine(secret, { ...headers, 'webhook-timestamp': '1' }, body)).toBe(false);
    await settled({ sent: 1 });
    expect(alarms.webhooks.waiting()).toEqual({});
  });

  it('is sent again, the same and in order, until somebody took it', async () => {
    const { got, port, count } = await receive(500, 503, 200);
    const { alarms, clock, send, settled } = openWorld(port);
    alarms.start(fail);
    const times = [1, 2, 3, 4, 5, 6, 7, 8];
    for (const timeMs of times) send([timeMs, timeMs % 2 === 1 ? 'active' : 'cleared']);
    clock.advance(0);
    await settled({ attempt_failed: 1 });
    clock.advance(1_000);
    await settled({ attempt_failed: 2 });
    clock.advance(2_000);
    await count(2 + times.length);
    await settled({ sent: times.length });
    const ids = got.map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(new Set(ids).size).toBe(times.length);
    const told = got.map(({ body }) => (JSON.parse(body) as { data: { sinceMs: number } }).data.sinceMs);
    expect(told).toEqual([1, 1, ...times]);
  });

  it('that was committed before a crash is sent after it', async () => {
    const { got, port, count } = await receive(200);
    const { send, open, settled } = openWorld(port);
    send([1, 'active']);
    expect(got).toEqual([]);
    open().start(fail);
    await count(1);
    await settled({ sent: 1 });
  });

  it('that was sent, and not removed before a crash, is sent again under the same id', async () => {
    let crash = (): void => {};
    const { got, port, count } = await receive((response) => {
      crash();
      response.writeHead(200).end();
    }, 200);
    const { alarms, clock, send, open, settled } = openWorld(port);
    crash = () => alarms.stop();
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await count(1);
    open().start(fail);
    await count(2);
    await settled({ sent: 1 });
    expect(got[1]?.headers['webhook-id']).toBe(got[0]?.headers['webhook-id']);
    expect(got[1]?.body).toBe(got[0]?.body);
  });

  it('that the receiver refuses for good is given up and holds nothing up', async () => {
    const { port, count } = await receive(422, 200);
    const { alarms, clock, send, settled } = openWorld(port);
    alarms.start(fail);
    send([1, 'active']);
    send([2, 'cleared']);
    clock.advance(0);
    await count(2);
    await settled({ refused: 1, sent: 1, attempt_failed: 0 });
  });

  it('that nobody takes for a day is given up, counted', async () => {
    const { port } = await receive(500);
    const { alarms, clock, send, settled } = openWorld(port);
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await settled({ attempt_failed: 1 });
    clock.jumpWall(start + queueLimits.expiresMs);
    clock.advance(1_000);
    await settled({ expired: 1, sent: 0 });
    expect(alarms.webhooks.waiting()).toEqual({});
  });

  it('is for states and severities that the webhook wants, and of several in one batch the last', async () => {
    const { got, port, count } = await receive(200);
    const { alarms, clock, send } = openWorld(port, { states: ['active'] });
    alarms.start(fail);
    send([1, 'active'], [2, 'cleared']);
    send([3, 'active'], [4, 'cleared'], [5, 'active']);
    clock.advance(0);
    await count(1);
    expect(got.map(({ body }) => (JSON.parse(body) as { data: { sinceMs: number } }).data.sinceMs)).toEqual([5]);
    const other = openWorld(port, { severities: ['critical'] });
    other.send([1, 'active']);
    expect(other.alarms.webhooks.waiting()).toEqual({});
  });

  it('tells the end of an alarm whose series was merged into another', async () => {
    const { got, port, count } = await receive(200);
    const { alarms, clock, send, core, agent, rows } = openWorld(port);
    agent('gw', [definition({ stream: 'alarms', metric: 'overheat', device: 'd2', type: 'text' })], 'b'.repeat(16));
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await count(1);
    core.order({ kind: 'series_merge', series: 1, into: 2 });
    clock.advance(60_000);
    await count(2);
    expect(got.map(({ body }) => (JSON.parse(body) as { type: string; data: object }).type)).toEqual([
      'alarm.active',
      'alarm.ended',
    ]);
    expect(JSON.parse(got[1]?.body ?? '')).toMatchObject({ data: { alarm: 'overheat', device: 'd1' } });
    expect(alarms.countByState()).not.toHaveProperty('active');
    expect(rows()).toEqual([]);
  });

  it('is read no answer: one that never ends takes no memory, one that never comes ends after 10 s', async () => {
    const closed: boolean[] = [];
    const { port, count } = await receive(
      (response) => {
        response.on('close', () => void closed.push(true));
        response.writeHead(200);
        const more = (): void => void (response.destroyed || response.write(Buffer.alloc(65_536), () => more()));
        more();
      },
      () => {},
    );
    const { alarms, clock, send, settled, logged } = openWorld(port);
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await settled({ sent: 1 });
    await vi.waitFor(() => expect(closed).toEqual([true]));
    send([2, 'cleared']);
    clock.advance(0);
    await count(2);
    clock.advance(10_000);
    await settled({ attempt_failed: 1 });
    expect(logged).toMatchObject([{ why: 'no answer in 10 s' }]);
  });
});

describe('a server that fails', () => {
  it('is left alone after five failures, then asked once, and is trusted again when it answers', async () => {
    const { got, port } = await receive(500, 500, 500, 500, 500, 500, 200);
    const { alarms, clock, send, settled } = openWorld(port);
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    for (let failures = 1; failures <= breakerLimits.failuresMax; failures++) {
      await settled({ attempt_failed: failures });
      // As long as a delay may be, and shorter than an attempt.
      if (failures < breakerLimits.failuresMax) clock.advance(8_000);
    }
    expect(alarms.breakerLevels()).toEqual({ ops: 2 });
    clock.advance(breakerLimits.openMs - 1);
    expect(alarms.breakerLevels()).toEqual({ ops: 2 });
    clock.advance(1);
    expect(alarms.breakerLevels()).toEqual({ ops: 1 });
    await settled({ attempt_failed: 6 });
    clock.advance(2 * breakerLimits.openMs - 1);
    expect(got).toHaveLength(6);
    expect(alarms.breakerLevels()).toEqual({ ops: 2 });
    clock.advance(1);
    await settled({ sent: 1 });
    expect(alarms.breakerLevels()).toEqual({ ops: 0 });
  });
});

describe('where a webhook may go', () => {
  it('a redirect is a failure, and not followed', async () => {
    const { got, port } = await receive(302);
    const { alarms, clock, send, settled, logged } = openWorld(port);
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await settled({ attempt_failed: 1 });
    expect(got.map(({ path }) => path)).toEqual(['/alarms?x=1']);
    expect(logged).toMatchObject([{ why: expect.stringContaining('redirects are not followed') }]);
  });

  it.each([
    ['127.0.0.1', undefined],
    ['localhost', undefined],
    ['[::1]', undefined],
    ['[::ffff:127.0.0.1]', undefined],
    ['2130706433', undefined],
    ['rebound.example', ['127.0.0.1']],
    ['rebound.example', ['1.1.1.1', '127.0.0.1']],
  ])('%s (%s) is not asked, unless that is allowed', async (host, addresses) => {
    const { got, port } = await receive(200);
    const found = addresses?.map((address) => ({ address, family: 4 }));
    const resolve = (_name: string, _options: object, callback: (error: null, list: unknown) => void): void =>
      callback(null, found);
    const lookup = found === undefined ? {} : { lookup: guardedLookup(false, resolve as never) };
    const url = new URL(`http://${host}:${port}/`);
    const { alarms, clock, send, settled, logged } = openWorld(port, { url, allowsPrivate: false }, lookup);
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await settled({ attempt_failed: 1 });
    expect(logged).toMatchObject([{ why: expect.stringContaining('loopback or private') }]);
    expect(got).toEqual([]);
  });

  it('a name of this machine is asked where that is allowed', async () => {
    const { port, count } = await receive(200);
    const { alarms, clock, send } = openWorld(port, { url: new URL(`http://localhost:${port}/`) });
    alarms.start(fail);
    send([1, 'active']);
    clock.advance(0);
    await count(1);
  });
});

describe('what waits', () => {
  it('is bounded: the oldest leaves, counted', () => {
    const { db } = openStoreFixture(new ManualClock(start));
    const queue = new NotificationQueue(db);
    let dropped = 0;
    db.transaction(() => {
      for (let i = 0; i < queueLimits.notificationsMax + 3; i++)
        dropped += queue.add('ops', { id: `msg_${i}`, body: '{}' }, start);
    });
    expect(dropped).toBe(3);
    expect(queue.next('ops')?.id).toBe('msg_3');
    expect(queue.waiting()).toEqual({ ops: queueLimits.notificationsMax });
  });

  it('waits on a full disk, where it could not be noted that it was sent, and goes with the first room', async () => {
    const { got, port, count } = await receive(200);
    const { send, open, clock, settled } = openWorld(port);
    send([1, 'active']);
    let hasRoom = false;
    open({}, () => hasRoom).start(fail);
    clock.advance(60_000);
    expect(got).toEqual([]);
    hasRoom = true;
    clock.advance(5_000);
    await count(1);
    await settled({ sent: 1 });
  });

  it('for a webhook that is gone leaves with the next start, counted', async () => {
    const { port } = await receive(200);
    const { send, open } = openWorld(port);
    send([1, 'active']);
    const next = open({ name: 'other' });
    next.start(fail);
    expect(next.webhooks.waiting()).toEqual({});
    expect(next.webhooks.counts.unconfigured).toBe(1);
  });
});
