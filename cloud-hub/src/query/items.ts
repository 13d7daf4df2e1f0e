/**
 * One series as it was received: its readings, or its window items, in order of time, then of arrival. The order is total and does not
 * change when more arrives or batches are merged, so a page can begin anywhere in it.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagQualityMask, flagText } from '@fogline/shared/reading';
import { bucketOf, hourMs as wholeHourMs } from '../store/levels.ts';
import type { RawChunk, SeriesInfo, StoreRead } from '../store/read.ts';
import type { TimeRange } from './time.ts';

/**
 * Where an item stands: event time, how many of the same time come before it, and nothing. While those of one time are put in order: event time,
 * the hub's number of its batch, its rank within batch, hour and series, which are others after a merge.
 */
export type Place = readonly [timeMs: number, batch: number, rank: number];

export type Item =
  | { readonly place: Place; readonly value: number | string; readonly quality: number }
  | { readonly place: Place; readonly widthMs: number; readonly isDelta: boolean; readonly partial: Partial };

export const firstPlaceFrom = (fromMs: number): Place => [fromMs, 0, 0];

/** Items at or after `from` and before `toMs`. Yields nothing now and then, so that others may run. */
export function* itemsOf(
  store: Pick<StoreRead, 'raw'>,
  series: SeriesInfo,
  from: Place,
  toMs: number,
): Generator<Item | undefined> {
  let hour: Item[] = [];
  let hourMs: number | undefined;
  // From the start of the hour, so that a rank does not depend on where a page begins.
  const fromMs = bucketOf(from[0], wholeHourMs);
  for (const chunk of store.raw({ agent: series.agent, fromMs, toMs, series: new Set([series.id]) })) {
    if (hourMs !== chunk.hourMs) {
      yield* placed(hour, from);
      hour = [];
      hourMs = chunk.hourMs;
    }
    const isWindow = series.kind === 'window';
    const count = isWindow ? chunk.windows.count : chunk.readings.count;
    for (let row = 0; row < count; row++) {
      const item = isWindow ? windowItem(chunk, row, row) : readingItem(chunk, row, row);
      if (item.place[0] >= from[0]) hour.push(item);
    }
    yield undefined;
  }
  yield* placed(hour, from);
}

/**
 * Items of several series of one agent in one pass, each series in order. Undefined when they are more than `rowsMax` in all.
 * Yields where others may run.
 */
export function* collectItems(
  store: Pick<StoreRead, 'raw'>,
  series: readonly SeriesInfo[],
  range: TimeRange,
  rowsMax: number,
): Generator<void, Map<number, Item[]> | undefined> {
  const found = new Map(series.map(({ id }): [number, Item[]] => [id, []]));
  const agent = series[0]?.agent ?? '';
  const fromMs = bucketOf(range.fromMs, wholeHourMs);
  let rows = 0;
  for (const chunk of store.raw({ agent, fromMs, toMs: range.toMs, series: new Set(found.keys()) })) {
    for (const [kind, columns] of [
      ['readings', chunk.readings],
      ['windows', chunk.windows],
    ] as const) {
      const ranks = new Map<number, number>();
      for (let row = 0; row < columns.count; row++) {
        const id = columns.series[row] ?? 0;
        const rank = ranks.get(id) ?? 0;
        ranks.set(id, rank + 1);
        const item = kind === 'windows' ? windowItem(chunk, row, rank) : readingItem(chunk, row, rank);
        if (item.place[0] < range.fromMs) continue;
        found.get(id)?.push(item);
        if (++rows > rowsMax) return undefined;
      }
    }
    yield;
  }
  for (const [id, items] of found) found.set(id, placed(items, firstPlaceFrom(range.fromMs)));
  return found;
}

/** In order, and at or after `from`; all items of the time of `from` are among them. */
function placed(items: Item[], from: Place): Item[] {
  let timeMs = Number.NaN;
  let before = 0;
  return items
    .sort((a, b) => comparePlaces(a.place, b.place))
    .map((item): Item => {
      before = item.place[0] === timeMs ? before + 1 : 0;
      timeMs = item.place[0];
      return { ...item, place: [timeMs, before, 0] };
    })
    .filter(({ place }) => comparePlaces(place, from) >= 0);
}

function comparePlaces(a: Place, b: Place): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function readingItem({ batch, readings }: RawChunk, row: number, rank: number): Item {
  const flags = readings.flags[row] ?? 0;
  const stored = readings.value[row] ?? 0;
  const value = (flags & flagText) === 0 ? stored : (readings.strings[stored] ?? '');
  return { place: [readings.time[row] ?? 0, batch, rank], value, quality: flags & flagQualityMask };
}

function windowItem({ batch, windows, widthMs }: RawChunk, row: number, rank: number): Item {
  const bytes = windows.partial[row];
  return {
    place: [windows.start[row] ?? 0, batch, rank],
    widthMs: widthMs[row] ?? 0,
    isDelta: windows.delta[row] === 1,
    partial: bytes === undefined ? Partial.empty() : Partial.decode(bytes),
  };
}
