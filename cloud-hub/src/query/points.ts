/**
 * Readings of series in order of time, those of one time by value: what enters buckets, so neither `bad` readings nor text. All of
 * them or none: each hour is compared with the count of its roll-ups, and where readings are gone the question is refused. Whatever the
 * order of arrival, the same readings come out the same.
 */
import { isLess, Partial } from '@fogline/shared/aggregate/partial';
import { FoglineError } from '@fogline/shared/errors';
import { flagText, quality, type ReadingColumns } from '@fogline/shared/reading';
import { bucketOf, hourMs, levels, type RollupLevelMs } from '../store/levels.ts';
import type { RawChunk, SeriesInfo, StoreRead } from '../store/read.ts';
import { horizonOf } from '../store/retention.ts';
import { nameOf } from './series.ts';
import { isoOf } from './time.ts';

type PointStore = Pick<StoreRead, 'rollups' | 'raw' | 'expiry'>;

/** Readings of one series in one event hour, ascending by (time, value). */
export interface Points {
  readonly series: number;
  readonly count: number;
  readonly time: Float64Array;
  readonly value: Float64Array;
}

const countedLevelMs: RollupLevelMs = 900_000;
const finestMs = levels[0];
const dayMs = levels[3];
/** Only `bad` has the high bit of the quality. */
const unusedMask = flagText | quality.bad;

/**
 * Readings of several series of one agent in one pass over its batches, hour by hour; whole hours around the range. Yields nothing now
 * and then, so that others may run. Throws `query_invalid` where readings that were counted are gone.
 */
export function* pointsOf(
  store: PointStore,
  series: readonly SeriesInfo[],
  fromMs: number,
  toMs: number,
): Generator<Points | undefined> {
  const from = bucketOf(fromMs, hourMs);
  const to = bucketOf(toMs - 1, hourMs) + hourMs;
  for (const one of series) refuseUncounted(store, one, from, to);
  const counted = series.map((one) => new CountedHours(store, one, from, to));
  const gathered = new Map(series.map(({ id }): [number, Gathered] => [id, new Gathered()]));
  const agent = series[0]?.agent ?? '';
  let open: number | undefined;
  function* closeHour(hour: number): Generator<Points> {
    for (const hours of counted) {
      const own = gathered.get(hours.series.id);
      let found = own?.take();
      for (const short of hours.shortUntil(hour, found?.count ?? 0)) {
        const again = readHour(store, hours.series, short);
        if (short === hour) found = again;
        else yield again;
      }
      if (found !== undefined && found.count > 0) yield { series: hours.series.id, ...found };
    }
  }
  for (const chunk of store.raw({ agent, fromMs: from, toMs: to, series: new Set(gathered.keys()) })) {
    if (open !== undefined && chunk.hourMs !== open) yield* closeHour(open);
    open = chunk.hourMs;
    gather(chunk, gathered);
    yield undefined;
  }
  if (open !== undefined) yield* closeHour(open);
  yield* closeHour(to);
}

/** Where retention took the counts too, days say whether there was anything. Throws `query_invalid`. */
function refuseUncounted(store: PointStore, series: SeriesInfo, fromMs: number, toMs: number): void {
  const untilMs = Math.min(toMs, horizonOf(store.expiry(), countedLevelMs, false));
  if (fromMs >= untilMs) return;
  for (const { startMs, partial } of store.rollups(series.id, dayMs, bucketOf(fromMs, dayMs), untilMs))
    throw gone(store, series, startMs, 0, Partial.decode(partial).count);
}

/** One hour at one instant, because others may have written between looking at counts and looking at readings. Throws `query_invalid`. */
function readHour(store: PointStore, series: SeriesInfo, hour: number, countMin = 0): Points {
  const counts = countsByHour(store, series, hour, hour + hourMs).next();
  const counted = Math.max(countMin, counts.done === true ? 0 : counts.value.count);
  const own = new Gathered();
  const gathered = new Map([[series.id, own]]);
  const range = { agent: series.agent, fromMs: hour, toMs: hour + hourMs };
  for (const chunk of store.raw({ ...range, series: new Set([series.id]) })) gather(chunk, gathered);
  const { count } = own;
  if (count < counted) throw gone(store, series, hour, count, counted);
  return { series: series.id, ...own.take() };
}

/**
 * The same for one `held` series whose values stand for `standMs` at most: from its 10 s roll-ups where these tell every reading, otherwise from
 * the readings. Of a row with one value only the first and last of its readings come: for what stands they are all.
 */
export function* heldPointsOf(
  store: PointStore,
  series: SeriesInfo,
  standMs: number,
  fromMs: number,
  toMs: number,
): Generator<Points | undefined> {
  const from = bucketOf(fromMs, hourMs);
  const to = bucketOf(toMs - 1, hourMs) + hourMs;
  const counted = new CountedHours(store, series, from, to);
  for (const { hour, count, own } of heldHours(store, series, standMs, from, to)) {
    let found: Points | undefined = own;
    for (const short of counted.shortUntil(hour, count)) {
      const again = readHour(store, series, short);
      if (short === hour) found = again;
      else yield again;
    }
    yield found ?? readHour(store, series, hour, count);
    yield undefined;
  }
  for (const short of counted.shortUntil(to, 0)) yield readHour(store, series, short);
}

interface HeldHour {
  readonly hour: number;
  /** Readings in its rows. */
  readonly count: number;
  /** Undefined where its rows do not tell what stood. */
  readonly own: Points | undefined;
}

