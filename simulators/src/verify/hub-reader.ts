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

/** Items that were declared lost, or that only minutes stand for. */
export interface Losses {
  /** By hours since the epoch. */
  readonly byHour: ReadonlyMap<number, number>;
  readonly thinnedByHour: ReadonlyMap<number, number>;
  /** Of the whole agent, of which it could not say to which series they belonged. */
  readonly withoutDetail: number;
}

/** Readings of one series, in order of time. `good` lacks what has quality bad, which enters no aggregate. */
export interface Held {
  readonly all: Readings;
  readonly good: Readings;
}

/** What is asked about several series at once is answered by id; a series of which there is nothing may be missing. */
export interface HubReader {
  /** All series of lossless streams. */
  listSeries(): Promise<readonly HubSeries[]>;
  /** The values of a text series are indices of its `texts`, which grows with what is not in it. */
  readings(
    series: readonly HubSeries[],
    range: Range,
    texts: ReadonlyMap<number, string[]>,
  ): Promise<ReadonlyMap<number, Held>>;
  /** In order of start. */
  buckets(series: readonly HubSeries[], everyMs: number, range: Range): Promise<ReadonlyMap<number, readonly Bucket[]>>;
  losses(series: HubSeries, range: Range): Promise<Losses>;
  /** By hours since the epoch: items that the agent made, and that are neither at the hub, nor waiting, nor declared. */
  unaccounted(agent: string): Promise<ReadonlyMap<number, number>>;
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
    readings: (series, range, texts) => readReadings(options, series, range, texts),
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

async function readReadings(
  options: HubReaderOptions,
  series: readonly HubSeries[],
  range: Range,
  texts: ReadonlyMap<number, string[]>,
): Promise<Map<number, Held>> {
  const found = new Map(series.map(({ id }) => [id, new HeldColumns(texts.get(id) ?? [])]));
  for await (const page of pages(options, 'data', question(series, range), readingsPage)) {
    for (const { id, columns } of page.series) known(found, id).push(columns);
  }
  return new Map([...found].map(([id, columns]) => [id, columns.view()]));
}

class HeldColumns {
  readonly #texts: string[];
  readonly #all = { time: new Column(), value: new Column() };
  readonly #good = { time: new Column(), value: new Column() };

  constructor(texts: string[]) {
    this.#texts = texts;
  }

  push({ time, value, quality }: z.infer<typeof readingsPage>['series'][number]['columns']): void {
    time.forEach((timeMs, row) => {
      const got = value[row] ?? Number.NaN;
      const number = typeof got === 'string' ? indexIn(this.#texts, got) : got;
      this.#all.time.push(timeMs);
      this.#all.value.push(number);
      if (quality[row] === 'bad') return;
      this.#good.time.push(timeMs);
      this.#good.value.push(number);
    });
  }

  view(): Held {
    const viewOf = ({ time, value }: { time: Column; value: Column }) => ({ time: time.view(), value: value.view() });
    return { all: viewOf(this.#all), good: viewOf(this.#good) };
  }
}

/** Another series in the answer would mean that the selectors were not understood. */
function known<T>(asked: ReadonlyMap<number, T>, id: number): T {
  const found = asked.get(id);
  if (found !== undefined) return found;
  throw new FoglineError('message_invalid', `the hub answered with series ${id}, which was not asked for`);
}

async function readLosses(options: HubReaderOptions, series: HubSeries, range: Range): Promise<Losses> {
  const { match, from, to } = question([series], range);
  const byHour = new Map<number, number>();
  const thinnedByHour = new Map<number, number>();
  let withoutDetail = 0;
  for await (const page of pages(options, 'gaps', { match, from, to, every: '10s', limit: '10000' }, gapsPage)) {
    withoutDetail = page.meta.lostWithoutDetail[series.agent] ?? 0;
    for (const { series: id, fromMs, cause, items } of page.gaps) {
      const hour = Math.floor(fromMs / hourMs);
      const counts = cause === 'thinned' ? thinnedByHour : byHour;
      if (id === series.id && items !== null) counts.set(hour, (counts.get(hour) ?? 0) + items);
    }
  }
  return { byHour, thinnedByHour, withoutDetail };
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

async function readBuckets(
  options: HubReaderOptions,
  series: readonly HubSeries[],
  everyMs: number,
  range: Range,
): Promise<Map<number, Bucket[]>> {
  const found = new Map(series.map(({ id }) => [id, [] as Bucket[]]));
  const asked = { ...question(series, range), every: `${everyMs / 1000}s`, agg: 'count,sum,min,max,mean' };
  for await (const page of pages(options, 'data', asked, bucketsPage)) {
    for (const { id, columns } of page.series) {
      const buckets = known(found, id);
      const at = (name: keyof typeof columns, row: number): number => columns[name][row] ?? Number.NaN;
      columns.time.forEach((startMs, row) =>
        buckets.push({
          startMs,
          count: at('count', row),
          sum: at('sum', row),
          min: at('min', row),
          max: at('max', row),
          mean: at('mean', row),
        }),
      );
    }
  }
  return found;
}

function question(series: readonly HubSeries[], { fromMs, toMs }: Range) {
  return {
    match: series.map(({ agent, stream, device, metric, kind }) => {
      const labels = Object.entries({ agent, stream, device, metric, kind });
      return `{${labels.map(([name, text]) => `${name}=${JSON.stringify(text)}`).join(',')}}`;
    }),
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    limit: String(rowsPerPage),
  };
}

export async function* pages<Page extends { readonly next: string | null }>(
  options: HubReaderOptions,
  resource: string,
  parameters: Readonly<Record<string, string | readonly string[]>>,
  shape: z.ZodType<Page>,
): AsyncGenerator<Page> {
  let cursor: string | null = null;
  do {
    const url = new URL(`/api/v1/${resource}`, options.url);
    for (const [name, texts] of Object.entries(parameters)) {
      for (const text of [texts].flat()) url.searchParams.append(name, text);
    }
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
