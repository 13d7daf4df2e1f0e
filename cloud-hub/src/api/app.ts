/**
 * The HTTP side of the hub: every request passes the gate (gate.ts), every error is a problem document, and no route exists without
 * a declared scope: registering one throws at start. Nothing here outlives a request.
 */
import type { Server } from 'node:http';
import { Readable } from 'node:stream';
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Metrics } from '@fogline/shared/metrics';
import Fastify, {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import type { AccessPolicy } from '../auth/access.ts';
import { storeOfSites } from '../auth/site-view.ts';
import { QueryMemory } from '../prometheus/budget.ts';
import type { StoreRead } from '../store/read.ts';
import type { Door } from './door.ts';
import { exchangeOf, isWebSocketUpgrade, routeUpgrades } from './exchange.ts';
import { Gate, type GateRequest, guardOfNowhere, type Passage, type RouteGuard } from './gate.ts';
import { authorizationOf } from './live-routes.ts';
import type { Rendered } from './output.ts';
import { parseBody, parseQuery } from './params.ts';
import { describeError, HttpError, problemContentType, problemOf } from './problems.ts';
import { prometheusDoor } from './prometheus-routes.ts';
import { rawProblem } from './raw-problem.ts';
import type { ApiContext, ApiServices, Route, StreamRoute } from './route.ts';
import { routes, streams } from './routes.ts';
import { QueryRunner } from './turns.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route without it cannot be registered. */
    guard?: RouteGuard;
    /** Its answer stays open. */
    isStream?: boolean;
  }
  interface FastifyRequest {
    /** Undefined where the URL could not even be read. */
    passage: Passage | undefined;
  }
}

export interface ApiOptions extends ApiServices {
  readonly store: StoreRead;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly access: AccessPolicy;
  readonly tls?: { readonly key: string; readonly cert: string };
}

const connectionsMax = 1_000;
const bodyBytesMax = 64 * 1024;
const headerBytesMax = 16 * 1024;

/** A route as it was registered. */
interface RouteEntry extends RouteGuard {
  readonly method: string;
  readonly url: string;
}

export interface Api {
  readonly app: FastifyInstance;
  readonly routes: readonly RouteEntry[];
  /** Stops listening, ends connections, and returns when no query reads the store any more. */
  close(): Promise<void>;
}

export function buildApi(options: ApiOptions): Api {
  const { store, clock, log } = options;
  const queries = new QueryRunner(clock);
  const memory = new QueryMemory();
  const startedMs = clock.now();
  const contextOf = ({ passage, headers }: FastifyRequest): ApiContext => {
    const caller = passage?.caller;
    if (caller === undefined) throw new Error('invariant violated: a request without caller');
    const seen = caller.sites === undefined ? store : storeOfSites(store, caller.sites);
    const alarms = options.alarms.seenBy(caller.sites);
    const ifNoneMatch = headers['if-none-match'];
    return { services: options, store: seen, alarms, clock, queries, memory, caller, startedMs, ifNoneMatch };
  };
  const app = createApp(options);
  const registered = recordRoutes(app);
  const gate = new Gate(options);
  passGate(app, gate);
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, log));
  app.setNotFoundHandler((request, reply) => sendProblem(missing(app, request, nowhere), request, reply, log));
  countRequests(app, options);
  for (const route of routes) addRoute(app, route, contextOf);
  for (const route of streams) addStream(app, route, contextOf, gate);
  addDoor(app, prometheusDoor, contextOf, log);
  return {
    app,
    routes: registered,
    async close() {
      queries.stop();
      options.live.close();
      await app.close();
      await queries.settled();
    },
  };
}

function createApp({ tls, log }: ApiOptions): FastifyInstance {
  const serverOptions: FastifyHttpOptions<Server> = {
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    http: { maxHeaderSize: headerBytesMax, shouldUpgradeCallback: isWebSocketUpgrade },
    routerOptions: { ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply, log),
    clientErrorHandler(error, socket) {
      if (socket.writable) socket.end(rawProblem(error));
    },
  };
  const secure =
    tls === undefined
      ? {}
      : {
          https: {
            key: tls.key,
            cert: tls.cert,
            maxHeaderSize: headerBytesMax,
            shouldUpgradeCallback: isWebSocketUpgrade,
          },
        };
  const app = Fastify({ ...serverOptions, ...secure } as FastifyHttpOptions<Server>);
  app.server.maxConnections = connectionsMax;
  routeUpgrades(app.server, (request, response) => app.routing(request, response));
  // What a page of another site may send without asking first.
  app.removeContentTypeParser('text/plain');
  return app;
}

function addRoute(
  app: FastifyInstance,
  { method, status: good, url, scope, isHubWide, audited, query, answer }: Route,
  contextOf: (request: FastifyRequest) => ApiContext,
): void {
  app.route({
    method,
    url,
    config: { guard: { scope, isHubWide, audited } },
    async handler(request, reply) {
      const path = request.params as Record<string, string>;
      const asked = method === 'POST' ? parseBody(query, request.body, path) : parseQuery(query, request.query, path);
      const rendered = await answer(contextOf(request), asked, () => request.raw.socket.destroyed);
      const { status = good, headers, contentType } = rendered;
      return reply.code(status).headers(headers).header('content-type', contentType).send(bodyOf(rendered));
    },
  });
}

/** Pieces are made as the client takes them. */
function bodyOf({ body }: Rendered): string | Readable {
  return typeof body === 'string' ? body : Readable.from(body, { objectMode: false });
}

