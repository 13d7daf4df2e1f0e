/**
 * The Prometheus door, `/prometheus/api/v1/*`: what Grafana's stock Prometheus data source asks, in Prometheus' own envelope. Each route
 * answers GET, and POST with a form where Prometheus does. Errors, those of access included, keep the envelope.
 */

import { hasCode } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Budget } from '../prometheus/budget.ts';
import { answerInstant, answerRange } from '../prometheus/engine.ts';
import { compileMatchers } from '../prometheus/matchers.ts';
import { labelNames, labelValues, metadataOf, type SeriesQuestion, seriesOf } from '../prometheus/metadata.ts';
import { parseSeriesSelector } from '../prometheus/parser.ts';
import { defaultLookBackMs, StoreSource } from '../prometheus/store-source.ts';
import { version } from '../version.ts';
import type { RouteGuard } from './gate.ts';
import { describeError, HttpError, problemKinds } from './problems.ts';
import { PrometheusParams } from './prometheus-params.ts';
import type { ApiContext } from './route.ts';

/** JSON text of `data`, and warnings. */
interface Answer {
  readonly data: string;
  readonly warnings?: readonly string[];
}

interface Request {
  readonly params: PrometheusParams;
  /** The label of `label/NAME/values`. */
  readonly name: string;
  isAbandoned(): boolean;
}

interface DoorRoute {
  readonly path: string;
  readonly takesForm: boolean;
  answer(context: ApiContext, request: Request): Answer | Promise<Answer>;
}

const prefix = '/prometheus';

/** The level of the API that clients find here, which they go by. */
const apiVersion = '3.0.0';

const fixed = (path: string, data: unknown, takesForm = false): DoorRoute => ({
  path,
  takesForm,
  answer: () => ({ data: JSON.stringify(data) }),
});

const routes: readonly DoorRoute[] = [
  {
    path: '/api/v1/query',
    takesForm: true,
    async answer(context, { params, isAbandoned }) {
      const timeMs = params.time('time', context.clock.now());
      const query = answerInstant(sourceOf(context, params), params.text('query'), timeMs);
      return { data: await context.queries.run(query, isAbandoned) };
    },
  },
  {
    path: '/api/v1/query_range',
    takesForm: true,
    async answer(context, { params, isAbandoned }) {
      params.text('step');
      const range = {
        startMs: params.requiredTime('start'),
        endMs: params.requiredTime('end'),
        stepMs: params.duration('step') ?? 0,
      };
      const query = answerRange(sourceOf(context, params), params.text('query'), range);
      return { data: await context.queries.run(query, isAbandoned) };
    },
  },
  {
    path: '/api/v1/series',
    takesForm: true,
    async answer(context, { params, isAbandoned }) {
      params.text('match[]');
      return listed(await context.queries.run(seriesOf(context.store, questionOf(params)), isAbandoned), params);
    },
  },
  {
    path: '/api/v1/labels',
    takesForm: true,
    async answer(context, { params, isAbandoned }) {
      return listed(await context.queries.run(labelNames(context.store, questionOf(params)), isAbandoned), params);
    },
  },
  {
    path: '/api/v1/label/:name/values',
    takesForm: false,
    async answer(context, { params, name, isAbandoned }) {
      const values = labelValues(context.store, name, questionOf(params));
      return listed(await context.queries.run(values, isAbandoned), params);
    },
  },
  {
    path: '/api/v1/metadata',
    takesForm: false,
    async answer(context, { params, isAbandoned }) {
      const [metric] = params.all('metric');
      return { data: await context.queries.run(metadataOf(context.store, metric, params.limit()), isAbandoned) };
    },
  },
  fixed('/api/v1/status/buildinfo', {
    version: apiVersion,
    revision: `fogline ${version}`,
    branch: 'fogline',
    buildUser: '',
    buildDate: '',
    goVersion: '',
  }),
  fixed('/api/v1/rules', { groups: [] }),
  fixed('/api/v1/alerts', { alerts: [] }),
  fixed('/api/v1/query_exemplars', [], true),
];

