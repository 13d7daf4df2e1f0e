import { expect, it } from 'vitest';
import type { SeriesFilter, SeriesInfo } from '../store/read.ts';
import { parseSelector } from './selector.ts';
import { matchGroups, matchingSeries } from './series.ts';

const base = {
  agent: 'gw',
  site: '',
  stream: 'raw',
  device: 'd',
  metric: 'm',
  unit: '',
  kind: 'reading',
  type: 'number',
  sampling: 'all',
  tags: [],
  widthMs: 0,
  holdMs: 0,
  widthsMs: [0],
} as const;

/** Series 1 … `count`, and how many were read. */
function storeOf(count: number) {
  const store = {
    read: 0,
    listSeries({ after = 0, limit = 1_000 }: SeriesFilter): SeriesInfo[] {
      const page = Array.from({ length: Math.min(limit, count - after) }, (_, n) => ({ ...base, id: after + 1 + n }));
      store.read += page.length;
      return page;
    },
  };
  return store;
}

it.each(['{unit="none"}', '{device!="d"}', '{unit=""}'])(
  'others get their turn while series are matched by %s',
  (text) => {
    const store = storeOf(5_000);
    const matching = matchGroups(store, [parseSelector(text), parseSelector('{site="x"}')]);
    for (let isOver = false; !isOver; ) {
      const before = store.read;
      isOver = matching.next().done === true;
      expect(store.read - before).toBeLessThan(1_001);
    }
    expect(store.read).toBe(10_000);
  },
);

it('each series comes once, ascending, whichever selectors match it', () => {
  const selectors = ['{unit=""}', '{device="other"}', '{metric="m"}'].map(parseSelector);
  const ids = [...matchingSeries(storeOf(1_200), selectors, 100)].flatMap((series) => series?.id ?? []);
  expect(ids).toEqual(Array.from({ length: 1_100 }, (_, n) => 101 + n));
});
