/**
 * The Prometheus door, `/prometheus/api/v1/*`: what Grafana's stock Prometheus data source asks, in Prometheus' own envelope. Each route
 * answers GET, and POST with a form where Prometheus does. Errors, those of access included, keep the envelope.
 */

import { hasCode } from '@fogline/shared/errors';
import type { Budget } from '../prometheus/budget.ts';
import { answerInstant, answerRange } from '../prometheus/engine.ts';
import { compileMatchers } from '../prometheus/matchers.ts';
import { labelNames, labelValues, metadataOf, type SeriesQuestion, seriesOf } from '../prometheus/metadata.ts';
import { parseSeriesSelector } from '../prometheus/parser.ts';
import { defaultLookBackMs, StoreSource } from '../prometheus/store-source.ts';
import { version } from '../version.ts';
import type { Door, DoorError, DoorRoute } from './door.ts';
import type { Rendered } from './output.ts';
import { describeError, HttpError, problemKinds } from './problems.ts';
import { PrometheusParams } from './prometheus-params.ts';
import type { ApiContext } from './route.ts';

/** JSON text of `data`, and warnings. */
interface Answer {
  readonly data: string;
  readonly warnings?: readonly string[];
}

interface Question {
  readonly path: string;
  readonly takesForm: boolean;
  answer(
    context: ApiContext,
    request: {
      readonly params: PrometheusParams;
      /** The label of `label/NAME/values`. */
      readonly name: string;
      isAbandoned(): boolean;
    },
  ): Answer | Promise<Answer>;
}

/** The level of the API that clients find here, which they go by. */
const apiVersion = '3.0.0';

const fixed = (path: string, data: unknown, takesForm = false): Question => ({
  path,
  takesForm,
  answer: () => ({ data: JSON.stringify(data) }),
});

const questions: readonly Question[] = [
  {
    path: '/api/v1/query',
    takesForm: true,
    async answer(context, { params, isAbandoned }) {
      const timeMs = params.time('time', context.clock.now());
      const query = answerInstant(sourceOf(context, params), params.text('query'), timeMs, context.memory);
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
      const query = answerRange(sourceOf(context, params), params.text('query'), range, context.memory);
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

const jsonType = 'application/json; charset=utf-8';
const textType = 'text/plain; charset=utf-8';

export const prometheusDoor: Door = {
  prefix: '/prometheus',
  routes: [
    ...questions.map(routeOf),
    { path: '/-/healthy', scope: 'public', takesForm: false, answer: () => text('Fogline is healthy.\n') },
    {
      path: '/-/ready',
      scope: 'public',
      takesForm: false,
      answer(context) {
        const reason = context().services.notReady();
        if (reason !== undefined) throw new HttpError('unavailable', reason);
        return text('Fogline is ready.\n');
      },
    },
  ],
  where: "this is the part of Prometheus' API that Grafana asks for, see docs/grafana.md",
  errorOf,
};

function text(body: string): Rendered {
  return { contentType: textType, headers: {}, body };
}

function routeOf({ path, takesForm, answer }: Question): DoorRoute {
  return {
    path,
    scope: 'read',
    takesForm,
    async answer(context, { url, form, params, isAbandoned }) {
      const request = { params: new PrometheusParams(url, form), name: params['name'] ?? '', isAbandoned };
      const { data, warnings = [] } = await answer(context(), request);
      const tail = warnings.length === 0 ? '' : `,"warnings":${JSON.stringify(warnings)}`;
      return { contentType: jsonType, headers: {}, body: `{"status":"success","data":${data}${tail}}\n` };
    },
  };
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

function errorOf(error: unknown): DoorError {
  const { name, detail, headers } = describeError(error);
  const isExecution = hasCode(error, 'limit_exceeded');
  const errorType = isExecution ? 'execution' : name === 'query_invalid' ? 'bad_data' : name;
  return {
    name,
    status: isExecution ? 422 : problemKinds[name].status,
    headers,
    contentType: jsonType,
    body: `${JSON.stringify({ status: 'error', errorType, error: detail })}\n`,
  };
}