export function addPrometheusDoor(
  app: FastifyInstance,
  contextOf: (request: FastifyRequest) => ApiContext,
  log: Logger,
  notReady: () => string | undefined,
): void {
  void app.register(
    async (door) => {
      door.addContentTypeParser(
        'application/x-www-form-urlencoded',
        { parseAs: 'string' },
        async (_: unknown, body: unknown) => body,
      );
      door.setErrorHandler((error, request, reply) => sendError(error, request, reply, log));
      door.setNotFoundHandler((request, reply) => sendError(missing(door, request), request, reply, log));
      for (const route of routes) addRoute(door, route, contextOf);
      addHealth(door, notReady);
    },
    { prefix },
  );
}

function addRoute(door: FastifyInstance, route: DoorRoute, contextOf: (request: FastifyRequest) => ApiContext): void {
  door.route({
    method: route.takesForm ? ['GET', 'POST'] : ['GET'],
    url: route.path,
    config: { guard: guardOf('read') },
    async handler(request, reply) {
      const form = typeof request.body === 'string' ? request.body : '';
      const { data, warnings = [] } = await route.answer(contextOf(request), {
        params: new PrometheusParams(request.url, form),
        name: (request.params as { readonly name?: string }).name ?? '',
        isAbandoned: () => request.raw.socket.destroyed,
      });
      const tail = warnings.length === 0 ? '' : `,"warnings":${JSON.stringify(warnings)}`;
      return reply.type(jsonType).send(`{"status":"success","data":${data}${tail}}\n`);
    },
  });
}

/** 405 where the path exists for another method, else 404. */
function missing(door: FastifyInstance, { method, url }: FastifyRequest): HttpError {
  const path = url.split('?', 1)[0]?.slice(0, 200) ?? '';
  const allowed = (['GET', 'POST'] as const).filter((name) => door.findRoute({ method: name, url: path }) !== null);
  if (allowed.length > 0 && !allowed.some((name) => name === method)) {
    const allow = allowed.join(', ');
    return new HttpError('method_not_allowed', `${method} is not supported at ${path}; it takes ${allow}`, { allow });
  }
  const what = "this is the part of Prometheus' API that Grafana asks for, see docs/grafana.md";
  return new HttpError('not_found', `nothing is at ${path}; ${what}`);
}

function guardOf(scope: 'read' | 'public'): RouteGuard {
  return { scope, isHubWide: false, audited: [] };
}

const jsonType = 'application/json; charset=utf-8';

function addHealth(door: FastifyInstance, notReady: () => string | undefined): void {
  door.route({
    method: 'GET',
    url: '/-/healthy',
    config: { guard: guardOf('public') },
    handler: (_, reply) => reply.type('text/plain; charset=utf-8').send('Fogline is healthy.\n'),
  });
  door.route({
    method: 'GET',
    url: '/-/ready',
    config: { guard: guardOf('public') },
    handler(_, reply) {
      const reason = notReady();
      if (reason !== undefined) throw new HttpError('unavailable', reason);
      return reply.type('text/plain; charset=utf-8').send('Fogline is ready.\n');
    },
  });
}

function sourceOf({ store }: ApiContext, params: PrometheusParams): (budget: Budget) => StoreSource {
  const patienceMs = params.duration('lookback_delta') ?? defaultLookBackMs;
  return (budget) => new StoreSource(store, budget, patienceMs);
}

function questionOf(params: PrometheusParams): SeriesQuestion {
  const selectors = params.all('match[]').map((text) => compileMatchers(parseSeriesSelector(text)));
  return { selectors, startMs: params.time('start', undefined) };
}

/** A list as JSON texts, cut off at the limit that was asked for. */
function listed(texts: readonly string[], params: PrometheusParams): Answer {
  const limit = params.limit();
  if (texts.length <= limit) return { data: `[${texts.join(',')}]` };
  return { data: `[${texts.slice(0, limit).join(',')}]`, warnings: ['results truncated due to limit'] };
}

function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): FastifyReply {
  const { name, detail, headers } = describeError(error);
  if (request.passage !== undefined) request.passage.problem = name;
  const isExecution = hasCode(error, 'limit_exceeded');
  const status = isExecution ? 422 : problemKinds[name].status;
  if (name === 'internal')
    log.error({ error, method: request.method, path: request.url.split('?', 1)[0] }, 'a request failed');
  const errorType = isExecution ? 'execution' : name === 'query_invalid' ? 'bad_data' : name;
  return reply
    .code(status)
    .headers(headers)
    .type(jsonType)
    .send(`${JSON.stringify({ status: 'error', errorType, error: detail })}\n`);
}
