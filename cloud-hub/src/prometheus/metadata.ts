/** What there is: series, label names, label values and units, as the query builder of Grafana asks for them. */
import type { StoreRead } from '../store/read.ts';
import { type Exposure, matchingExposures } from './catalog.ts';
import { keyOf, type Labels, nameLabel } from './labels.ts';
import type { Matchers } from './matchers.ts';
import { renderLabels } from './render.ts';

export interface SeriesQuestion {
  /** Any of them; none = all series. */
  readonly selectors: readonly Matchers[];
  /** Series whose last sample is older are left out. */
  readonly startMs: number | undefined;
}

type Store = Pick<StoreRead, 'listSeries' | 'latest'>;

const everything: Matchers = { key: '', list: [], isMatch: () => true, isNameMatch: () => true };

/** JSON texts of label sets, in order, each once. */
export function* seriesOf(store: Store, question: SeriesQuestion): Generator<void, string[]> {
  const found = new Map<string, Labels>();
  for (const { labels } of yield* askedFor(store, question)) found.set(keyOf(labels), labels);
  return [...found.keys()].sort().map((key) => renderLabels(found.get(key) ?? new Map()));
}

/** JSON texts of label names, in order, each once. */
export function* labelNames(store: Store, question: SeriesQuestion): Generator<void, string[]> {
  const names = new Set<string>();
  for (const { labels } of yield* askedFor(store, question)) for (const name of labels.keys()) names.add(name);
  return [...names].sort().map((name) => JSON.stringify(name));
}

/** JSON texts of the values of one label, in order, each once. */
export function* labelValues(store: Store, name: string, question: SeriesQuestion): Generator<void, string[]> {
  const values = new Set<string>();
  for (const { labels } of yield* askedFor(store, question)) {
    const value = labels.get(name);
    if (value !== undefined) values.add(value);
  }
  return [...values].sort().map((value) => JSON.stringify(value));
}

const seriesPerTurn = 500;

function* askedFor(store: Store, { selectors, startMs }: SeriesQuestion): Generator<void, Exposure[]> {
  const exposures = yield* matchingExposures(store, selectors.length === 0 ? [everything] : selectors);
  if (startMs === undefined) return exposures;
  const ids = [...new Set(exposures.map(({ series }) => series.id))];
  const alive = new Set<number>();
  for (let from = 0; from < ids.length; from += seriesPerTurn) {
    for (const latest of store.latest(ids.slice(from, from + seriesPerTurn))) {
      if (latest.timeMs >= startMs) alive.add(latest.series);
    }
    yield;
  }
  return exposures.filter(({ series }) => alive.has(series.id));
}

/** JSON text of the object of metrics, by name. */
export function* metadataOf(store: Store, metric: string | undefined, limit: number): Generator<void, string> {
  const byName = new Map<string, Set<string>>();
  for (const { labels, series, aggregate } of yield* matchingExposures(store, [everything])) {
    const name = labels.get(nameLabel) ?? '';
    if (metric !== undefined && metric !== name) continue;
    const of = aggregate === undefined ? 'Readings' : `The ${aggregate} of windows`;
    const help = `${of} of ${series.metric}${series.unit === '' ? '' : ` in ${series.unit}`}.`;
    const unit = aggregate === 'count' ? '' : series.unit;
    const known = byName.get(name) ?? new Set();
    byName.set(name, known.add(JSON.stringify({ type: 'gauge', help, unit })));
  }
  const rows = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit);
  return `{${rows.map(([name, entries]) => `${JSON.stringify(name)}:[${[...entries].join(',')}]`).join(',')}}`;
}