function addStream(
  app: FastifyInstance,
  { url, scope, query, open }: StreamRoute,
  contextOf: (request: FastifyRequest) => ApiContext,
  gate: Gate,
): void {
  app.route({
    method: 'GET',
    url,
    exposeHeadRoute: false,
    config: { guard: { scope, isHubWide: false, audited: [] }, isStream: true },
    async handler(request, reply) {
      const exchange = exchangeOf(request.raw, reply.raw, {
        take: () => void reply.hijack(),
        mayStay: () => gate.wouldAdmit(gateRequestOf(request)),
      });
      await open(contextOf(request), parseQuery(query, request.query), exchange);
    },
  });
}

function addDoor(
  app: FastifyInstance,
  { prefix, routes: doorRoutes, where, errorOf }: Door,
  contextOf: (request: FastifyRequest) => ApiContext,
  log: Logger,
): void {
  const send = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const { name, status, headers, contentType, body } = errorOf(error);
    if (request.passage !== undefined) request.passage.problem = name;
    if (name === 'internal') log.error({ error, method: request.method, path: pathOf(request) }, 'a request failed');
    void reply.code(status).headers(headers).type(contentType).send(body);
  };
  void app.register(
    async (door) => {
      const asText = async (_: unknown, body: unknown): Promise<unknown> => body;
      door.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, asText);
      door.setErrorHandler(send);
      door.setNotFoundHandler((request, reply) => send(missing(door, request, where), request, reply));
      for (const { path, scope, takesForm, answer } of doorRoutes) {
        door.route({
          method: takesForm ? ['GET', 'POST'] : ['GET'],
          url: path,
          config: { guard: { scope, isHubWide: false, audited: [] } },
          async handler(request, reply) {
            const { contentType, headers, body } = await answer(() => contextOf(request), {
              url: request.url,
              form: typeof request.body === 'string' ? request.body : '',
              params: request.params as Record<string, string>,
              isAbandoned: () => request.raw.socket.destroyed,
            });
            return reply.headers(headers).type(contentType).send(body);
          },
        });
      }
    },
    { prefix },
  );
}

/** Throws at the registration of a route that declares no scope. */
function recordRoutes(app: FastifyInstance): readonly RouteEntry[] {
  const routes: RouteEntry[] = [];
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const name of [method].flat()) {
      if (config?.guard === undefined) throw new Error(`route ${name} ${url} declares no scope`);
      routes.push({ method: name, url, ...config.guard });
    }
  });
  return routes;
}

function passGate(app: FastifyInstance, gate: Gate): void {
  app.decorateRequest('passage');
  app.addHook('onRequest', async (request, reply) => {
    const passage: Passage = {};
    request.passage = passage;
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    gate.admit(gateRequestOf(request), passage);
  });
  app.addHook('onSend', async (request, _reply, payload) => {
    if (request.passage !== undefined) gate.note(gateRequestOf(request), request.passage);
    return payload;
  });
}

function gateRequestOf(request: FastifyRequest): GateRequest {
  const { method, ip, is404, params, body, routeOptions, headers } = request;
  const { host, origin } = headers;
  const authorization = authorizationOf(headers.authorization, headers['sec-websocket-protocol']);
  return {
    method,
    ip,
    url: is404 ? undefined : routeOptions.url,
    guard: (is404 ? undefined : routeOptions.config.guard) ?? guardOfNowhere,
    headers: { authorization, host, origin },
    params: params as Readonly<Record<string, string>>,
    body,
  };
}

const methodsTried = ['GET', 'HEAD', 'POST', 'DELETE'] as const;

const nowhere = 'the API begins at /api/v1/, for example /api/v1/series';

function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0]?.slice(0, 200) ?? '';
}

/** 405 where the path exists for another method, else 404. */
function missing(app: FastifyInstance, request: FastifyRequest, where: string): HttpError {
  const path = pathOf(request);
  const allowed = methodsTried.filter(
    (method) => app.findRoute({ method, url: path.replace(/(.)\/$/, '$1') }) !== null,
  );
  if (allowed.length > 0 && !allowed.some((method) => method === request.method)) {
    return new HttpError(
      'method_not_allowed',
      `${request.method} is not supported at ${path}; it takes ${allowed.join(', ')}`,
      { allow: allowed.join(', ') },
    );
  }
  return new HttpError('not_found', `nothing is at ${path}; ${where}`);
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const { name, detail, headers } = describeError(error);
  if (request.passage !== undefined) request.passage.problem = name;
  const path = request.url.split('?', 1)[0] ?? '';
  const problem = problemOf(name, detail, path);
  if (problem.status >= 500 && !(error instanceof HttpError))
    log.error({ error, method: request.method, path }, 'a request failed');
  // As bytes: to a string Fastify would add a charset, which this media type does not have.
  const body = Buffer.from(`${JSON.stringify(problem)}\n`);
  void reply.code(problem.status).headers(headers).header('content-type', problemContentType).send(body);
}

function countRequests(app: FastifyInstance, { metrics, clock }: ApiOptions): void {
  const seconds = metrics.histogram(
    'http_request_seconds',
    'Time to answer a request, by route.',
    [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    ['route'],
  );
  const answers = metrics.counter('http_answers_total', 'Answers by route and status.', ['route', 'status']);
  const startedMs = new WeakMap<FastifyRequest, number>();
  app.addHook('onRequest', async (request) => {
    startedMs.set(request, clock.monotonic());
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    if (request.routeOptions.config.isStream !== true)
      seconds.observe((clock.monotonic() - (startedMs.get(request) ?? clock.monotonic())) / 1000, { route });
    answers.inc(1, { route, status: String(reply.statusCode) });
  });
}
