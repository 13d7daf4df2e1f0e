/** `GET /api/v1/series`, `latest` and `gaps`: what there is, what was seen last, and where something is missing. */
import { answers } from '@fogline/shared/hub-api/answers';
import { z } from 'zod';
import { currentValue } from '../query/current-value.ts';
import { decodeCursor, encodeCursor, fingerprint } from '../query/cursor.ts';
import { gapsOf, lossesBySeries } from '../query/gaps.ts';
import { parseEvery } from '../query/grid.ts';
import { parseSelector } from '../query/selector.ts';
import { labelsOf, matchingSeries } from '../query/series.ts';
import { compact, parseRange, type TimeRange } from '../query/time.ts';
import { bucketOf } from '../store/levels.ts';
import type { LatestValue, SeriesInfo, StoreRead } from '../store/read.ts';
import { type Rendered, type Row, renderList } from './output.ts';
import { cursorParam, formatParam, limitParam, matchParam } from './params.ts';
import { defineRoute } from './route.ts';

const seriesPerTurn = 500;

const listQuery = z.object({
  match: matchParam,
  format: formatParam,
  limit: limitParam(1_000, 10_000),
  cursor: cursorParam,
});

export const seriesRoute = defineRoute({
  url: '/api/v1/series',
  scope: 'read',
  answers: answers.series,
  summary: 'The series there are, with their labels.',
  query: listQuery,
  async answer({ store, queries }, query, isAbandoned) {
    const { page, next } = await queries.run(seriesPage(store, 'series', query), isAbandoned);
    const rows = page.map((series) => ({
      id: series.id,
      labels: labelsOf(series),
      widthMs: series.widthMs,
      holdMs: series.holdMs,
    }));
    return renderList('series', rows, { complete: next === null, next }, query.format);
  },
});

export const latestRoute = defineRoute({
  url: '/api/v1/latest',
  scope: 'read',
  answers: answers.latest,
  summary: 'The latest value of each series, and how old it is.',
  query: listQuery,
  async answer({ store, clock, queries }, query, isAbandoned) {
    const nowMs = clock.now();
    const { rows, next } = await queries.run(latestRows(store, query, nowMs), isAbandoned);
    return renderList('latest', rows, { complete: next === null, next }, query.format, { nowMs });
  },
});

/** Yields where others may run. */
function* latestRows(
  store: StoreRead,
  query: ListQuery,
  nowMs: number,
): Generator<void, { readonly rows: Row[]; readonly next: string | null }> {
  const { page, next } = yield* seriesPage(store, 'latest', query);
  const rows: Row[] = [];
  for (let from = 0; from < page.length; from += seriesPerTurn) {
    yield;
    const byId = new Map(page.slice(from, from + seriesPerTurn).map((series) => [series.id, series]));
    for (const latest of store.latest([...byId.keys()])) rows.push(latestRow(latest, byId.get(latest.series), nowMs));
  }
  return { rows, next };
}

function latestRow(latest: LatestValue, series: SeriesInfo | undefined, nowMs: number): Row {
  const head = {
    series: latest.series,
    labels: series === undefined ? {} : labelsOf(series),
    timeMs: latest.timeMs,
    ageMs: nowMs - latest.timeMs,
  };
  return { ...head, ...currentValue(latest, series?.widthMs ?? 0) };
}

