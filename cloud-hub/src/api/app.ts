/**
 * The HTTP side of the hub: every request is checked for host, token and rate, every error is a problem document, and no route
 * exists without a declared scope: registering one throws at start. Nothing here outlives a request.
 */
import type { Server } from 'node:http';
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Metrics } from '@fogline/shared/metrics';
import Fastify, {
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { type AccessPolicy, decideAccess, type RouteScope } from '../auth/access.ts';
import type { StoreRead } from '../store/read.ts';
import { dataRoute } from './data-route.ts';
import { devicesRoute, eventsRoute } from './event-routes.ts';
import { agentsRoute, ledgerRoute } from './fleet-routes.ts';
import { gapsRoute, latestRoute, seriesRoute } from './list-routes.ts';
import { parseQuery } from './params.ts';
import { describeError, HttpError, problemContentType, problemOf } from './problems.ts';
import { RateLimiter } from './rate-limit.ts';
import { rawProblem } from './raw-problem.ts';
import type { ApiContext, Route } from './route.ts';
import { healthRoute, metricsRoute, readyRoute } from './service-routes.ts';
import { QueryRunner } from './turns.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller needs; a route without it cannot be registered. */
    scope?: RouteScope;
  }
}

export interface ApiOptions {
  readonly store: StoreRead;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly access: AccessPolicy;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Why the hub is not ready; undefined when it is. */
  notReady(): string | undefined;
}

const connectionsMax = 1_000;
const bodyBytesMax = 64 * 1024;
const headerBytesMax = 16 * 1024;

export interface Api {
  readonly app: FastifyInstance;
  /** Stops listening, ends connections, and returns when no query reads the store any more. */
  close(): Promise<void>;
}

export function buildApi(options: ApiOptions): Api {
  const context: ApiContext = { store: options.store, clock: options.clock, queries: new QueryRunner(options.clock) };
  const app = createApp(options);
  const routes = [
    dataRoute,
    seriesRoute,
    latestRoute,
    gapsRoute,
    agentsRoute,
    devicesRoute,
    eventsRoute,
    ledgerRoute,
    healthRoute,
    readyRoute(options.notReady),
    metricsRoute(options.metrics),
  ];
  countRequests(app, options);
  for (const route of routes) addRoute(app, route, context);
  return {
    app,
    async close() {
      context.queries.stop();
      await app.close();
      await context.queries.settled();
    },
  };
}

function createApp({ tls, clock, access, log }: ApiOptions): FastifyInstance {
  const serverOptions: FastifyHttpOptions<Server> = {
    logger: false,
    bodyLimit: bodyBytesMax,
    requestTimeout: 30_000,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    http: { maxHeaderSize: headerBytesMax },
    routerOptions: { ignoreTrailingSlash: true },
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply, log),
    clientErrorHandler(error, socket) {
      if (socket.writable) socket.end(rawProblem(error));
    },
  };
  const secure = tls === undefined ? {} : { https: { key: tls.key, cert: tls.cert, maxHeaderSize: headerBytesMax } };
  const app = Fastify({ ...serverOptions, ...secure } as FastifyHttpOptions<Server>);
  app.server.maxConnections = connectionsMax;
  const limiter = new RateLimiter(clock);
  app.addHook('onRoute', (route) => {
    if (route.config?.scope === undefined)
      throw new Error(`route ${String(route.method)} ${route.url} declares no scope`);
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    const waitSeconds = limiter.retryAfterSeconds(request.ip);
    if (waitSeconds > 0) {
      throw new HttpError('rate_limited', `too many requests from ${request.ip}; try again in ${waitSeconds} s`, {
        'retry-after': String(waitSeconds),
      });
    }
    const decision = decideAccess(access, {
      // An unknown path must not be told apart from a known one without a token.
      scope: request.is404 ? 'read' : (request.routeOptions.config.scope ?? 'admin'),
      authorization: request.headers.authorization,
      host: request.headers.host,
    });
    if (decision !== 'pass') {
      throw new HttpError(
        decision.refused,
        decision.detail,
        decision.refused === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {},
      );
    }
  });
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, log));
  app.setNotFoundHandler((request, reply) => sendProblem(missing(app, request), request, reply, log));
  return app;
}

function addRoute(app: FastifyInstance, route: Route, context: ApiContext): void {
  app.route({
    method: 'GET',
    url: route.url,
    config: { scope: route.scope },
    async handler(request, reply) {
      const query = parseQuery(route.query, request.query);
      const answer = await route.answer(context, query, () => request.raw.socket.destroyed);
      return reply.headers(answer.headers).header('content-type', answer.contentType).send(answer.body);
    },
  });
}

const methodsTried = ['GET', 'HEAD'] as const;

/** 405 where the path exists for another method, else 404. */
function missing(app: FastifyInstance, request: FastifyRequest): HttpError {
  const path = request.url.split('?', 1)[0] ?? '';
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
  return new HttpError(
    'not_found',
    `nothing is at ${path.slice(0, 200)}; the API begins at /api/v1/, for example /api/v1/series`,
  );
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const { name, detail, headers } = describeError(error);
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
    seconds.observe((clock.monotonic() - (startedMs.get(request) ?? clock.monotonic())) / 1000, { route });
    answers.inc(1, { route, status: String(reply.statusCode) });
  });
}
