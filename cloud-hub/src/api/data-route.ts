/** `GET /api/v1/data`: readings and aggregates over time, in columns or rows. */
import { z } from 'zod';
import { type Aggregate, aggregates, parseAggregates } from '../query/aggregates.ts';
import { parseFill } from '../query/bucket-rows.ts';
import { answerData, type DataPage, type DataQuestion } from '../query/data.ts';
import { emptyRanges, explainGaps, lossesBySeries, quietUntil } from '../query/gaps.ts';
import { type Grid, parseGrid } from '../query/grid.ts';
import { type Quality, qualityNames, type SeriesPart, type Value } from '../query/parts.ts';
import { parseSelector } from '../query/selector.ts';
import { labelsOf } from '../query/series.ts';
import type { StoreRead } from '../store/read.ts';
import { type Paging, type Rendered, type Row, renderList } from './output.ts';
import { choiceParam, cursorParam, formatParam, limitParam, matchParam, refuseQuery } from './params.ts';
import { defineRoute } from './route.ts';

const query = z.object({
  match: matchParam,
  from: z.string().default('now-1h').describe('Begin, inclusive: now-6h, RFC 3339 with offset, or epoch milliseconds.'),
  to: z.string().optional().describe('End, exclusive; default now.'),
  every: z
    .string()
    .optional()
    .describe('Bucket width: 10s, 5m, 6h, 1d, 1w (from Monday), 1mo, 1y; without it the readings themselves.'),
  tz: z
    .string()
    .max(60)
    .optional()
    .describe('IANA time zone whose clock and calendar the buckets follow, for example Europe/Paris; default UTC.'),
  agg: z
    .string()
    .optional()
    .describe(
      `Comma-separated, of ${aggregates.join(', ')} and percentiles such as p95; the default follows the sampling.`,
    ),
  fill: z
    .string()
    .max(40)
    .default('none')
    .describe('What stands in buckets without data: none (they are left out), null, previous, linear, or a number.'),
  quality: z
    .string()
    .max(40)
    .optional()
    .describe('Only readings of these qualities: good, uncertain, bad, comma-separated.'),
  shape: z.string().optional().describe('columns (default) or rows, for format=json.'),
  format: formatParam,
  limit: limitParam(10_000, 100_000),
  cursor: cursorParam,
});

export const dataRoute = defineRoute({
  url: '/api/v1/data',
  scope: 'read',
  summary: 'Readings, or exact aggregates of them, over time.',
  query,
  async answer({ store, clock, queries }, asked, isAbandoned): Promise<Rendered> {
    const { match = [], every, tz, agg, format } = asked;
    if (match.length === 0)
      throw refuseQuery(
        'match: name the series, for example match=temperature or match={device="d1"}; match={} means all',
      );
    if (agg !== undefined && every === undefined)
      throw refuseQuery('agg: aggregates need buckets; add every, for example every=1m, or leave agg out');
    const shape = shapeOf(asked.shape, format);
    if (tz !== undefined && every === undefined)
      throw refuseQuery('tz: only buckets follow a time zone; add every, for example every=1d, or leave tz out');
    const fill = parseFill(asked.fill);
    if (fill !== undefined && every === undefined)
      throw refuseQuery('fill: only buckets can be empty; add every, for example every=1m, or leave fill out');
    const qualities = asked.quality === undefined ? undefined : parseQualities(asked.quality);
    if (qualities !== undefined && every !== undefined)
      throw refuseQuery('quality: aggregates always leave bad readings out; leave quality out, or every');
    const grid = every === undefined ? undefined : parseGrid(every, tz);
    const asks = agg === undefined ? undefined : parseAggregates(agg);
    const { from, to, limit, cursor } = asked;
    const question: DataQuestion = {
      selectors: match.map(parseSelector),
      from,
      to,
      grid,
      aggregates: asks,
      fill,
      qualities,
      limit,
      cursor,
    };
    const nowMs = clock.now();
    const page = await queries.run(answerData(store, question, nowMs), isAbandoned);
    const paging = { complete: page.next === null, next: page.next };
    const meta = metaOf(store, page, grid, asks, nowMs);
    if (shape === 'columns') return renderList('series', page.parts.map(columnsOf), paging, 'json', meta);
    return renderRows(page, meta, paging, format);
  },
});

