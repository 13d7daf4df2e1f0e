/**
 * What the hub's series are called in Prometheus. The metric name is the metric, made to fit Prometheus' grammar; of window series each
 * aggregate is a metric of its own: `temperature_mean`. Labels keep series apart as the hub does: agent, site, stream, device, unit, kind,
 * sampling, tags. Text series have no number and are left out.
 */
import type { SeriesFilter, SeriesInfo, StoreRead } from '../store/read.ts';
import { queryLimits } from './budget.ts';
import { failed } from './errors.ts';
import { type Labels, labelsFrom, nameLabel } from './labels.ts';
import type { Matchers } from './matchers.ts';

export const windowAggregates = ['mean', 'min', 'max', 'sum', 'count', 'stddev', 'first', 'last'] as const;
export type WindowAggregate = (typeof windowAggregates)[number];

/** Over lossy input the others would mislead. */
const lossyAggregates: readonly WindowAggregate[] = ['min', 'max', 'first', 'last'];

/** One series of the hub under one Prometheus name. */
export interface Exposure {
  readonly labels: Labels;
  readonly series: SeriesInfo;
  /** Of the windows; undefined for readings. */
  readonly aggregate: WindowAggregate | undefined;
}

/** What does not fit `[a-zA-Z_:][a-zA-Z0-9_:]*` becomes an underscore. */
export function metricNameOf(metric: string): string {
  return metric.replace(/[^A-Za-z0-9_:]/g, '_').replace(/^(?=\d)|^$/, '_');
}

const ownLabels: ReadonlySet<string> = new Set([
  'agent',
  'site',
  'stream',
  'device',
  'unit',
  'kind',
  'sampling',
  'metric',
]);

/** Tags named as one of the hub's own labels, or with two underscores in front, are called `tag_NAME`. */
function tagLabelOf(key: string): string {
  const name = key.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)|^$/, '_');
  return ownLabels.has(name) || name.startsWith('__') ? `tag_${name}` : name;
}

/** Those whose name is wanted; without `isWanted`, all. */
export function exposuresOf(series: SeriesInfo, isWanted: (name: string) => boolean = () => true): Exposure[] {
  if (series.type === 'text') return [];
  const { agent, site, stream, device, unit, kind, sampling, metric, tags } = series;
  const base = metricNameOf(metric);
  const aggregates = kind === 'reading' ? [undefined] : sampling === 'all' ? windowAggregates : lossyAggregates;
  return aggregates.flatMap((aggregate): Exposure[] => {
    const name = aggregate === undefined ? base : `${base}_${aggregate}`;
    if (!isWanted(name)) return [];
    const labels = labelsFrom([
      ...tags.map(([key, value]): [string, string] => [tagLabelOf(key), value]),
      ...Object.entries({ agent, site, stream, device, unit, kind, sampling }),
      // Two metrics may come to the same name; the label tells them apart.
      ['metric', base === metric ? '' : metric],
      [nameLabel, name],
    ]);
    return [{ labels, series, aggregate }];
  });
}

/** All that match any of `selectors`, ascending by series. Yields where others may run. Throws `limit_exceeded`. */
export function* matchingExposures(
  store: Pick<StoreRead, 'listSeries'>,
  selectors: readonly Matchers[],
): Generator<void, Exposure[]> {
  const only = selectors.length === 1 ? selectors[0] : undefined;
  const filter = only === undefined ? {} : filterOf(only);
  const isWanted = (name: string): boolean => selectors.some((matchers) => matchers.isNameMatch(name));
  const found: Exposure[] = [];
  for (let after = 0; ; ) {
    const page = store.listSeries({ ...filter, after, limit: pageSeries });
    for (const [index, series] of page.entries()) {
      if (index % seriesPerTurn === 0) yield;
      after = series.id;
      for (const exposure of exposuresOf(series, isWanted)) {
        if (selectors.some((matchers) => matchers.isMatch(exposure.labels))) found.push(exposure);
      }
    }
    if (found.length > queryLimits.seriesMax) {
      throw failed(
        `more than ${queryLimits.seriesMax.toLocaleString('en')} series match (seriesMax); narrow the selector, for example by {agent="…"}`,
      );
    }
    if (page.length < pageSeries) return found;
  }
}

const pageSeries = 1_000;
const seriesPerTurn = 100;

/** What the store can narrow by an index. */
function filterOf({ list }: Matchers): SeriesFilter {
  const filter: { agent?: string; device?: string; metric?: string } = {};
  for (const { label, operator, value } of list) {
    if (operator !== '=' || value === '') continue;
    if (label === 'agent' || label === 'device' || label === 'metric') filter[label] = value;
    // A name with an underscore may stand for a metric spelled otherwise, or for an aggregate of windows.
    if (label === nameLabel && !value.includes('_')) filter.metric = value;
  }
  return filter;
}
