/** What supervisors and scrapers ask: alive, ready, figures. */
import type { Metrics } from '@fogline/shared/metrics';
import { z } from 'zod';
import { HttpError } from './problems.ts';
import { defineRoute, type Route } from './route.ts';

const none = z.object({});
const ok = { contentType: 'application/json; charset=utf-8', headers: {}, body: '{"status":"ok"}\n' };

export const healthRoute = defineRoute({
  url: '/healthz',
  scope: 'public',
  summary: 'The process is alive.',
  query: none,
  answer: () => ok,
});

export function readyRoute(notReady: () => string | undefined): Route {
  return defineRoute({
    url: '/readyz',
    scope: 'public',
    summary: 'The hub takes data and answers questions; 503 with the reason when it does not.',
    query: none,
    answer() {
      const reason = notReady();
      if (reason !== undefined) throw new HttpError('unavailable', reason);
      return ok;
    },
  });
}

export function metricsRoute(metrics: Metrics): Route {
  return defineRoute({
    url: '/metrics',
    scope: 'read',
    isHubWide: true,
    summary: 'Figures in the Prometheus text format.',
    query: none,
    async answer() {
      return { contentType: metrics.contentType, headers: {}, body: await metrics.expose() };
    },
  });
}
