import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { type ApiFixture, openApiFixture } from '../testing/api-fixture.ts';
import { definition, type FixtureAgent } from '../testing/store-fixture.ts';

const now = Date.UTC(2026, 0, 1);
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const { close } of opened.splice(0).reverse()) await close();
});

interface World extends ApiFixture {
  readonly port: number;
  readonly gw: FixtureAgent;
  readonly served: Socket[];
}

async function open(isLoopback = true): Promise<World> {
  const fixture = openApiFixture(now, { isLoopback });
  const served: Socket[] = [];
  fixture.api.app.server.on('connection', (socket) => served.push(socket));
  const port = Number(new URL(await fixture.api.app.listen({ host: '127.0.0.1', port: 0 })).port);
  opened.push({ close: () => fixture.api.close() });
  return { ...fixture, port, served, gw: fixture.agent('gw', [definition()]) };
}

/** Until it is true; each turn lets the hub's clock go on. */
async function until(world: World, isTrue: () => boolean): Promise<void> {
  while (!isTrue()) {
    world.clock.advance(10);
    await nextTurn();
  }
}

class Events {
  readonly response: Response;
  text = '';
  isOver = false;

  constructor(response: Response) {
    this.response = response;
    void this.#read();
  }

  async #read(): Promise<void> {
    try {
      for await (const chunk of response(this.response)) this.text += Buffer.from(chunk).toString();
    } catch {
      // Cut off.
    }
    this.isOver = true;
  }

  /** Lines that begin with `event: `. */
  types(): string[] {
    return [...this.text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type ?? '');
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }
}

const response = ({ body }: Response): AsyncIterable<Uint8Array> => body as unknown as AsyncIterable<Uint8Array>;

async function events(world: World, query: string, headers: Record<string, string> = {}): Promise<Events> {
  const abort = new AbortController();
  opened.push({ close: () => abort.abort() });
  const url = `http://127.0.0.1:${world.port}/api/v1/stream?${query}`;
  return new Events(await fetch(url, { headers, signal: abort.signal }));
}