function shapeOf(text: string | undefined, format: string): 'columns' | 'rows' {
  const shape = text === undefined ? undefined : choiceParam(['columns', 'rows'], 'columns').safeParse(text);
  if (shape?.success === false) throw refuseQuery(`shape: ${shape.error.issues[0]?.message ?? ''}`);
  if (format === 'json') return shape?.data ?? 'columns';
  if (shape?.data === 'columns')
    throw refuseQuery(`shape: ${format} has rows only; leave shape out, or write format=json`);
  return 'rows';
}

function parseQualities(text: string): Quality[] {
  return text.split(',').map((part) => {
    const parsed = choiceParam(qualityNames, 'good').safeParse(part.trim());
    if (parsed.success) return parsed.data;
    throw refuseQuery(`quality: ${parsed.error.issues[0]?.message ?? ''}`);
  });
}

const gapsShownMax = 1_000;

function metaOf(
  store: StoreRead,
  page: DataPage,
  grid: Grid | undefined,
  asked: readonly Aggregate[] | undefined,
  nowMs: number,
): Row {
  const gaps = gapsOfPage(store, page, grid, nowMs);
  return {
    fromMs: page.range.fromMs,
    toMs: page.range.toMs,
    ...(grid === undefined ? {} : { every: grid.every, ...(grid.tz === undefined ? {} : { tz: grid.tz }) }),
    ...(asked === undefined ? {} : { agg: asked }),
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
function gapsOfPage(store: StoreRead, page: DataPage, grid: Grid | undefined, nowMs: number): Row[] {
  const losses = lossesBySeries(store, new Set(page.parts.map(({ series }) => series.agent)), page.range);
  return page.parts.flatMap((part) => {
    const { series } = part;
    // What has not happened yet is not missing, and the bucket of this moment is still open.
    const range = { fromMs: part.coveredFromMs, toMs: Math.min(part.coveredToMs, grid?.startOf(nowMs) ?? nowMs) };
    if (range.fromMs >= range.toMs) return [];
    const { recordedMs } = part;
    const empty = grid === undefined ? [] : emptyRanges(recordedMs, grid, range);
    const quiet = quietUntil(series, grid === undefined ? [] : [...lastBefore(store, part, grid), ...recordedMs]);
    const gaps = explainGaps(empty, losses.get(series.id) ?? [], range, quiet);
    return gaps.map((gap) => ({ series: series.id, ...gap }));
  });
}

/** For a held series: the bucket before the answer whose value may still stand in it. */
function lastBefore(store: StoreRead, { series, coveredFromMs, level }: SeriesPart, grid: Grid): number[] {
  if (series.sampling !== 'held' || series.holdMs === 0 || level === undefined) return [];
  let last: number | undefined;
  for (const row of store.rollups(series.id, level, grid.startOf(coveredFromMs - series.holdMs), coveredFromMs))
    last = row.startMs;
  return last === undefined ? [] : [last];
}

function columnsOf({ series, columns, values }: SeriesPart): Row {
  return {
    id: series.id,
    labels: labelsOf(series),
    columns: Object.fromEntries(columns.map((column, index) => [column, values[index]])),
  };
}

function renderRows(page: DataPage, meta: Row, paging: Paging, format: 'json' | 'ndjson' | 'csv'): Rendered {
  const rows: Row[] = [];
  for (const { series, columns, values } of page.parts) {
    const labels = labelsOf(series);
    for (let row = 0; row < (values[0]?.length ?? 0); row++) {
      const cells: Record<string, Value | Row | null> = { time: values[0]?.[row] ?? null, series: series.id, labels };
      columns.forEach((column, index) => {
        cells[column] = values[index]?.[row] ?? null;
      });
      rows.push(cells);
    }
  }
  return renderList('rows', rows, paging, format, meta);
}
