/** The last reading of a series before an instant, however long before, from the roll-ups alone. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { bucketOf, levels, type RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';

export interface Reading {
  readonly timeMs: number;
  readonly value: number;
}

const coarsestMs = levels[3];
const daysFirst = 40;
/** Older than any reading. */
const everMs = -8_640_000_000_000_000;

/** `beforeMs` is a multiple of `level`, the finest to look at. Of several readings at that time the greatest, as `last` has it. */
export function lastReadingBefore(
  store: Pick<StoreRead, 'rollups'>,
  series: Pick<SeriesInfo, 'id'>,
  level: RollupLevelMs,
  beforeMs: number,
): Reading | undefined {
  let toMs = beforeMs;
  for (const levelMs of levels.slice(levels.indexOf(level), -1)) {
    const coarser = levels[levels.indexOf(levelMs) + 1] ?? coarsestMs;
    const fromMs = bucketOf(toMs, coarser);
    const found = lastIn(store, series.id, levelMs, fromMs, toMs);
    if (found !== undefined) return found;
    toMs = fromMs;
  }
  const recently = bucketOf(toMs, coarsestMs) - daysFirst * coarsestMs;
  return lastIn(store, series.id, coarsestMs, recently, toMs) ?? lastIn(store, series.id, coarsestMs, everMs, recently);
}

function lastIn(
  store: Pick<StoreRead, 'rollups'>,
  id: number,
  levelMs: RollupLevelMs,
  fromMs: number,
  toMs: number,
): Reading | undefined {
  let last: Uint8Array | undefined;
  if (fromMs < toMs) for (const row of store.rollups(id, levelMs, fromMs, toMs)) last = row.partial;
  if (last === undefined) return undefined;
  const { lastTime: timeMs, lastValue: value } = Partial.decode(last);
  return { timeMs, value };
}