describe('server-sent events', () => {
  it('begin with what is, go on with what is committed, and after a reconnect with what came meanwhile', async () => {
    const world = await open();
    world.gw.send([{ series: 0, timeMs: now, value: 20 }]);
    const stream = await events(world, 'match=temperature');
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    await until(world, () => stream.types().includes('live'));
    world.gw.send([{ series: 0, timeMs: now + 1, value: 21 }]);
    await until(world, () => stream.types().includes('committed'));
    expect(stream.text).toMatch(/^retry: 2000\n\nevent: current\ndata: \{"values":\[\{"series":1,/);
    expect(stream.text).toContain(
      `event: committed\ndata: {"rows":[{"series":1,"time":[${now + 1}],"value":[21],"quality":["good"]}]}\n\n`,
    );
    world.gw.send([{ series: 0, timeMs: now + 2, value: 22 }]);
    const again = await events(world, 'match=temperature', { 'last-event-id': stream.lastId });
    await until(world, () => again.types().includes('committed'));
    expect(again.types()).toEqual(['live', 'committed']);
    expect(again.text).toContain('"value":[22]');
    const late = await events(world, 'match=temperature', { 'last-event-id': 'of yesterday' });
    await until(world, () => late.types().includes('live'));
    expect(late.types()).toEqual(['reset', 'current', 'live']);
  });

  it('a quiet stream is kept alive, and its place goes on', async () => {
    const world = await open();
    world.agent('other', [definition({ metric: 'humidity' })]).send([{ series: 0, timeMs: now, value: 1 }]);
    const stream = await events(world, 'match=temperature');
    await until(world, () => stream.types().includes('live'));
    const before = stream.lastId;
    world.agent('third', [definition({ metric: 'humidity' })]).send([{ series: 0, timeMs: now, value: 1 }]);
    world.clock.advance(15_000);
    await until(world, () => stream.text.includes(': still here\n\n'));
    expect(stream.lastId).not.toBe(before);
  });

  it.each([
    ['match=temperature[', 400, 'match:'],
    ['match=t&limit=1', 400, 'unknown parameter "limit"; this address takes match'],
  ])('%s is refused as any question', async (query, status, detail) => {
    const world = await open();
    const refused = await events(world, query);
    expect(refused.response.status).toBe(status);
    expect(refused.response.headers.get('content-type')).toBe('application/problem+json');
    await until(world, () => refused.isOver);
    expect((JSON.parse(refused.text) as { detail: string }).detail).toContain(detail);
  });

  it('are ended when the token is revoked, and when the hub stops', async () => {
    const world = await open(false);
    const [one, other] = ['one', 'other'].map((name) =>
      world.tokens.create(name, { scopes: ['read'], sites: undefined }),
    );
    const revoked = await events(world, '', { authorization: `Bearer ${one ?? ''}` });
    const stays = await events(world, '', { authorization: `Bearer ${other ?? ''}` });
    await until(world, () => stays.types().includes('live') && revoked.types().includes('live'));
    world.tokens.revoke('one');
    world.live.credentialsChanged(false);
    await until(world, () => revoked.isOver);
    expect(revoked.text).toMatch(/event: end\ndata: \{"reason":"the token was revoked"\}\n\n$/);
    expect(stays.isOver).toBe(false);
    world.live.close();
    await until(world, () => stays.isOver);
    expect(stays.text).toMatch(/"reason":"the hub is stopping"/);
    expect(world.live.feed.viewerCount).toBe(0);
    expect(world.live.sessions.count).toBe(0);
  });

  it('of a caller of some sites have nothing of others, and end when agents move', async () => {
    const world = await open(false);
    const registry = new AgentRegistry(world.db, world.clock);
    registry.create('oslo');
    registry.setSite('oslo', 'oslo');
    const token = world.tokens.create('osloer', { scopes: ['read'], sites: ['oslo'] });
    const stream = await events(world, '', { authorization: `Bearer ${token}` });
    await until(world, () => stream.types().includes('live'));
    const theirs = world.agent('oslo', [definition()]);
    world.gw.send([{ series: 0, timeMs: now, value: 1234 }]);
    theirs.send([{ series: 0, timeMs: now, value: 5678 }]);
    await until(world, () => stream.types().includes('committed'));
    expect(stream.text).toContain('5678');
    expect(stream.text).not.toContain('1234');
    registry.setSite('oslo', 'rome');
    world.live.credentialsChanged(true);
    await until(world, () => stream.isOver);
  });

  it('leave nothing behind when the client goes', async () => {
    const world = await open();
    const stream = await events(world, '');
    await until(world, () => stream.types().includes('live'));
    expect([world.live.feed.viewerCount, world.live.sessions.count]).toEqual([1, 1]);
    await opened.pop()?.close();
    await until(world, () => world.live.feed.viewerCount === 0 && world.live.sessions.count === 0);
  });
});

interface Message {
  readonly type: string;
  readonly subscription?: string;
  readonly values?: readonly { readonly series: number; readonly skipped?: number }[];
  readonly rows?: readonly { readonly series: number; readonly value: readonly number[] }[];
  readonly detail?: string;
}

class Client {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  closed: { code: number; reason: string } | undefined;

  constructor(world: World, protocols: string[] = []) {
    this.socket = new WebSocket(`ws://127.0.0.1:${world.port}/api/v1/ws`, protocols);
    this.socket.addEventListener('message', ({ data }) => this.messages.push(JSON.parse(String(data)) as Message));
    this.socket.addEventListener('close', ({ code, reason }) => {
      this.closed = { code, reason };
    });
    opened.push({ close: () => this.socket.close() });
  }

  async send(...messages: unknown[]): Promise<void> {
    if (this.socket.readyState === WebSocket.CONNECTING) await once(this.socket, 'open');
    for (const message of messages) this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  of(subscription: string, type: string): Message[] {
    return this.messages.filter((message) => message.subscription === subscription && message.type === type);
  }
}

describe('the WebSocket', () => {
  it('carries many subscriptions, each by its name, until it is unsubscribed', async () => {
    const world = await open();
    world.gw.send([{ series: 0, timeMs: now, value: 20 }]);
    const client = new Client(world);
    await client.send(
      { subscribe: 'a', match: 'temperature' },
      { subscribe: 'b', match: ['humidity', '{agent="gw"}'] },
    );
    await until(world, () => client.of('a', 'live').length === 1 && client.of('b', 'live').length === 1);
    world.gw.send([{ series: 0, timeMs: now + 1, value: 21 }]);
    await until(world, () => client.of('a', 'committed').length === 1 && client.of('b', 'committed').length === 1);
    await client.send({ unsubscribe: 'a' });
    await until(world, () => client.of('a', 'unsubscribed').length === 1);
    world.gw.send([{ series: 0, timeMs: now + 2, value: 22 }]);
    await until(world, () => client.of('b', 'committed').length === 2);
    expect(client.of('a', 'committed').length).toBe(1);
    await client.send({ subscribe: 'a' });
    await until(world, () => client.of('a', 'live').length === 2);
  });

  it('answers what it does not understand with the fix, and stays open', async () => {
    const world = await open();
    const client = new Client(world);
    await client.send('nonsense', { subscribe: 'bad', match: 'temperature[' }, { unsubscribe: 'c' }, { subscribe: '' });
    await client.send({ subscribe: 'a' }, { subscribe: 'a' }, { subscribe: 'a', mach: 'x' });
    await until(world, () => client.messages.filter(({ type }) => type === 'problem').length === 6);
    const problems = client.messages.filter(({ type }) => type === 'problem').map(({ detail }) => detail ?? '');
    expect(problems.filter((detail) => detail.startsWith('send {"subscribe": "NAME"')).length).toBe(3);
    expect(problems).toContain('there is no subscription of this name');
    expect(problems).toContain('this name is taken; unsubscribe first, or choose another');
    expect(problems.some((detail) => detail.startsWith('match:'))).toBe(true);
  });

  it('closes on a client that talks too much, or in too large messages', async () => {
    const world = await open();
    const chatty = new Client(world);
    await chatty.send(...Array.from({ length: 200 }, () => ({ unsubscribe: 'x' })));
    await until(world, () => chatty.closed !== undefined);
    expect(chatty.closed).toEqual({ code: 1008, reason: 'more than 10 messages a second' });
    const large = new Client(world);
    await large.send('x'.repeat(20_000));
    await until(world, () => large.closed !== undefined);
    expect(large.closed?.code).toBe(1009);
    await until(world, () => world.live.sessions.count === 0);
  });

  it('takes a token as a subprotocol, and is closed when it is revoked', async () => {
    const world = await open(false);
    const token = world.tokens.create('page', { scopes: ['read'], sites: undefined });
    const stranger = new Client(world, ['fogline.v1', 'fogline.bearer.nonsense']);
    await until(world, () => stranger.closed !== undefined);
    const client = new Client(world, ['fogline.v1', `fogline.bearer.${token}`]);
    await client.send({ subscribe: 'a' });
    await until(world, () => client.of('a', 'live').length === 1);
    expect(client.socket.protocol).toBe('fogline.v1');
    world.tokens.revoke('page');
    world.live.credentialsChanged(false);
    await until(world, () => client.closed !== undefined);
    expect(client.closed).toEqual({ code: 1008, reason: 'the token was revoked' });
  });

  it.each([
    ['a page of another origin', 'Origin: https://evil.example\r\nUpgrade: websocket', 403],
    ['a rebound name', 'Upgrade: websocket', 421],
    ['no upgrade at all', 'X: y', 426],
    ['an upgrade elsewhere', 'Upgrade: websocket', 404],
    ['a malformed handshake', 'Upgrade: websocket', 400],
  ])('refuses %s', async (name, header, status) => {
    const world = await open();
    const socket = connect(world.port, '127.0.0.1');
    const host = name === 'a rebound name' ? 'evil.example' : `127.0.0.1:${world.port}`;
    const path = name === 'an upgrade elsewhere' ? '/nowhere' : '/api/v1/ws';
    const connection = header.includes('Upgrade') ? 'Upgrade' : 'close';
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: ${connection}\r\n${header}\r\n\r\n`);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    await once(socket, 'close');
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(world.live.sessions.count).toBe(0);
  });

  it('cuts off a client that answers no pings', async () => {
    const world = await open();
    const socket = await handshake(world);
    await until(world, () => world.live.sessions.count === 1);
    socket.resume();
    for (let beat = 0; beat < 4; beat++) world.clock.advance(15_000);
    await once(socket, 'close');
    expect(world.live.sessions.count).toBe(0);
  });
});

/** A WebSocket of which nobody reads. */
async function handshake(world: World): Promise<Socket> {
  const socket = connect(world.port, '127.0.0.1');
  opened.push({ close: () => socket.destroy() });
  const key =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==';
  socket.write(`GET /api/v1/ws HTTP/1.1\r\nHost: localhost\r\n${key}\r\n\r\n`);
  await once(socket, 'readable');
  expect(String(socket.read())).toMatch(/^HTTP\/1.1 101 /);
  return socket;
}

/** A client frame, unmasked content; masks of zero are masks. */
function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  expect(payload.length).toBeLessThan(126);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

describe('a frozen viewer', () => {
  // 32 MB in all: more than the kernel holds, and than the hub keeps.
  const rowsPerBatch = 80;
  const batches = 200;
  const textBytes = 2_000;
  const bufferedMax = 400_000;

  it.each(['events', 'socket'] as const)(
    '(%s) holds nothing up and costs nothing, and others get everything',
    async (kind) => {
      const world = await open();
      const texts = world.agent('texts', [definition({ metric: 'state', type: 'text' })]);
      const healthy = await events(world, 'match=state');
      let frozen: Socket;
      if (kind === 'socket') {
        frozen = await handshake(world);
        frozen.write(clientFrame('{"subscribe":"a","match":"state"}'));
      } else {
        frozen = connect(world.port, '127.0.0.1');
        opened.push({ close: () => frozen.destroy() });
        frozen.write('GET /api/v1/stream?match=state HTTP/1.1\r\nHost: localhost\r\n\r\n');
        await once(frozen, 'readable');
      }
      await until(world, () => world.live.feed.viewerCount === 2);
      const served = world.served.at(-1);
      let rows = 0;
      const next = () => ({ series: 0, timeMs: now + ++rows, value: String(rows).padStart(textBytes, '_') });
      for (let batch = 0; batch < batches; batch++) {
        texts.send(Array.from({ length: rowsPerBatch }, next));
        await until(world, () => healthy.text.includes(`_${rows}"],"quality"`));
        healthy.text = '';
        expect(served?.writableLength ?? 0).toBeLessThan(bufferedMax);
      }
      expect(world.core.read.counters().itemsApplied).toBe(rowsPerBatch * batches);
      // What it was sent is what fits into the buffers of the kernel, not what was committed.
      expect(served?.bytesWritten ?? 0).toBeLessThan((rowsPerBatch * batches * textBytes) / 2);
      // It wakes up.
      let text = '';
      frozen.on('data', (chunk) => {
        text += chunk.toString();
      });
      if (kind === 'events') await until(world, () => text.includes('event: reset'));
      else {
        await until(world, () => text.includes('"skipped":'));
        const skipped = [...text.matchAll(/"skipped":(\d+)/g)].reduce((sum, [, items]) => sum + Number(items), 0);
        const shown = [...text.matchAll(/"time":\[([\d,]+)\]/g)].reduce(
          (sum, [, times]) => sum + (times ?? '').split(',').length,
          0,
        );
        expect(shown + skipped).toBe(rowsPerBatch * batches);
        expect(text).toContain(`_${rows}","quality":"good","skipped":`);
      }
    },
  );
});