function* heldHours(
  store: PointStore,
  { id }: SeriesInfo,
  standMs: number,
  fromMs: number,
  toMs: number,
): Generator<HeldHour> {
  const gathered = new Gathered();
  let hour: number | undefined;
  let isTold = true;
  let count = 0;
  const closed = (at: number): HeldHour => {
    const points = { series: id, ...gathered.take() };
    const closing = { hour: at, count, own: isTold ? points : undefined };
    [isTold, count] = [true, 0];
    return closing;
  };
  for (const row of store.rollups(id, finestMs, fromMs, toMs)) {
    const at = bucketOf(row.startMs, hourMs);
    if (hour !== undefined && hour !== at) yield closed(hour);
    hour = at;
    const partial = Partial.decode(row.partial);
    count += partial.count;
    isTold &&= partial.count <= 2 || (partial.min === partial.max && standMs >= finestMs);
    gathered.add(partial.firstTime, partial.firstValue);
    if (partial.count > 1) gathered.add(partial.lastTime, partial.lastValue);
  }
  if (hour !== undefined) yield closed(hour);
}

/** Hours in which readings were counted, ascending. */
function* countsByHour(
  store: PointStore,
  series: SeriesInfo,
  fromMs: number,
  toMs: number,
): Generator<{ readonly hour: number; readonly count: number }> {
  let open: { hour: number; count: number } | undefined;
  for (const { startMs, partial } of store.rollups(series.id, countedLevelMs, fromMs, toMs)) {
    const hour = bucketOf(startMs, hourMs);
    if (open !== undefined && open.hour !== hour) yield open;
    if (open?.hour !== hour) open = { hour, count: 0 };
    open.count += Partial.decode(partial).count;
  }
  if (open !== undefined) yield open;
}

/** What the roll-ups counted, beside which the readings are held. */
class CountedHours {
  readonly series: SeriesInfo;
  readonly #hours: Generator<{ readonly hour: number; readonly count: number }>;
  #next: { readonly hour: number; readonly count: number } | undefined;

  constructor(store: PointStore, series: SeriesInfo, fromMs: number, toMs: number) {
    this.series = series;
    this.#hours = countsByHour(store, series, fromMs, toMs);
    this.#advance();
  }

  /** Hours up to `hour` with fewer readings than were counted: it has `found`, those before it and not asked about have none. */
  *shortUntil(hour: number, found: number): Generator<number> {
    for (; this.#next !== undefined && this.#next.hour <= hour; this.#advance()) {
      if ((this.#next.hour === hour ? found : 0) < this.#next.count) yield this.#next.hour;
    }
  }

  #advance(): void {
    const next = this.#hours.next();
    this.#next = next.done === true ? undefined : next.value;
  }
}

function gone(store: PointStore, series: SeriesInfo, fromMs: number, left: number, counted: number): FoglineError {
  const what = `${left} of ${counted} readings of ${nameOf(series)} are still held from ${isoOf(fromMs)} on`;
  const { rawMs } = store.expiry();
  const begin = rawMs > fromMs ? `begin at ${isoOf(rawMs)}, before which they have expired` : 'begin after it';
  const fix = `${begin}, or write agg=min,max,first,last,delta${series.sampling === 'all' ? ',mean,sum,count,stddev' : ''} with every=1m or a multiple, which roll-ups answer`;
  return new FoglineError('query_invalid', `from: this needs every reading, and ${what}; ${fix}`);
}

class Gathered {
  #time = new Float64Array(64);
  #value = new Float64Array(64);
  #isSorted = true;
  count = 0;

  add(timeMs: number, value: number): void {
    const at = this.count++;
    if (at === this.#time.length) {
      this.#time = grown(this.#time);
      this.#value = grown(this.#value);
    }
    if (at > 0 && this.#isSorted) {
      const before = this.#time[at - 1] as number;
      this.#isSorted = before < timeMs || (before === timeMs && !isLess(value, this.#value[at - 1] as number));
    }
    this.#time[at] = timeMs;
    this.#value[at] = value;
  }

  /** What was gathered, in order; empty afterwards. */
  take(): Omit<Points, 'series'> {
    const { count } = this;
    let time = this.#time.slice(0, count);
    let value = this.#value.slice(0, count);
    if (!this.#isSorted) {
      const unsorted = { time, value };
      const order = Uint32Array.from(time, (_, row) => row).sort(
        (a, b) =>
          (unsorted.time[a] as number) - (unsorted.time[b] as number) ||
          compareValues(unsorted.value[a] as number, unsorted.value[b] as number),
      );
      time = Float64Array.from(order, (row) => unsorted.time[row] as number);
      value = Float64Array.from(order, (row) => unsorted.value[row] as number);
    }
    this.count = 0;
    this.#isSorted = true;
    return { count, time, value };
  }
}

function grown(column: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** −0 before +0, as extents order them. */
function compareValues(a: number, b: number): number {
  return Number(isLess(b, a)) - Number(isLess(a, b));
}

function gather({ readings }: RawChunk, gathered: ReadonlyMap<number, Gathered>): void {
  const { count, series, time, value, flags }: ReadingColumns = readings;
  let own: Gathered | undefined;
  let ownId: number | undefined;
  for (let row = 0; row < count; row++) {
    if (((flags[row] as number) & unusedMask) !== 0) continue;
    if (series[row] !== ownId) {
      ownId = series[row] as number;
      own = gathered.get(ownId);
    }
    own?.add(time[row] as number, value[row] as number);
  }
}
