import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { hasCode } from '@fogline/shared/errors';
import { silentLogger } from '@fogline/shared/log';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, describe, expect, it } from 'vitest';
import type { ParseConfig } from '../decoders/decoder.ts';
import type { SourceBatch } from './batch-port.ts';
import { batchWaitMsMax } from './door.ts';
import { type HttpListener, type HttpListenOptions, openHttpListener } from './http-listen.ts';

const clock = new ManualClock();
const batches: SourceBatch[] = [];
let door: HttpListener;
/** Batches are durable as soon as they come. */
let isPrompt = true;

const lines: ParseConfig = { format: 'line_protocol', metrics: 'auto', precision: 'ns', maxSkewMs: 600_000 };
const json: ParseConfig = { format: 'json', metrics: 'auto' };
const mebibyte = 1024 * 1024;

interface OpenOptions extends Omit<Partial<HttpListenOptions>, 'listener'> {
  readonly listener?: Partial<HttpListenOptions['listener']>;
}

async function open({ listener, ...options }: OpenOptions = {}): Promise<void> {
  isPrompt = true;
  door = await openHttpListener({
    sources: [
      { name: 'telegraf', topics: ['write'], parse: lines },
      { name: 'climate', topics: ['climate', 'climate/{device}'], parse: json },
    ],
    ingest: {
      submit(batch) {
        batches.push(structuredClone(batch));
        if (isPrompt) queueMicrotask(() => door.release(batch.source, batch.tokens));
      },
    },
    clock,
    log: silentLogger,
    ...options,
    listener: {
      host: '127.0.0.1',
      port: 0,
      users: {},
      anonymous: 'loopback',
      tokens: [],
      bodyBytesMax: mebibyte,
      ...listener,
    },
  });
}

