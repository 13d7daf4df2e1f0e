/**
 * What a verdict asks the hub, over its public API, page by page. Answers are checked for shape: a verdict must not rest on
 * what it took for granted.
 */
import { FoglineError } from '@fogline/shared/errors';
import { z } from 'zod';
import type { Bucket } from './compare.ts';
import { Column, type Readings } from './growable.ts';
import { getJson } from './hub-http.ts';
import { indexIn } from './truth.ts';

export interface HubSeries {
  readonly id: number;
  readonly agent: string;
  readonly stream: string;
  readonly device: string;
  readonly metric: string;
  readonly kind: string;
  readonly sampling: string;
  readonly type: string;
}

export interface Range {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** Items that were declared lost. */
export interface Losses {
  /** By hours since the epoch. */
  readonly byHour: ReadonlyMap<number, number>;
  /** Of the whole agent, of which it could not say to which series they belonged. */
  readonly withoutDetail: number;
}

export interface HubReader {
  /** All series of lossless streams. */
  listSeries(): Promise<readonly HubSeries[]>;
  /**
   * In order of time. `good` lacks what has quality bad, which enters no aggregate. The values of a text series are indices of
   * `texts`, which grows with what is not in it.
   */
  readings(
    series: HubSeries,
    range: Range,
    texts?: string[],
  ): Promise<{ readonly all: Readings; readonly good: Readings }>;
  losses(series: HubSeries, range: Range): Promise<Losses>;
  /** By hours since the epoch: items that the agent made, and that are neither at the hub, nor waiting, nor declared. */
  unaccounted(agent: string): Promise<ReadonlyMap<number, number>>;
  /** In order of start. */
  buckets(series: HubSeries, everyMs: number, range: Range): Promise<readonly Bucket[]>;
}

export interface HubReaderOptions {
  /** `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly token?: string;
}

const rowsPerPage = 100_000;
const seriesPerPage = 10_000;

const paging = { complete: z.boolean(), next: z.string().nullable() };

const seriesPage = z.object({
  series: z.array(
    z.object({
      id: z.number(),
      labels: z.object({
        agent: z.string(),
        stream: z.string(),
        device: z.string(),
        metric: z.string(),
        kind: z.string(),
        sampling: z.string(),
        type: z.string(),
      }),
    }),
  ),
  ...paging,
});

const numbers = z.array(z.number());

const readingsPage = z.object({
  series: z.array(
    z.object({
      id: z.number(),
      columns: z.object({
        time: numbers,
        value: z.array(z.union([z.number(), z.string()])),
        quality: z.array(z.string()),
      }),
    }),
  ),
  ...paging,
});

const bucketsPage = z.object({
  series: z.array(
    z.object({
      id: z.number(),
      columns: z.object({ time: numbers, count: numbers, sum: numbers, min: numbers, max: numbers, mean: numbers }),
    }),
  ),
  ...paging,
});

const gapsPage = z.object({
  gaps: z.array(z.object({ series: z.number(), fromMs: z.number(), cause: z.string(), items: z.number().nullable() })),
  meta: z.object({ lostWithoutDetail: z.record(z.string(), z.number()) }),
  ...paging,
});

const ledgerPage = z.object({
  ledger: z.array(z.object({ hourMs: z.number().nullable(), unaccounted: z.number().nullable() })),
  ...paging,
});

const hourMs = 3_600_000;

/** Every call throws `unavailable` when the hub does not answer, `unauthorized` when it refuses, `message_invalid` for nonsense. */
export function openHubReader(options: HubReaderOptions): HubReader {
  return {
    listSeries: () => listSeries(options),
    readings: (series, range, texts) => readReadings(options, series, range, texts ?? []),
    losses: (series, range) => readLosses(options, series, range),
    unaccounted: (agent) => readUnaccounted(options, agent),
    buckets: (series, everyMs, range) => readBuckets(options, series, everyMs, range),
  };
}

async function listSeries(options: HubReaderOptions): Promise<HubSeries[]> {
  const found: HubSeries[] = [];
  for await (const page of pages(options, 'series', { limit: String(seriesPerPage) }, seriesPage)) {
    for (const { id, labels } of page.series) if (labels.sampling === 'all') found.push({ id, ...labels });
  }
  return found;
}

async function readReadings(options: HubReaderOptions, series: HubSeries, range: Range, texts: string[]) {
  const [time, value, goodTime, goodValue] = [new Column(), new Column(), new Column(), new Column()];
  for await (const page of pages(options, 'data', question(series, range), readingsPage)) {
    for (const { columns } of ofSeries(page.series, series)) {
      columns.time.forEach((timeMs, row) => {
        const got = columns.value[row] ?? Number.NaN;
        const number = typeof got === 'string' ? indexIn(texts, got) : got;
        time.push(timeMs);
        value.push(number);
        if (columns.quality[row] === 'bad') return;
        goodTime.push(timeMs);
        goodValue.push(number);
      });
    }
  }
  const good = { time: goodTime.view(), value: goodValue.view() };
  return { all: { time: time.view(), value: value.view() }, good };
}

async function readLosses(options: HubReaderOptions, series: HubSeries, range: Range): Promise<Losses> {
  const { match = '', from = '', to = '' } = question(series, range);
  const byHour = new Map<number, number>();
  let withoutDetail = 0;
  for await (const page of pages(options, 'gaps', { match, from, to, every: '10s', limit: '10000' }, gapsPage)) {
    withoutDetail = page.meta.lostWithoutDetail[series.agent] ?? 0;
    for (const { series: id, fromMs, items } of page.gaps) {
      const hour = Math.floor(fromMs / hourMs);
      if (id === series.id && items !== null) byHour.set(hour, (byHour.get(hour) ?? 0) + items);
    }
  }
  return { byHour, withoutDetail };
}

async function readUnaccounted(options: HubReaderOptions, agent: string): Promise<Map<number, number>> {
  const byHour = new Map<number, number>();
  for await (const page of pages(options, 'ledger', { agent, limit: '10000' }, ledgerPage)) {
    for (const { hourMs: startMs, unaccounted } of page.ledger) {
      if (startMs === null || (unaccounted ?? 0) <= 0) continue;
      const hour = Math.floor(startMs / hourMs);
      byHour.set(hour, (byHour.get(hour) ?? 0) + (unaccounted ?? 0));
    }
  }
  return byHour;
}

async function readBuckets(options: HubReaderOptions, series: HubSeries, everyMs: number, range: Range) {
  const buckets: Bucket[] = [];
  const asked = { ...question(series, range), every: `${everyMs / 1000}s`, agg: 'count,sum,min,max,mean' };
  for await (const page of pages(options, 'data', asked, bucketsPage)) {
    for (const { columns } of ofSeries(page.series, series)) {
      const { time, count, sum, min, max, mean } = columns;
      const at = (column: readonly number[], row: number): number => column[row] ?? Number.NaN;
      time.forEach((startMs, row) =>
        buckets.push({
          startMs,
          count: at(count, row),
          sum: at(sum, row),
          min: at(min, row),
          max: at(max, row),
          mean: at(mean, row),
        }),
      );
    }
  }
  return buckets;
}

/** Another series in the answer would mean that the selector was not understood. */
function ofSeries<Row extends { readonly id: number }>(rows: readonly Row[], { id }: HubSeries): readonly Row[] {
  const other = rows.find((row) => row.id !== id);
  if (other === undefined) return rows;
  throw new FoglineError('message_invalid', `the hub answered with series ${other.id} when asked for ${id}`);
}

function question(series: HubSeries, { fromMs, toMs }: Range): Record<string, string> {
  const { agent, stream, device, metric, kind } = series;
  const labels = Object.entries({ agent, stream, device, metric, kind }).map(
    ([name, text]) => `${name}=${JSON.stringify(text)}`,
  );
  return {
    match: `{${labels.join(',')}}`,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    limit: String(rowsPerPage),
  };
}

export async function* pages<Page extends { readonly next: string | null }>(
  options: HubReaderOptions,
  resource: string,
  parameters: Record<string, string>,
  shape: z.ZodType<Page>,
): AsyncGenerator<Page> {
  let cursor: string | null = null;
  do {
    const url = new URL(`/api/v1/${resource}`, options.url);
    for (const [name, text] of Object.entries(parameters)) url.searchParams.set(name, text);
    if (cursor !== null) url.searchParams.set('cursor', cursor);
    const page = shape.safeParse(await getJson(url, options.token));
    if (!page.success) {
      const issue = page.error.issues[0];
      throw new FoglineError(
        'message_invalid',
        `${url.pathname}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'unexpected answer'}`,
      );
    }
    yield page.data;
    cursor = page.data.next;
  } while (cursor !== null);
}