interface ListQuery {
  readonly match?: string[] | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Yields where others may run. */
function* seriesPage(
  store: StoreRead,
  name: string,
  { match = [], limit, cursor }: ListQuery,
): Generator<void, { page: SeriesInfo[]; next: string | null }> {
  const mark = fingerprint([name, match]);
  const [after = 0] = cursor === undefined ? [] : decodeCursor(cursor, mark, 1);
  const page: SeriesInfo[] = [];
  for (const series of matchingSeries(store, match.map(parseSelector), after)) {
    if (series === undefined) {
      yield;
      continue;
    }
    if (page.length === limit) return { page, next: encodeCursor(mark, [page.at(-1)?.id ?? 0]) };
    page.push(series);
  }
  return { page, next: null };
}

const gapsQuery = listQuery.extend({
  from: z
    .string()
    .default('now-24h')
    .describe('Begin, inclusive: now-6h, RFC 3339 with offset, or epoch milliseconds.'),
  to: z.string().optional().describe('End, exclusive; default now.'),
  every: z.string().default('1m').describe('The shortest gap that counts, a multiple of 10s.'),
});

export const gapsRoute = defineRoute({
  url: '/api/v1/gaps',
  scope: 'read',
  answers: answers.gaps,
  summary: 'Where series have no data, and why as far as the hub knows.',
  query: gapsQuery,
  async answer({ store, clock, queries }, asked, isAbandoned): Promise<Rendered> {
    const nowMs = clock.now();
    const everyMs = parseEvery(asked.every);
    const mark = fingerprint(['gaps', asked.match ?? [], asked.from, asked.to, everyMs]);
    const position = asked.cursor === undefined ? undefined : decodeCursor(asked.cursor, mark, 5);
    const range =
      position === undefined ? closedRange(parseRange(asked.from, asked.to, nowMs), everyMs, nowMs) : rangeOf(position);
    const query = collectGaps(store, asked, range, everyMs, position);
    const { rows, at } = await queries.run(query, isAbandoned);
    const next = at === undefined ? null : encodeCursor(mark, [range.fromMs, range.toMs, ...at]);
    const meta = { ...range, every: compact(everyMs), lostWithoutDetail: lostWithoutDetail(store) };
    return renderList('gaps', rows, { complete: next === null, next }, asked.format, meta);
  },
});

/** Whole buckets, and only such as are over. */
function closedRange({ fromMs, toMs }: TimeRange, everyMs: number, nowMs: number): TimeRange {
  const from = bucketOf(fromMs, everyMs);
  return { fromMs: from, toMs: Math.max(from, Math.min(-bucketOf(-toMs, everyMs), bucketOf(nowMs, everyMs))) };
}

function rangeOf([fromMs = 0, toMs = 0]: readonly number[]): TimeRange {
  return { fromMs, toMs };
}

/** `at`: the series to go on with, where in time, and how many of its gaps that begin there were told. */
function* collectGaps(
  store: StoreRead,
  { match = [], limit }: ListQuery,
  range: TimeRange,
  everyMs: number,
  position: readonly number[] | undefined,
): Generator<void, { rows: Row[]; at: [series: number, fromMs: number, told: number] | undefined }> {
  const [, , seriesFrom = 0, resumeMs = 0, toldThere = 0] = position ?? [];
  const rows: Row[] = [];
  const losses = new Map<string, ReturnType<typeof lossesBySeries>>();
  for (const series of matchingSeries(store, match.map(parseSelector), seriesFrom - 1)) {
    if (series === undefined) {
      yield;
      continue;
    }
    const lost = losses.get(series.agent) ?? lossesBySeries(store, [series.agent], range);
    losses.set(series.agent, lost);
    const found = yield* gapsOf(store, series, range, everyMs, lost.get(series.id) ?? []);
    let beginsMs: number | undefined;
    let told = 0;
    for (const gap of found.gaps) {
      told = gap.fromMs === beginsMs ? told + 1 : 0;
      beginsMs = gap.fromMs;
      const isTold =
        series.id === seriesFrom && (gap.fromMs < resumeMs || (gap.fromMs === resumeMs && told < toldThere));
      if (isTold) continue;
      if (rows.length >= limit) return { rows, at: [series.id, gap.fromMs, told] };
      rows.push({
        series: series.id,
        labels: labelsOf(series),
        ...gap,
        items: gap.items ?? null,
        every: compact(found.everyMs),
      });
    }
    yield;
  }
  return { rows, at: undefined };
}

/** Items declared lost, per agent, of which the agent could not say to which series they belonged. */
function lostWithoutDetail(store: StoreRead): Record<string, number> {
  const omitted: Record<string, number> = {};
  for (const { agent, statsOmitted } of store.voids())
    if (statsOmitted > 0) omitted[agent] = (omitted[agent] ?? 0) + statsOmitted;
  return omitted;
}
