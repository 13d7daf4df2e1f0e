/**
 * A small HTTP server for what a process tells about itself: /healthz, /readyz, /metrics, /status; and a little that may be asked of it by POST. On a
 * loopback address it serves requests that name the loopback, so that a web page whose name was rebound to 127.0.0.1
 * gets nothing; with a token it serves whoever presents it. Errors are RFC 9457 problems. Everything is bounded:
 * connections, header bytes, time to send a request.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type * as http from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type * as https from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { FoglineError } from './errors.ts';
import { readJsonBody } from './http-json-body.ts';
import type { Logger } from './log.ts';
import { isLoopback } from './loopback.ts';

export interface HttpReply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** An `import` would evaluate every export of the module, and with them load Node's HTTP client: 13 MB for nothing. */
const require = createRequire(import.meta.url);
const { createServer } = require('node:http') as typeof http;

/** Answers a GET of one exact path. */
export type HttpRoute = () => HttpReply | Promise<HttpReply>;

/** Answers a POST of one exact path, with the JSON that came. */
export type HttpPost = (body: unknown) => HttpReply | Promise<HttpReply>;

/** Lines for as long as the client stays. */
export interface LineStream {
  /** The client is gone. */
  stop(): void;
  /** It has read what was written. */
  drained(): void;
}

/** `write` takes a line, or returns false while the client has not read what came before. Undefined: no room for one more. */
export type HttpStreamRoute = (query: URLSearchParams, write: (line: string) => boolean) => LineStream | undefined;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Bearer token that every request must carry. */
  readonly token?: string;
  readonly routes: Readonly<Record<string, HttpRoute>>;
  readonly posts?: Readonly<Record<string, HttpPost>>;
  readonly streams?: Readonly<Record<string, HttpStreamRoute>>;
  readonly log: Logger;
}

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Stops accepting and ends every connection. */
  close(): Promise<void>;
}

const connectionsMax = 64;
const headerBytesMax = 8 * 1024;
const requestTimeoutMs = 5_000;

export function json(value: unknown, status = 200): HttpReply {
  return { status, type: 'application/json', body: JSON.stringify(value) };
}

/** RFC 9457. `title` is the same for every occurrence, `detail` says what happened here and what to do. */
export function problem(status: number, title: string, detail: string): HttpReply {
  return {
    status,
    type: 'application/problem+json',
    body: JSON.stringify({ type: 'about:blank', title, status, detail }),
  };
}

/** Rejects with `address_in_use` when the port is taken. */
export function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const limits = { connectionsMax, headersMs: requestTimeoutMs, requestMs: requestTimeoutMs, idleMs: requestTimeoutMs };
  return openHttpServer(options, limits, (request, response) => void respond(options, request, response));
}

/** Beyond it, a connection is closed. */
export interface HttpLimits {
  readonly connectionsMax: number;
  /** For the head of a request. */
  readonly headersMs: number;
  /** For all of a request. */
  readonly requestMs: number;
  /** Between two requests. */
  readonly idleMs: number;
}

export interface HttpTls {
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  /** When given, clients must present a certificate signed by it. */
  readonly ca?: string;
}

export interface HttpAddress {
  readonly host: string;
  readonly port: number;
  /** Absent: in clear text. */
  readonly tls?: HttpTls;
}

