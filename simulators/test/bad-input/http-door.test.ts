/** Bad input at the agent's HTTP door, on a real agent with a real hub behind it. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort, loopback } from '../support/ports.ts';
import { type Ceiling, openRig, patienceMs, type Rig, residentMaxMiB } from './rig.ts';

let rig: Rig;
let port: number;
let ceiling: Ceiling = residentMaxMiB.usual;
const sockets: Socket[] = [];
const now = Date.now();
const mebibyte = 1024 * 1024;

beforeAll(async () => {
  port = await freePort();
  rig = await openRig('http-door', {
    source: `  telegraf: { http: { listen: "${loopback}:${port}" } }
  json: { http: { listen: "${loopback}:${port}" }, parse: { json: auto } }`,
    pipeline: '  lines: { from: telegraf }\n  objects: { from: json }',
  });
  await rig.expectSound();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  // Whatever happened before, the door takes what is good.
  await rig.stage.until('a good line is taken', patienceMs, async () => (await post('/write', 'good v=1')) === 204);
  await rig.expectSound(ceiling);
});

afterAll(() => rig.close());

async function post(path: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(`http://${loopback}:${port}${path}`, { method: 'POST', body, headers });
  await response.text();
  return response.status;
}

async function open(): Promise<Socket> {
  const socket = connect(port, loopback);
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

const head = (length: number | 'chunked', more = ''): string =>
  `POST /write HTTP/1.1\r\nhost: localhost\r\n${length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${length}`}\r\n${more}\r\n`;

describe('what is no HTTP, or not to its end:', () => {
  it.each([
    ['garbage', Buffer.from('\u0000\u0001garbage\r\n\r\n')],
    ['MQTT', Buffer.from([0x10, 0x0c, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 0])],
    ['a head without end', Buffer.from(`POST /write HTTP/1.1\r\nx: ${'y'.repeat(100_000)}`)],
    [
      'two lengths',
      Buffer.from('POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nm v=1'),
    ],
    ['a length that is none', Buffer.from('POST /write HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n')],
    ['a chunk that is none', Buffer.from(`${head('chunked')}zz\r\nm v=1\r\n`)],
    ['a long path', Buffer.from(`POST /${'a/'.repeat(5_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`)],
  ])('%s', async (_what, bytes) => {
    const socket = await open();
    const answer = text(socket).catch(() => '');
    socket.end(bytes);
    expect((await answer).slice(0, 12)).toMatch(/^(HTTP\/1.1 4\d\d)?$/);
  });

  it('bodies that come byte by byte, or stop: more than there may be connections; who is there goes on', async () => {
    const slow: Socket[] = [];
    for (let n = 0; n < 300; n++) {
      const socket = await open();
      socket.write(`${head(100_000)}m v=1\n`);
      slow.push(socket);
    }
    await rig.sensor.publish('good', JSON.stringify({ ts: now - 1_000_000, temp: -1 }), 'elsewhere');
    for (const socket of slow) socket.destroy();
  });
});

describe('bodies that are too large:', () => {
  it('gzip bombs, one after another and many at once', async () => {
    const bomb = gzipSync(Buffer.alloc(512 * mebibyte, 0x20), { level: 9 });
    expect(bomb.length).toBeLessThan(mebibyte);
    const headers = { 'content-encoding': 'gzip' };
    expect(await post('/write', bomb, headers)).toBe(413);
    const statuses = await Promise.all(Array.from({ length: 40 }, () => post('/api/v2/write', bomb, headers)));
    // Some are not even inflated: too many bytes at once.
    expect([...new Set(statuses)].filter((status) => status !== 413 && status !== 503)).toEqual([]);
  });

  it('a gzip of gzips, and one that is cut', async () => {
    const headers = { 'content-encoding': 'gzip' };
    expect(await post('/write', gzipSync(gzipSync('m v=1')), headers)).toBe(400);
    expect(await post('/write', gzipSync('m v=1').subarray(0, 12), headers)).toBe(400);
  });

  it('a line without end, in one body and in chunks without end', async () => {
    expect(await post('/write', `m v="${'x'.repeat(15 * mebibyte)}`)).toBe(400);
    expect(await post('/write', `m,${'t=1,'.repeat(3 * mebibyte)}`)).toBe(400);
    const socket = await open();
    socket.write(head('chunked'));
    socket.setMaxListeners(0);
    const answer = new Promise<Buffer>((resolve) => socket.once('data', resolve));
    const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(mebibyte, 0x78), Buffer.from('\r\n')]);
    for (let sent = 0; sent < 400 && !socket.destroyed; sent++) {
      if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve).once('close', resolve));
    }
    expect((await answer).toString().slice(0, 12)).toBe('HTTP/1.1 413');
    // It never ends: the door does not listen for ever.
    await rig.stage.until('the connection is closed', patienceMs, () => socket.destroyed);
  });

  it('JSON nested a hundred thousand deep, and a list of a hundred thousand', async () => {
    expect(await post('/json/d', '['.repeat(100_000) + ']'.repeat(100_000))).toBe(400);
    expect(await post('/json/d', JSON.stringify(Array.from({ length: 100_000 }, (_, n) => ({ t: n }))))).toBe(413);
    expect(await post('/json/d', JSON.stringify(Array.from({ length: 50_000 }, (_, n) => ({ t: n }))))).toBe(204);
  });
});

describe('lines that make no sense:', () => {
  it('quotes that do not end in every line, and readings without number', async () => {
    expect(await post('/write', 'a b="x" "\n'.repeat(500_000))).toBe(400);
    // Each has its own line number, and few are told.
    expect(await post('/write', 'x\n'.repeat(1_000_000))).toBe(400);
  });

  it('is taken at its limit: two million readings in one body', async () => {
    const body = 'm v=1\n'.repeat(2_000_000);
    expect(await post('/write', body)).toBe(204);
    await rig.stage.until(
      'they are sent',
      120_000,
      async () => (await rig.count('agent', 'agent_queued_items', 'normal')) === 0,
    );
  });
});

describe('more series than a source may have:', () => {
  beforeAll(() => {
    ceiling = residentMaxMiB.mostSeries;
  });

  it('a million distinct tags: the first are series, the rest are told and counted, and those known go on', {
    timeout: 300_000,
  }, async () => {
    const before = await rig.count('agent', 'agent_source_series', 'telegraf');
    const lines = (from: number): string =>
      Array.from({ length: 50_000 }, (_, n) => `m,host=h${from + n} v=1`).join('\n');
    const statuses = new Set<number>();
    await rig.expectCounted('agent', 'agent_rejected_total', 'series_limit', 900_000 + before, async () => {
      for (let from = 0; from < 1_000_000; from += 50_000) statuses.add(await post('/write', lines(from)));
    });
    expect([...statuses]).toEqual([204, 400]);
    expect(await rig.count('agent', 'agent_source_series', 'telegraf')).toBe(100_000);
    expect(await post('/write', lines(0))).toBe(204);
    await rig.stage.until(
      'the backlog is at the hub',
      120_000,
      async () => (await rig.count('agent', 'agent_queued_items', 'normal')) === 0,
    );
  });
});
