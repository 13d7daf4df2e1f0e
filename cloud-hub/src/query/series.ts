/**
 * Which series a question means, what they are called, and which of them answer. Streams never mix: where several streams carry
 * one metric of one device, exactly one of them answers (stream-choice.ts) and the others are named.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { SeriesFilter, SeriesInfo, StoreRead } from '../store/read.ts';
import { isMatch, type Selector } from './selector.ts';

export type Labels = Readonly<Record<string, string>>;

/** Tags are labels under their own name, or as `tag_NAME` where a label of that name exists. */
export function labelsOf(series: SeriesInfo): Labels {
  const labels: Record<string, string> = {
    agent: series.agent,
    stream: series.stream,
    device: series.device,
    metric: series.metric,
    unit: series.unit,
    kind: series.kind,
    type: series.type,
    sampling: series.sampling,
    ...(series.site === '' ? {} : { site: series.site }),
  };
  const own = new Set(Object.keys(labels));
  for (const [key, value] of series.tags) labels[own.has(key) ? `tag_${key}` : key] = value;
  return labels;
}

/** `temperature{agent="gw",device="d1",stream="raw"}`, for messages to people. */
export function nameOf(series: SeriesInfo): string {
  const { agent, device, stream } = series;
  return `${series.metric}{${Object.entries({ agent, device, stream })
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(',')}}`;
}

/** Ascending by id, above `after`; all series when there are no selectors. Yields nothing now and then, so that others may run. */
export function* matchingSeries(
  store: Pick<StoreRead, 'listSeries'>,
  selectors: readonly Selector[],
  after = 0,
): Generator<SeriesInfo | undefined> {
  if (selectors.length === 0) {
    yield* pages(store, {}, after);
    return;
  }
  // Each selector is narrowed by the store for itself; a series that several match comes once.
  const sources = selectors.map((selector) => matchingOne(store, selector, after));
  const heads: (SeriesInfo | undefined)[] = [];
  for (const source of sources) heads.push(yield* nextOf(source));
  for (;;) {
    let least: SeriesInfo | undefined;
    for (const head of heads) if (head !== undefined && head.id < (least?.id ?? Infinity)) least = head;
    if (least === undefined) return;
    yield least;
    for (const [index, source] of sources.entries())
      if (heads[index]?.id === least.id) heads[index] = yield* nextOf(source);
  }
}

/** The next series; undefined at the end. */
function* nextOf(source: Generator<SeriesInfo | undefined, undefined>): Generator<undefined, SeriesInfo | undefined> {
  for (;;) {
    const { done, value } = source.next();
    if (done === true || value !== undefined) return value;
    yield undefined;
  }
}

function* matchingOne(
  store: Pick<StoreRead, 'listSeries'>,
  selector: Selector,
  after: number,
): Generator<SeriesInfo | undefined, undefined> {
  for (const series of pages(store, filterOf(selector), after))
    if (series === undefined || isMatch(selector, labelsOf(series))) yield series;
}

const seriesPerPage = 500;

function* pages(
  store: Pick<StoreRead, 'listSeries'>,
  filter: SeriesFilter,
  after: number,
): Generator<SeriesInfo | undefined, undefined> {
  for (let last = after; ; ) {
    const page = store.listSeries({ ...filter, after: last, limit: seriesPerPage });
    yield* page;
    if (page.length < seriesPerPage) return;
    last = page.at(-1)?.id ?? last;
    yield undefined;
  }
}

const indexed = ['agent', 'device', 'metric'] as const;

/** What the store can narrow by an index; the selector is applied to the result all the same, page by page. */
function filterOf(selector: Selector): SeriesFilter {
  const filter: { agent?: string; device?: string; metric?: string } = {};
  for (const { label, isNegated, value } of selector.matchers) {
    const field = indexed.find((name) => name === label);
    if (field !== undefined && !isNegated) filter[field] = value;
  }
  return filter;
}

/** Series that carry the same metric of the same device, one per stream. */
export interface Group {
  /** The least id of its members: stays when members join, so that paging can go by it. */
  readonly id: number;
  readonly members: readonly SeriesInfo[];
}

const seriesPerQuestionMax = 10_000;

/** Ascending by id. Yields where others may run. Throws `query_invalid` when too much matches. */
export function* matchGroups(
  store: Pick<StoreRead, 'listSeries'>,
  selectors: readonly Selector[],
): Generator<void, Group[]> {
  const groups = new Map<string, SeriesInfo[]>();
  let count = 0;
  for (const series of matchingSeries(store, selectors)) {
    if (series === undefined) {
      yield;
      continue;
    }
    if (++count > seriesPerQuestionMax) {
      throw new FoglineError(
        'query_invalid',
        `match: more than ${seriesPerQuestionMax} series; narrow it, for example by {agent="…"}`,
      );
    }
    const key = JSON.stringify([series.agent, series.device, series.metric, series.unit, series.type, series.tags]);
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [series]);
    else members.push(series);
  }
  return [...groups.values()].map((members) => ({ id: members[0]?.id ?? 0, members }));
}