/** A bounded server for whoever answers requests in a way of their own. Rejects with `address_in_use` when the port is taken. */
export async function openHttpServer(
  address: HttpAddress,
  limits: HttpLimits,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<HttpServer> {
  const { tls } = address;
  const options = {
    maxHeaderSize: headerBytesMax,
    requestTimeout: limits.requestMs,
    headersTimeout: limits.headersMs,
    keepAliveTimeout: limits.idleMs,
    // Node looks for connections that are too slow no more often than this.
    connectionsCheckingInterval: Math.min(limits.headersMs, limits.requestMs),
  };
  const server = tls === undefined ? createServer(options, handle) : createTlsServer(tls, options, handle);
  server.maxConnections = limits.connectionsMax;
  await listen(server, address);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${tls === undefined ? 'http' : 'https'}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createTlsServer(
  { key, cert, ca }: HttpTls,
  options: http.ServerOptions & { readonly headersTimeout: number },
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): https.Server {
  const trust = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  const { createServer: create } = require('node:https') as typeof https;
  const secure = {
    ...options,
    key,
    cert,
    ...trust,
    minVersion: 'TLSv1.2',
    handshakeTimeout: options.headersTimeout,
  } as const;
  return create(secure, handle);
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const isTaken = error.code === 'EADDRINUSE';
      const message = isTaken
        ? `${host}:${port} is taken by another process`
        : `cannot listen on ${host}:${port}: ${error.message}`;
      reject(new FoglineError(isTaken ? 'address_in_use' : 'unavailable', message, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

async function respond(options: HttpServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let reply: HttpReply;
  try {
    const refused = refusal(options, request);
    const stream = refused === undefined ? streamOf(options, request) : undefined;
    if (stream !== undefined && streamLines(stream, request, response)) return;
    const full = stream === undefined ? undefined : problem(503, 'Too many watchers', 'close one of the others');
    reply = refused ?? full ?? (await answer(options, request));
  } catch (error) {
    options.log.error({ error, url: request.url }, 'a request failed');
    reply = problem(500, 'Internal error', 'the log of this process says more');
  }
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': Buffer.byteLength(reply.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(reply.status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
    ...(reply.status === 405 ? { allow: isPosted(options, request) ? 'POST' : 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}

function streamOf({ streams = {} }: HttpServerOptions, request: IncomingMessage): HttpStreamRoute | undefined {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  return request.method === 'GET' && Object.hasOwn(streams, path) ? streams[path] : undefined;
}

/** False when there is no room for one more. */
function streamLines(route: HttpStreamRoute, request: IncomingMessage, response: ServerResponse): boolean {
  const query = new URLSearchParams((request.url ?? '').split('?').slice(1).join('?'));
  const stream = route(query, (line) => {
    if (response.writableNeedDrain) return false;
    response.write(`${line}\n`);
    return true;
  });
  if (stream === undefined) return false;
  response.on('drain', () => stream.drained());
  response.on('close', () => stream.stop());
  response.writeHead(200, {
    'content-type': 'application/x-ndjson',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  return true;
}

function refusal(options: HttpServerOptions, request: IncomingMessage): HttpReply | undefined {
  const isPost = request.method === 'POST';
  if (isPosted(options, request) ? !isPost : request.method !== 'GET' && request.method !== 'HEAD') {
    const why = isPost ? 'this address is only read: use GET' : 'use GET, or POST where something is asked for';
    return problem(405, 'Method not allowed', why);
  }
  if (options.token !== undefined) {
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given === undefined || !isEqual(given, options.token)) {
      return problem(401, 'Unauthorized', 'send "Authorization: Bearer TOKEN" with the token of this listener');
    }
  } else if (isLoopback(options.host) && !namesLoopback(request.headers.host)) {
    return problem(
      421,
      'Misdirected request',
      'this listener serves localhost only: call it as localhost or 127.0.0.1',
    );
  }
  return undefined;
}

/** In constant time, whatever the lengths. */
export function isEqual(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}

/** Whether a Host header names the loopback: a page whose name was rebound to 127.0.0.1 does not. */
export function namesLoopback(header: string | undefined): boolean {
  const name = (header ?? '').replace(/:\d{1,5}$/, '').replace(/^\[(.*)\]$/, '$1');
  return isLoopback(name.toLowerCase());
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/';
}

function isPosted({ posts = {} }: HttpServerOptions, request: IncomingMessage): boolean {
  return Object.hasOwn(posts, pathOf(request));
}

async function answer({ routes, posts = {} }: HttpServerOptions, request: IncomingMessage): Promise<HttpReply> {
  const path = pathOf(request);
  const post = Object.hasOwn(posts, path) ? posts[path] : undefined;
  if (post !== undefined) {
    const body = await readJsonBody(request);
    return 'value' in body ? post(body.value) : problem(body.status, 'Bad request', body.problem);
  }
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route !== undefined) return route();
  return problem(404, 'Not found', `here are: ${[...Object.keys(routes), ...Object.keys(posts)].join(', ')}`);
}