afterEach(async () => {
  await door.close();
  batches.length = 0;
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface CallOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Instead of a connection of its own. */
  readonly agent?: Agent;
}

/** Not fetch: it forbids some headers. */
async function call(
  path: string,
  body: string | Buffer,
  { method = 'POST', headers = {}, agent }: CallOptions = {},
): Promise<Reply> {
  const request = httpRequest({ host: '127.0.0.1', port: door.port, path, method, headers, agent: agent ?? false });
  const reply = once(request, 'response') as Promise<[IncomingMessage]>;
  request.end(body);
  const ticking = tick();
  const [response] = await reply;
  const answered = { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  ticking.stop();
  return answered;
}

/** Lets time go on, so that batches are submitted; not so far that somebody is answered for having waited. */
function tick(): { stop(): void } {
  let left = 200;
  const timer = setInterval(() => {
    if (left-- > 0) clock.advance(batchWaitMsMax);
  }, 1);
  return { stop: () => clearInterval(timer) };
}

const values = (): number[] => batches.flatMap(({ columns }) => [...columns.value]);

describe('a write', () => {
  it.each(['/write?db=x&rp=y', '/api/v2/write?org=o&bucket=b', '/write/'])('%s is answered by 204', async (path) => {
    await open();
    expect(await call(path, 'm,host=h a=1,b=2\n')).toMatchObject({ status: 204, body: '' });
    expect(values()).toEqual([1, 2]);
    expect(batches[0]?.newSeries.map(({ device, metric }) => `${device} ${metric}`)).toEqual(['h m_a', 'h m_b']);
  });

  it('hurries the commit once every connection waits for it, and not before', async () => {
    let hurried = 0;
    await open({
      ingest: { submit: (batch) => void batches.push(structuredClone(batch)), hurry: () => void hurried++ },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = call('/health', '', { method: 'GET', agent });
    await first;
    const waiting = call('/write', 'm a=1');
    await expect.poll(() => batches.length).toBe(1);
    expect(hurried).toBe(0);
    const last = call('/write', 'm a=2', { agent });
    await expect.poll(() => hurried).toBe(1);
    expect(values()).toEqual([1, 2]);
    for (const { tokens } of batches) door.release('telegraf', tokens);
    expect([(await waiting).status, (await last).status]).toEqual([204, 204]);
    agent.destroy();
  });

  it('finds its own bytes in memory that another left', async () => {
    await open();
    const long = Array.from({ length: 3_000 }, (_, row) => `m,host=h a=${row} ${(clock.now() + row) * 1e6}`);
    for (const body of [long.join('\n'), 'm,host=h a=7', `${long.slice(0, 2_000).join('\n')}\n`]) {
      batches.length = 0;
      expect((await call('/write', body)).status).toBe(204);
      expect(values()).toHaveLength(body.trim().split('\n').length);
    }
  });

  it('is answered when its readings are durable, and not before', async () => {
    await open();
    isPrompt = false;
    let isAnswered = false;
    const reply = call('/write', 'm a=1');
    void reply.then(() => {
      isAnswered = true;
    });
    await expect.poll(() => batches.length).toBe(1);
    await call('/health', '', { method: 'GET' });
    expect(isAnswered).toBe(false);
    door.release('telegraf', batches[0]?.tokens ?? []);
    expect((await reply).status).toBe(204);
  });

  it('tells the precision of its times', async () => {
    await open();
    for (const [precision, time] of [
      ['ns', '1767182400000000000'],
      ['u', '1767182400000000'],
      ['ms', '1767182400000'],
      ['s', '1767182400'],
      ['h', '490884'],
    ] as const) {
      expect((await call(`/write?precision=${precision}`, `m a=1 ${time}`)).status).toBe(204);
    }
    expect(new Set(batches.flatMap(({ columns }) => [...columns.time]))).toEqual(new Set([1_767_182_400_000]));
    expect((await call('/write?precision=days', 'm a=1')).status).toBe(400);
  });

  it('may be gzip', async () => {
    await open();
    expect((await call('/write', gzipSync('m a=1\nm a=2'), { headers: { 'content-encoding': 'gzip' } })).status).toBe(
      204,
    );
    expect(values()).toEqual([1, 2]);
  });

  it('of which some lines are broken: the others are taken, and 400 says which were not, in the words of each version', async () => {
    await open();
    const body = `m a=1\nbroken\nm a=2 1\nm a=3\n${'x\n'.repeat(9)}`;
    const v1 = await call('/write', body);
    const message =
      'partial write: line 2: line_broken, line 3: time_before_2000, line 5: line_broken, line 6: line_broken, line 7: line_broken, and 6 more dropped=11; the other 2 readings were taken';
    expect(v1).toMatchObject({ status: 400, body: JSON.stringify({ error: message }) });
    expect(v1.headers['x-influxdb-error']).toBe(message);
    const v2 = await call('/api/v2/write', body);
    expect(JSON.parse(v2.body)).toEqual({ code: 'invalid', message });
    expect(values()).toEqual([1, 3, 1, 3]);
    expect(door.sourceCounters('telegraf').rejected).toEqual({ line_broken: 20, time_before_2000: 2 });
  });

  it('of which nothing can be taken is answered when that is counted for good', async () => {
    await open();
    expect((await call('/write', 'broken')).status).toBe(400);
    expect(batches).toMatchObject([{ columns: { count: 0 }, tokens: [1] }]);
  });

  it('that is larger than a batch is taken part by part, and answered after the last', async () => {
    await open();
    const body = Array.from({ length: 20_000 }, (_, n) => `m a=${n}`).join('\n');
    expect((await call('/write', body)).status).toBe(204);
    expect(values()).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
    expect(batches.length).toBe(5);
    expect(batches.map(({ tokens }) => tokens.length)).toEqual([0, 0, 0, 0, 1]);
  });
});

describe('a path of a source', () => {
  it('takes its format, and names device and tags', async () => {
    await open();
    expect((await call('/climate/cellar%201', '{"t":21.5}')).status).toBe(204);
    expect((await call('/climate', '[{"t":1},{"t":2}]')).status).toBe(204);
    expect(batches.flatMap(({ newSeries }) => newSeries.map(({ device }) => device))).toEqual(['cellar 1', 'climate']);
    expect(values()).toEqual([21.5, 1, 2]);
  });

  it.each([
    ['junk', 'junk', 400, /partial write: junk_json dropped=1/],
    ['a list in part', '[{"t":1},5]', 400, /not_object dropped=1; the other 1 readings/],
  ])('answers %s with a problem', async (_what, body, status, detail) => {
    await open();
    const reply = await call('/climate/d', body);
    expect(reply.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(reply.body)).toMatchObject({ status, detail: expect.stringMatching(detail) as string });
    expect(reply.status).toBe(status);
  });

  it('counts what is missing, and takes it for no refusal', async () => {
    const metrics = ['t', 'u'].map((name) => ({ name, field: name, unit: '', type: 'number' as const }));
    await open({ sources: [{ name: 'climate', topics: ['c'], parse: { format: 'json', metrics } }] });
    expect((await call('/c', '{"t":1}')).status).toBe(204);
    expect(door.sourceCounters('climate').rejected).toEqual({ field_missing: 1 });
  });

  it.each([
    ['/nowhere', 404],
    ['/climate/a/b', 404],
    ['/climate/a%2Fb', 404],
    ['/climate/%ff', 404],
    ['/', 404],
  ])('%s is nobody’s: %i', async (path, status) => {
    await open();
    expect((await call(path, '{"t":1}')).status).toBe(status);
    expect(batches).toEqual([]);
  });
});

describe('what clients of InfluxDB ask besides', () => {
  it('ping, health, and to make a database', async () => {
    await open();
    expect((await call('/ping', '', { method: 'GET' })).status).toBe(204);
    expect((await call('/ping', '', { method: 'HEAD' })).headers['x-influxdb-version']).toBe('fogline');
    expect(JSON.parse((await call('/health', '', { method: 'GET' })).body)).toMatchObject({ status: 'pass' });
    const made = await call('/query', 'q=CREATE+DATABASE+%22telegraf%22');
    expect([made.status, JSON.parse(made.body)]).toEqual([200, { results: [{ statement_id: 0 }] }]);
  });

  it('other methods are refused, and a listener without line protocol makes them wait, not drop', async () => {
    await open({ sources: [{ name: 'climate', topics: ['c'], parse: json }] });
    expect((await call('/c', '', { method: 'GET' })).status).toBe(405);
    for (const path of ['/write', '/api/v2/write']) expect((await call(path, 'm a=1')).status).toBe(501);
  });
});

describe('overload', () => {
  it('is answered by 503 with Retry-After, health says so, and it ends', async () => {
    await open();
    door.pause();
    const refused = await call('/api/v2/write', 'm a=1');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
    expect((await call('/climate/d', '{"t":1}')).status).toBe(503);
    expect((await call('/health', '', { method: 'GET' })).status).toBe(503);
    expect(batches).toEqual([]);
    door.resume();
    expect((await call('/write', 'm a=1')).status).toBe(204);
    expect(door.counters()).toEqual({ 204: 1, 503: 3 });
  });

  it('that begins while a large body is decoded ends that, and 503 tells the client to send it again', async () => {
    const submitted: SourceBatch[] = [];
    await open({
      ingest: {
        submit(batch) {
          submitted.push(batch);
          door.pause();
        },
      },
    });
    const body = Array.from({ length: 20_000 }, (_, n) => `m a=${n}`).join('\n');
    expect((await call('/write', body)).status).toBe(503);
    expect(submitted.map(({ columns, tokens }) => [columns.count, tokens.length])).toEqual([[4_096, 0]]);
  });

  it('of whoever waits too long for a commit is answered by 503, and by nothing more when that comes', async () => {
    await open({ limits: { answerMs: 1_000 } });
    isPrompt = false;
    const reply = call('/write', 'm a=1');
    await expect.poll(() => batches.length).toBe(1);
    clock.advance(1_000);
    expect((await reply).status).toBe(503);
    door.release('telegraf', batches[0]?.tokens ?? []);
    expect(door.counters()).toEqual({ 503: 1 });
  });

  it('by too many requests at once is answered by 503; who leaves gives its place free', async () => {
    await open({ limits: { requestsMax: 2 } });
    const waiting = [1, 2].map(() => {
      const socket = connect(door.port, '127.0.0.1');
      socket.write('POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nm a');
      return socket;
    });
    await expect.poll(async () => (await call('/write', 'm a=1')).status).toBe(503);
    const refused = await call('/write', 'm a=1');
    expect(refused.headers['retry-after']).toBe('1');
    waiting[0]?.destroy();
    await expect.poll(async () => (await call('/write', 'm a=1')).status).toBe(204);
    waiting[1]?.destroy();
  });
});

describe('a body', () => {
  const big = 'm a=1\n'.repeat(300_000);

  it('that is too large is refused from its header, and the client, still sending, hears 413', async () => {
    await open();
    expect((await call('/write', big)).status).toBe(413);
    expect((await call('/write', big, { headers: { 'transfer-encoding': 'chunked' } })).status).toBe(413);
    expect(door.sourceCounters('telegraf').rejected).toEqual({ payload_too_large: 2 });
    expect(batches).toEqual([]);
  });

  it('that inflates to more is refused, however small it is, and holds nothing afterwards', async () => {
    await open();
    const bomb = gzipSync(Buffer.alloc(200 * mebibyte, 0x20));
    expect(bomb.length).toBeLessThan(mebibyte);
    for (let times = 0; times < 70; times++) {
      expect((await call('/write', bomb, { headers: { 'content-encoding': 'gzip' } })).status).toBe(413);
    }
    expect((await call('/write', gzipSync('m a=1'), { headers: { 'content-encoding': 'gzip' } })).status).toBe(204);
  });

  it.each([
    ['gzip', 'no gzip at all', 400],
    ['gzip', gzipSync('m a=1').subarray(0, -4), 400],
    ['gzip', '', 400],
    ['br', 'x', 415],
  ])('in %s that is none is refused', async (encoding, body, status) => {
    await open();
    expect((await call('/write', body, { headers: { 'content-encoding': encoding } })).status).toBe(status);
  });

  it('beyond what all bodies together may hold is answered by 503', async () => {
    await open({ limits: { bodiesBytesMax: 2 * mebibyte } });
    const slow = Array.from({ length: 3 }, () => {
      const socket = connect(door.port, '127.0.0.1');
      socket.write(
        `POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${mebibyte}\r\n\r\n${'m'.repeat(900_000)}`,
      );
      return socket;
    });
    const statuses = new Set<string>();
    for (const socket of slow) socket.once('data', (reply: Buffer) => statuses.add(reply.toString().slice(9, 12)));
    await expect.poll(() => [...statuses]).toEqual(['503']);
    for (const socket of slow) socket.destroy();
    await expect.poll(async () => (await call('/write', 'm a=1')).status).toBe(204);
  });

  it('that does not come to its end is not waited for', async () => {
    await open({ limits: { headersMs: 100, requestMs: 100 } });
    for (const head of ['POST /wri', 'POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 50\r\n\r\nm a']) {
      const socket = connect(door.port, '127.0.0.1');
      socket.write(head);
      const reply = await text(socket);
      expect(reply).toMatch(/^HTTP\/1.1 408/);
    }
    expect(batches).toEqual([]);
  });
});

describe('who may write', () => {
  const secured = { tokens: ['t0ken', 'other'], users: { ann: 'right' }, anonymous: 'nobody' as const };
  const basic = (user: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(user).toString('base64')}`,
  });

  it.each([
    ['a token', '/write', { authorization: 'Token t0ken' }, 204],
    ['another token', '/write', { authorization: 'Bearer other' }, 204],
    ['a user', '/write', basic('ann:right'), 204],
    ['a user as token', '/write', { authorization: 'Token ann:right' }, 204],
    ['a user in the query', '/write?u=ann&p=right', {}, 204],
    ['nobody', '/write', {}, 401],
    ['a wrong token', '/write', { authorization: 'Token wrong' }, 401],
    ['a wrong password', '/write', basic('ann:wrong'), 401],
    ['a wrong user', '/write', basic('eve:right'), 401],
    ['a wrong user in the query', '/write?u=ann', {}, 401],
    ['a token of another scheme', '/write', { authorization: 'Digest t0ken' }, 401],
    ['nobody on a path', '/climate/d', {}, 401],
    ['nobody, for a path that is not there', '/nowhere', {}, 401],
    ['nobody, to make a database', '/query', {}, 401],
  ] as const)('%s: %s', async (_what, path, headers, status) => {
    await open({ listener: secured });
    const reply = await call(path, path.startsWith('/climate') ? '{"t":1}' : 'm a=1', { headers });
    expect(reply.status).toBe(status);
    expect(batches.length).toBe(status === 204 ? 1 : 0);
  });

  it('without a credential: a local program, no web page, and no page whose name was rebound', async () => {
    await open();
    expect((await call('/write', 'm a=1')).status).toBe(204);
    expect((await call('/write', 'm a=1', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    expect((await call('/write', 'm a=1', { headers: { host: 'evil.example' } })).status).toBe(403);
  });

  it('beyond loopback nobody without a credential or a word', async () => {
    await open();
    const wide = {
      host: '0.0.0.0',
      port: 0,
      users: {},
      anonymous: 'loopback' as const,
      tokens: [],
      bodyBytesMax: mebibyte,
    };
    const error: unknown = await openHttpListener({
      listener: wide,
      sources: [],
      ingest: { submit() {} },
      clock,
      log: silentLogger,
    }).catch((reason: unknown) => reason);
    expect(hasCode(error, 'config_invalid')).toBe(true);
  });
});
