/**
 * What a verdict asks the hub, over its public API, page by page. Answers are checked for shape: a verdict must not rest on
 * what it took for granted.
 */
import { FoglineError } from '@fogline/shared/errors';
import { type DataColumns, type HubAddress, HubClient, numbersOf } from '@fogline/shared/hub-client';
import type { Bucket } from './compare.ts';
import { Column, type Readings } from './growable.ts';
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

const rowsPerPage = 100_000;
const seriesPerPage = 10_000;

const hourMs = 3_600_000;

/** Every call throws `unavailable` when the hub does not answer, `unauthorized` when it refuses, `message_invalid` for nonsense. */
export function openHubReader(address: HubAddress): HubReader {
  const hub = new HubClient(address);
  return {
    listSeries: () => listSeries(hub),
    readings: (series, range, texts) => readReadings(hub, series, range, texts),
    losses: (series, range) => readLosses(hub, series, range),
    unaccounted: (agent) => readUnaccounted(hub, agent),
    buckets: (series, everyMs, range) => readBuckets(hub, series, everyMs, range),
  };
}

async function listSeries(hub: HubClient): Promise<HubSeries[]> {
  const found: HubSeries[] = [];
  for await (const page of hub.pages('series', { limit: seriesPerPage })) {
    for (const { id, labels } of page.series) if (labels['sampling'] === 'all') found.push(seriesOf(id, labels));
  }
  return found;
}

function seriesOf(id: number, labels: Readonly<Record<string, string>>): HubSeries {
  const { agent = '', stream = '', device = '', metric = '', kind = '', sampling = '', type = '' } = labels;
  return { id, agent, stream, device, metric, kind, sampling, type };
}

async function readReadings(
  hub: HubClient,
  series: readonly HubSeries[],
  range: Range,
  texts: ReadonlyMap<number, string[]>,
): Promise<Map<number, Held>> {
  const found = new Map(series.map(({ id }) => [id, new HeldColumns(texts.get(id) ?? [])]));
  for await (const page of hub.pages('data', question(series, range))) {
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

  push({ time, value = [], quality = [] }: DataColumns): void {
    time.forEach((timeMs, row) => {
      const got = value[row];
      const number = typeof got === 'string' ? indexIn(this.#texts, got) : Number(got ?? Number.NaN);
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

async function readLosses(hub: HubClient, series: HubSeries, range: Range): Promise<Losses> {
  const { match, from, to } = question([series], range);
  const byHour = new Map<number, number>();
  const thinnedByHour = new Map<number, number>();
  let withoutDetail = 0;
  for await (const page of hub.pages('gaps', { match, from, to, every: '10s', limit: 10_000 })) {
    withoutDetail = page.meta.lostWithoutDetail[series.agent] ?? 0;
    for (const { series: id, fromMs, cause, items } of page.gaps) {
      const hour = Math.floor(fromMs / hourMs);
      const counts = cause === 'thinned' ? thinnedByHour : byHour;
      if (id === series.id && items !== null) counts.set(hour, (counts.get(hour) ?? 0) + items);
    }
  }
  return { byHour, thinnedByHour, withoutDetail };
}

async function readUnaccounted(hub: HubClient, agent: string): Promise<Map<number, number>> {
  const byHour = new Map<number, number>();
  for await (const page of hub.pages('ledger', { agent, limit: 10_000 })) {
    for (const { hourMs: startMs, unaccounted } of page.ledger) {
      if (startMs === null || (unaccounted ?? 0) <= 0) continue;
      const hour = Math.floor(startMs / hourMs);
      byHour.set(hour, (byHour.get(hour) ?? 0) + (unaccounted ?? 0));
    }
  }
  return byHour;
}

const figures = ['count', 'sum', 'min', 'max', 'mean'] as const;

async function readBuckets(
  hub: HubClient,
  series: readonly HubSeries[],
  everyMs: number,
  range: Range,
): Promise<Map<number, Bucket[]>> {
  const found = new Map(series.map(({ id }) => [id, [] as Bucket[]]));
  const asked = { ...question(series, range), every: `${everyMs / 1000}s`, agg: figures.join(',') };
  for await (const page of hub.pages('data', asked)) {
    for (const { id, columns } of page.series) {
      const buckets = known(found, id);
      const [count, sum, min, max, mean] = figures.map((name) => numbersOf(columns, name));
      columns.time.forEach((startMs, row) => {
        const at = (column: readonly number[] | undefined): number => column?.[row] ?? Number.NaN;
        buckets.push({ startMs, count: at(count), sum: at(sum), min: at(min), max: at(max), mean: at(mean) });
      });
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
    limit: rowsPerPage,
  };
}
