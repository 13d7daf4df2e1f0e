/** What supervisors and scrapers ask: alive, ready, figures. */
import { statusOk } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { HttpError } from './problems.ts';
import { defineRoute } from './route.ts';

const none = z.object({});
const ok = { contentType: 'application/json; charset=utf-8', headers: {}, body: '{"status":"ok"}\n' };

export const healthRoute = defineRoute({
  url: '/healthz',
  scope: 'public',
  summary: 'The process is alive.',
  answers: statusOk,
  query: none,
  answer: () => ok,
});

export const readyRoute = defineRoute({
  url: '/readyz',
  scope: 'public',
  summary: 'The hub takes data and answers questions; 503 with the reason when it does not.',
  answers: statusOk,
  query: none,
  answer({ services }) {
    const reason = services.notReady();
    if (reason !== undefined) throw new HttpError('unavailable', reason);
    return ok;
  },
});

export const metricsRoute = defineRoute({
  url: '/metrics',
  scope: 'read',
  isHubWide: true,
  summary: 'Figures in the Prometheus text format.',
  answers: { contentType: 'text/plain' },
  query: none,
  async answer({ services: { metrics } }) {
    return { contentType: metrics.contentType, headers: {}, body: await metrics.expose() };
  },
});
