/** Every route that the hub has. */
import { alarmRoutes } from './alarm-routes.ts';
import { dataRoutes } from './data-route.ts';
import { devicesRoute, eventsRoute } from './event-routes.ts';
import { agentsRoute, ledgerRoute } from './fleet-routes.ts';
import { gapsRoute, latestRoute, seriesRoute } from './list-routes.ts';
import { liveRoutes } from './live-routes.ts';
import { openApiRoutes } from './openapi-routes.ts';
import { quarantineRoutes } from './quarantine-routes.ts';
import type { Route, StreamRoute } from './route.ts';
import { seriesOrderRoutes } from './series-order-routes.ts';
import { healthRoute, metricsRoute, readyRoute } from './service-routes.ts';
import { auditRoute, tokenRoutes } from './token-routes.ts';

export const streams: readonly StreamRoute[] = liveRoutes;

const answering: readonly Route[] = [
  ...dataRoutes,
  seriesRoute,
  latestRoute,
  gapsRoute,
  agentsRoute,
  devicesRoute,
  eventsRoute,
  ledgerRoute,
  ...seriesOrderRoutes,
  ...quarantineRoutes,
  ...alarmRoutes,
  ...tokenRoutes,
  auditRoute,
  healthRoute,
  readyRoute,
  metricsRoute,
];

export const routes: readonly Route[] = [...answering, ...openApiRoutes(() => [...routes, ...streams])];
