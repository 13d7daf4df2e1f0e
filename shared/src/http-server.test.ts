import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { hasCode } from './errors.ts';
import { type HttpRoute, type HttpServer, json, startHttpServer } from './http-server.ts';
import { silentLogger } from './log.ts';

const servers: HttpServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(options: { token?: string; routes?: Record<string, HttpRoute>; port?: number } = {}) {
  const routes = { '/healthz': () => json({ status: 'ok' }), ...options.routes };
  const server = await startHttpServer({ host: '127.0.0.1', port: 0, log: silentLogger, ...options, routes });
  servers.push(server);
  return server;
}

/** Not fetch: it forbids a Host header. */
async function call(server: HttpServer, path: string, headers: Record<string, string> = {}, method = 'GET') {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    type: string;
    headers: object;
    body: string;
  }>();
  const outgoing = request({ host: '127.0.0.1', port: server.port, path, method, headers }, (incoming) => {
    text(incoming).then(
      (body) =>
        resolve({
          status: incoming.statusCode!,
          type: incoming.headers['content-type']!,
          headers: incoming.headers,
          body,
        }),
      reject,
    );
  });
  outgoing.on('error', reject).end();
  return await promise;
}

describe('answers', () => {
  it('its routes, with or without a query, to GET and HEAD', async () => {
    const server = await start();
    expect(await call(server, '/healthz?verbose=1')).toMatchObject({
      status: 200,
      type: 'application/json',
      body: '{"status":"ok"}',
    });
    expect(await call(server, '/healthz', {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
  });

  it('everything else with a problem that says what to do', async () => {
    const server = await start({
      routes: {
        '/broken': () => Promise.reject(new Error('secret detail')),
      },
    });
    const missing = await call(server, '/nope');
    expect(missing).toMatchObject({ status: 404, type: 'application/problem+json' });
    expect(JSON.parse(missing.body)).toEqual({
      type: 'about:blank',
      title: 'Not found',
      status: 404,
      detail: 'here are: /healthz, /broken',
    });
    expect(await call(server, '/__proto__')).toMatchObject({ status: 404 });
    expect(await call(server, '/healthz', {}, 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    const broken = await call(server, '/broken');
    expect(broken.status).toBe(500);
    expect(broken.body).not.toContain('secret detail');
  });
});

describe('access', () => {
  it('on loopback is for requests that name the loopback, so a rebound web page gets nothing', async () => {
    const server = await start();
    for (const host of ['localhost', `localhost:${server.port}`, '127.0.0.1:1', '[::1]:80', 'LOCALHOST']) {
      expect(await call(server, '/healthz', { host }), host).toMatchObject({ status: 200 });
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', 'x']) {
      expect(await call(server, '/healthz', { host }), host).toMatchObject({ status: 421 });
    }
  });

  it('with a token is for those who present it', async () => {
    const server = await start({ token: 't0ken' });
    expect(await call(server, '/healthz', { host: 'gw.example', authorization: 'Bearer t0ken' })).toMatchObject({
      status: 200,
    });
    for (const authorization of ['', 'Bearer', 'Bearer t0ke', 'Bearer t0ken2', 'Basic t0ken']) {
      const refused = await call(server, '/healthz', { authorization });
      expect(refused, authorization).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
    }
  });
});

it('says that a port is taken', async () => {
  const { port } = await start();
  const error: unknown = await start({ port }).catch((thrown: unknown) => thrown);
  expect(hasCode(error, 'address_in_use')).toBe(true);
});

it('refuses a header beyond its limit and survives garbage', async () => {
  const server = await start();
  expect(await call(server, '/healthz', { 'x-large': 'x'.repeat(9_000) })).toMatchObject({ status: 431 });
  const socket = connect(server.port, '127.0.0.1');
  socket.write('\u0000\u0001garbage\r\n\r\n');
  expect(await text(socket)).toContain('400 Bad Request');
  expect(await call(server, '/healthz')).toMatchObject({ status: 200 });
});

it('closes although a client keeps its connection open', async () => {
  const server = await start();
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  const ended = new Promise((resolve) => socket.once('close', resolve));
  await server.close();
  await ended;
  expect(socket.destroyed).toBe(true);
});
