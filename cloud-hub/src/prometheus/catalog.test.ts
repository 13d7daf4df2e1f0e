import { describe, expect, it } from 'vitest';
import type { SeriesFilter, SeriesInfo } from '../store/read.ts';
import { definition } from '../testing/store-fixture.ts';
import { queryLimits } from './budget.ts';
import { exposuresOf, metricNameOf } from './catalog.ts';
import { textOf } from './labels.ts';
import { labelNames, labelValues, seriesOf } from './metadata.ts';

const base: SeriesInfo = { ...definition(), id: 1, agent: 'gw1', site: '', widthsMs: [0] };

const texts = (fields: Partial<SeriesInfo>) => exposuresOf({ ...base, ...fields }).map(({ labels }) => textOf(labels));

it('readings are one series under the name of the metric', () => {
  expect(texts({})).toEqual([
    'temperature{agent="gw1",device="d1",kind="reading",sampling="all",stream="raw",unit="Cel"}',
  ]);
});

it('windows are one series per aggregate; over lossy input only those that do not mislead', () => {
  const names = (fields: Partial<SeriesInfo>) =>
    exposuresOf({ ...base, kind: 'window', widthMs: 60_000, ...fields }).map(({ labels }) => labels.get('__name__'));
  expect(names({})).toEqual([
    'temperature_mean',
    'temperature_min',
    'temperature_max',
    'temperature_sum',
    'temperature_count',
    'temperature_stddev',
    'temperature_first',
    'temperature_last',
  ]);
  expect(names({ sampling: 'held' })).toEqual([
    'temperature_min',
    'temperature_max',
    'temperature_first',
    'temperature_last',
  ]);
});

it('text has no number', () => {
  expect(texts({ type: 'text' })).toEqual([]);
});

it('the site of the agent is a label', () => {
  expect(texts({ site: 'oslo' })[0]).toContain('site="oslo"');
});

it('what is empty is no label', () => {
  expect(texts({ unit: '', device: '' })).toEqual([
    'temperature{agent="gw1",kind="reading",sampling="all",stream="raw"}',
  ]);
});

it('tags are labels; those that would hide a label of the hub are renamed', () => {
  const tags = [
    ['__name__', 'x'],
    ['9floor', '1'],
    ['device', 'y'],
    ['room.no', 'hall 1'],
  ] as const;
  expect(texts({ tags })).toEqual([
    'temperature{_9floor="1",agent="gw1",device="d1",kind="reading",room_no="hall 1",sampling="all",stream="raw",tag___name__="x",tag_device="y",unit="Cel"}',
  ]);
});

describe('a metric that does not fit the grammar', () => {
  it.each([
    ['temperature', 'temperature'],
    ['air temp °C', 'air_temp__C'],
    ['co2.ppm', 'co2_ppm'],
    ['2nd', '_2nd'],
    ['a:b', 'a:b'],
    ['', '_'],
  ])('%s is called %s', (metric, name) => {
    expect(metricNameOf(metric)).toBe(name);
  });

  it('keeps its own name in a label, so that two of one name stay apart', () => {
    expect(texts({ metric: 'co2.ppm' })).not.toEqual(texts({ metric: 'co2_ppm' }));
    expect(texts({ metric: 'co2.ppm' })[0]).toContain('metric="co2.ppm"');
  });
});

it('lists of more series than one question may match are refused with the way out, never cut in silence', () => {
  const store = {
    listSeries: ({ after = 0, limit = 0 }: SeriesFilter) =>
      Array.from({ length: Math.min(limit, queryLimits.seriesMax + 1 - after) }, (_, n) => ({
        ...base,
        id: after + 1 + n,
      })),
    latest: () => [],
  };
  const question = { selectors: [], startMs: undefined };
  for (const list of [seriesOf(store, question), labelNames(store, question), labelValues(store, 'device', question)])
    expect(() => [...list]).toThrow(/seriesMax.*narrow the selector/);
});
