/** `GET` and `POST /api/v1/data`: readings and aggregates over time, in columns or rows. */
import { answers } from '@fogline/shared/hub-api/answers';
import { answerData, type DataPage, type DataQuestion } from '../query/data.ts';
import { expiredBefore, firstWhole } from '../query/expiry.ts';
import { emptyRanges, explainGaps, lossesAt, lossesBySeries, quietUntil } from '../query/gaps.ts';
import type { Grid } from '../query/grid.ts';
import { lastReadingBefore } from '../query/last-before.ts';
import type { SeriesPart } from '../query/parts.ts';
import { TimeZone } from '../query/time-zone.ts';
import { versionOf } from '../query/version.ts';
import { bucketOf, levels } from '../store/levels.ts';
import type { StoreRead } from '../store/read.ts';
import { dataBody, queryOf } from './data-body.ts';
import { renderData, type Shape } from './data-output.ts';
import { type Asked, dataQuery, questionOf } from './data-question.ts';
import { answerFromEdge } from './edge-answer.ts';
import { etagOf, isKnown } from './etag.ts';
import type { Format, Rendered, Row } from './output.ts';
import { choiceOf, parseQuery, refuseQuery } from './params.ts';
import { type ApiContext, defineRoute } from './route.ts';

const facts = {
  url: '/api/v1/data',
  scope: 'read',
  summary: 'Readings, or exact aggregates of them, over time.',
  answers: answers.data,
} as const;

const get = defineRoute({ ...facts, query: dataQuery, answer: answerAsked });

const post = defineRoute({
  ...facts,
  method: 'POST',
  summary: `${facts.summary} The same as GET, of a JSON body.`,
  query: dataBody,
  answer: (context, body, isAbandoned) =>
    answerAsked({ ...context, ifNoneMatch: undefined }, parseQuery(dataQuery, queryOf(body)), isAbandoned),
});

export const dataRoutes = [get, post];

async function answerAsked(context: ApiContext, asked: Asked, isAbandoned: () => boolean): Promise<Rendered> {
  const { store, clock, queries, startedMs, caller } = context;
  const shape = shapeOf(asked.shape, asked.format);
  const zone = TimeZone.of(asked.tz ?? 'UTC');
  if (choiceOf('source', ['hub', 'edge'], asked.source ?? 'hub') === 'edge')
    return answerFromEdge(context, asked, { shape, zone }, isAbandoned);
  const nowMs = clock.now();
  const question = questionOf(asked, nowMs);
  const version = await queries.run(versionOf(store, question, nowMs), isAbandoned);
  const etag = etagOf([startedMs, caller.sites ?? null, asked.format, shape, zone.name, version]);
  const caching = { etag, 'cache-control': 'private, no-cache' };
  if (isKnown(context.ifNoneMatch, etag)) return { status: 304, contentType: 'text/plain', headers: caching, body: '' };
  const { page, meta } = await queries.run(explained(store, question, nowMs), isAbandoned);
  const paging = { complete: page.next === null, next: page.next };
  const rendered = renderData(page.parts, { format: asked.format, shape, zone }, paging, meta);
  return { ...rendered, headers: { ...rendered.headers, ...caching } };
}

function shapeOf(text: string | undefined, format: Format): Shape {
  const shape = text === undefined ? undefined : choiceOf('shape', ['columns', 'rows'], text);
  if (format === 'json') return shape ?? 'columns';
  if (shape === 'columns') throw refuseQuery(`shape: ${format} has rows only; leave shape out, or write format=json`);
  return 'rows';
}

const gapsShownMax = 1_000;

/** Yields where others may run. */
function* explained(
  store: StoreRead,
  question: DataQuestion,
  nowMs: number,
): Generator<void, { readonly page: DataPage; readonly meta: Row }> {
  const page = yield* answerData(store, question, nowMs);
  const gaps = yield* gapsOfPage(store, page, question.grid, nowMs);
  return { page, meta: metaOf(page, question, gaps) };
}

function metaOf(page: DataPage, { grid, aggregates }: DataQuestion, gaps: readonly Row[]): Row {
  return {
    fromMs: page.range.fromMs,
    toMs: page.range.toMs,
    ...(grid === undefined ? {} : { every: grid.every, ...(grid.tz === undefined ? {} : { tz: grid.tz }) }),
    ...(aggregates === undefined ? {} : { agg: aggregates }),
    source: page.parts.map(({ series, source }) => ({ series: series.id, stream: series.stream, level: source })),
    also: page.parts.flatMap(({ series, also }) =>
      also.map((other) => ({
        series: series.id,
        other: other.id,
        stream: other.stream,
        kind: other.kind,
        sampling: other.sampling,
      })),
    ),
    gaps: gaps.slice(0, gapsShownMax),
    gapsOmitted: Math.max(0, gaps.length - gapsShownMax),
  };
}

/** Buckets without data, and what was declared lost; without buckets only the latter, for nothing says when a reading was due. */
function* gapsOfPage(
  store: StoreRead,
  page: DataPage,
  grid: Grid | undefined,
  nowMs: number,
): Generator<void, readonly Row[]> {
  const losses = lossesBySeries(store, new Set(page.parts.map(({ series }) => series.agent)), page.range);
  const found: Row[] = [];
  for (const part of page.parts) {
    yield;
    const { series } = part;
    // What has not happened yet is not missing, and the bucket of this moment is still open.
    const range = { fromMs: part.coveredFromMs, toMs: Math.min(part.coveredToMs, grid?.startOf(nowMs) ?? nowMs) };
    if (range.fromMs >= range.toMs) continue;
    const { recordedMs } = part;
    const empty = grid === undefined ? [] : emptyRanges(recordedMs, grid, range);
    const quiet = quietUntil(series, grid === undefined ? [] : [...lastBefore(store, part), ...recordedMs]);
    // Buckets made of readings are whole, or were refused, as far back as days tell whether there were any.
    const isOfReadings = grid !== undefined && part.level === undefined;
    const horizonMs = expiredBefore(store.expiry(), series, isOfReadings ? levels[3] : part.level);
    const expiredMs = grid === undefined ? horizonMs : firstWhole(grid, horizonMs);
    const gaps = explainGaps(empty, lossesAt(losses.get(series.id) ?? [], part.level), range, quiet, expiredMs);
    for (const gap of gaps) found.push({ series: series.id, ...gap });
  }
  return found;
}

/** For a held series: the last reading before the answer, whose value may still stand in it. */
function lastBefore(store: StoreRead, { series, coveredFromMs, level }: SeriesPart): number[] {
  if (series.sampling !== 'held' || series.holdMs === 0) return [];
  const finest = level ?? levels[0];
  const last = lastReadingBefore(store, series, finest, bucketOf(coveredFromMs, finest));
  return last === undefined ? [] : [last.timeMs];
}
