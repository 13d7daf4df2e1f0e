/** `GET /api/v1/devices` and `events`: what stands behind the agents, and what operators should know of the fleet. */
import { answers } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import { parseSelector } from '../query/selector.ts';
import { matchingSeries } from '../query/series.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import { pageNewestFirst } from './newest-first.ts';
import { type Row, renderList } from './output.ts';
import { cursorParam, formatParam, limitParam, matchParam } from './params.ts';
import { defineRoute } from './route.ts';

interface Device {
  readonly agent: string;
  readonly device: string;
  readonly metrics: Set<string>;
  readonly series: number[];
}

const devicesQuery = z.object({
  match: matchParam,
  format: formatParam,
  limit: limitParam(1_000, 10_000),
  cursor: cursorParam,
});

export const devicesRoute = defineRoute({
  url: '/api/v1/devices',
  scope: 'read',
  answers: answers.devices,
  summary: 'The devices behind each agent, what they measure, and when they were seen last.',
  query: devicesQuery,
  async answer({ store, queries }, query, isAbandoned) {
    const { rows, next } = await queries.run(deviceRows(store, query), isAbandoned);
    return renderList('devices', rows, { complete: next === null, next }, query.format);
  },
});

/** Yields where others may run. */
function* deviceRows(
  store: StoreRead,
  { match = [], limit, cursor }: z.output<typeof devicesQuery>,
): Generator<void, { readonly rows: Row[]; readonly next: string | null }> {
  const mark = fingerprint(['devices', match]);
  const [skipped = 0] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
  const devices = yield* devicesOf(matchingSeries(store, match.map(parseSelector)));
  const rows: Row[] = [];
  for (const device of devices.slice(skipped, skipped + limit)) {
    yield;
    rows.push(deviceRow(store, device));
  }
  const told = skipped + rows.length;
  return { rows, next: told >= devices.length ? null : encodeCursor(mark, [told]) };
}

/** In the order in which their first series was defined, which never changes. */
function* devicesOf(series: Iterable<SeriesInfo | undefined>): Generator<void, Device[]> {
  const devices = new Map<string, Device>();
  for (const found of series) {
    if (found === undefined) {
      yield;
      continue;
    }
    const { id, agent, device, metric } = found;
    const key = `${agent}\0${device}`;
    const known = devices.get(key) ?? { agent, device, metrics: new Set<string>(), series: [] };
    devices.set(key, known);
    known.metrics.add(metric);
    known.series.push(id);
  }
  return [...devices.values()];
}

function deviceRow(store: StoreRead, { agent, device, metrics, series }: Device): Row {
  const times = store.latest(series).map(({ timeMs }) => timeMs);
  const lastMs = times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b));
  return { agent, device, metrics: [...metrics].sort(), series: series.length, lastMs };
}

export const eventsRoute = defineRoute({
  url: '/api/v1/events',
  scope: 'read',
  answers: answers.events,
  summary: 'What operators should know: agents rolled back, cloned or replaced, and what did not fit. Newest first.',
  query: z.object({
    agent: z.string().max(64).optional().describe('Only this agent.'),
    format: formatParam,
    limit: limitParam(100, 1_000),
    cursor: cursorParam,
  }),
  answer({ store }, { agent, format, limit, cursor }) {
    const of = agent === undefined ? {} : { agent };
    const asked = { limit, cursor };
    const { page, paging } = pageNewestFirst(['events', agent], asked, (rows) => store.events({ ...of, ...rows }));
    const rows = page.map(({ id, atMs, agent: name, kind, epoch, detail }) => {
      return { id, atMs, agent: name, kind, epoch: epoch ?? null, detail };
    });
    return renderList('events', rows, paging, format);
  },
});
