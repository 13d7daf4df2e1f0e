/** The last reading of a series before an instant, however long before, from the roll-ups alone. */
import type { Spread } from '@fogline/shared/aggregate/spread';
import { bucketOf, levels, type RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo, SpreadRow, StoreRead } from '../store/read.ts';
import type { TimeRange } from './time.ts';

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
  store: Pick<StoreRead, 'spreads'>,
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
  store: Pick<StoreRead, 'spreads'>,
  id: number,
  levelMs: RollupLevelMs,
  fromMs: number,
  toMs: number,
): Reading | undefined {
  let last: Spread | undefined;
  if (fromMs < toMs) for (const row of store.spreads(id, levelMs, fromMs, toMs)) last = row.spread;
  return last === undefined ? undefined : { timeMs: last.lastTime, value: last.lastValue };
}

const minuteMs = levels[1];

/** The last reading of whole minutes before instants of a range that ascend. */
export class LastMinute {
  readonly #rows: Generator<SpreadRow>;
  #next: SpreadRow | undefined;
  #last: SpreadRow | undefined;

  constructor(store: Pick<StoreRead, 'spreads'>, { id }: Pick<SeriesInfo, 'id'>, { fromMs, toMs }: TimeRange) {
    this.#rows = store.spreads(id, minuteMs, bucketOf(fromMs, minuteMs), toMs);
    this.#advance();
  }

  /** `known`: the last reading before `beforeMs` that is known otherwise. */
  lastBefore(beforeMs: number, known: Reading | undefined): Reading | undefined {
    const minute = bucketOf(beforeMs, minuteMs);
    for (; this.#next !== undefined && this.#next.startMs < minute; this.#advance()) this.#last = this.#next;
    if (this.#last === undefined || (known !== undefined && known.timeMs >= minute)) return known;
    const { lastTime: timeMs, lastValue: value } = this.#last.spread;
    return known !== undefined && known.timeMs > timeMs ? known : { timeMs, value };
  }

  #advance(): void {
    const next = this.#rows.next();
    this.#next = next.done === true ? undefined : next.value;
  }
}
