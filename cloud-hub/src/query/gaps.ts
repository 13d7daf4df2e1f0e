/**
 * Ranges of a series without data, with their cause as far as the hub knows it: what an agent declared as lost, a value that
 * stood (deadband), or simply `not_recorded`. A loss is reported for its whole event hour, whether or not data remains in it.
 */
import { thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import type { GapCause } from '@fogline/shared/hub-api/answers';
import { bucketOf, hourMs } from '../store/levels.ts';
import type { LossReason, SeriesInfo, StoreRead } from '../store/read.ts';
import { expiredBefore } from './expiry.ts';
import { fixedGrid, type Grid } from './grid.ts';
import { firstPlaceFrom, itemsOf } from './items.ts';
import { exactLevel, presenceLevel } from './stream-choice.ts';
import type { TimeRange } from './time.ts';

export interface Gap {
  /** Half open. */
  readonly fromMs: number;
  readonly toMs: number;
  /** `quiet`: a deadband held the last value, which stands. `expired`: retention removed it. */
  readonly cause: GapCause;
  /** How many items were declared lost or thinned; undefined where nobody knows. */
  readonly items: number | undefined;
}

export interface Loss {
  readonly hourMs: number;
  readonly reason: LossReason;
  readonly items: number;
}

/** Declared losses by series, ascending by hour. */
export function lossesBySeries(
  store: Pick<StoreRead, 'gaps'>,
  agents: Iterable<string>,
  range: TimeRange,
): Map<number, Loss[]> {
  const bySeries = new Map<number, Map<string, Loss>>();
  for (const agent of agents) {
    for (const row of store.gaps(agent, bucketOf(range.fromMs, hourMs), range.toMs)) {
      if (row.series === undefined) continue;
      const losses = bySeries.get(row.series) ?? new Map<string, Loss>();
      const key = `${row.hourMs} ${row.reason}`;
      losses.set(key, { hourMs: row.hourMs, reason: row.reason, items: (losses.get(key)?.items ?? 0) + row.count });
      bySeries.set(row.series, losses);
    }
  }
  return new Map(
    [...bySeries].map(([series, losses]) => [series, [...losses.values()].sort((a, b) => a.hourMs - b.hourMs)]),
  );
}

/** What buckets made of this level lack, or the readings themselves where it is undefined: whole minutes are complete though thinned. */
export function lossesAt(losses: readonly Loss[], levelMs: number | undefined): readonly Loss[] {
  return levelMs === undefined || levelMs < thinnedMs ? losses : losses.filter(({ reason }) => reason !== 'thinned');
}

/** Starts of buckets with data → the ranges without, half open, within the range. */
export function emptyRanges(starts: Iterable<number>, grid: Pick<Grid, 'endOf'>, range: TimeRange): TimeRange[] {
  const empty: TimeRange[] = [];
  let coveredTo = range.fromMs;
  for (const start of starts) {
    if (start > coveredTo) empty.push({ fromMs: coveredTo, toMs: Math.min(start, range.toMs) });
    coveredTo = Math.max(coveredTo, grid.endOf(start));
    if (coveredTo >= range.toMs) break;
  }
  if (coveredTo < range.toMs) empty.push({ fromMs: coveredTo, toMs: range.toMs });
  return empty;
}

const hourly = fixedGrid(hourMs);

/** Empty ranges and losses → gaps, ascending; a loss explains its hour, the rest of an empty range is quiet or not recorded; before `expiredMs` nobody knows. */
export function explainGaps(
  empty: readonly TimeRange[],
  losses: readonly Loss[],
  range: TimeRange,
  quiet: (atMs: number) => number,
  expiredMs: number,
): Gap[] {
  const gaps: Gap[] = [];
  if (range.fromMs < expiredMs) {
    gaps.push({ fromMs: range.fromMs, toMs: Math.min(range.toMs, expiredMs), cause: 'expired', items: undefined });
  }
  for (const { hourMs: start, reason, items } of losses) {
    const fromMs = Math.max(start, range.fromMs);
    const toMs = Math.min(start + hourMs, range.toMs);
    if (fromMs < toMs) gaps.push({ fromMs, toMs, cause: reason, items });
  }
  const lostHours = [...new Set(losses.map((loss) => loss.hourMs))];
  for (const { fromMs: emptyMs, toMs } of empty) {
    const fromMs = Math.max(emptyMs, expiredMs);
    if (fromMs >= toMs) continue;
    const quietTo = Math.min(toMs, Math.max(fromMs, quiet(fromMs)));
    if (quietTo > fromMs) gaps.push({ fromMs, toMs: quietTo, cause: 'quiet', items: undefined });
    const rest = { fromMs: quietTo, toMs };
    const hours = lostHours.slice(firstAbove(lostHours, quietTo - hourMs), firstAbove(lostHours, toMs - 1));
    for (const unexplained of emptyRanges(hours, hourly, rest))
      gaps.push({ ...unexplained, cause: 'not_recorded', items: undefined });
  }
  return gaps.sort((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs);
}

/** Index of the first entry greater than `value`, in ascending entries. */
function firstAbove(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** How long the value stands that was last seen before `atMs`, at least; for streams without hold it never does. */
export function quietUntil(series: SeriesInfo, starts: readonly number[]): (atMs: number) => number {
  return (atMs) => {
    if (series.sampling !== 'held' || series.holdMs === 0) return atMs;
    const last = starts[firstAbove(starts, atMs - 1) - 1];
    return last === undefined ? atMs : last + series.holdMs;
  };
}

/** Gaps of one series at a resolution of `everyMs`, or of its own windows where those are wider. Yields where others may run. */
export function* gapsOf(
  store: Pick<StoreRead, 'rollups' | 'raw' | 'expiry'>,
  series: SeriesInfo,
  range: TimeRange,
  everyMs: number,
  losses: readonly Loss[],
): Generator<void, { readonly gaps: Gap[]; readonly everyMs: number }> {
  const level =
    series.type === 'text'
      ? undefined
      : (exactLevel(series, fixedGrid(everyMs), range) ?? presenceLevel([series], { fromMs: 0, toMs: 0 }));
  const resolutionMs = level !== undefined && everyMs % level !== 0 ? level : Math.max(everyMs, ...series.widthsMs);
  // What was seen before the range may still stand in it.
  const seenFrom = bucketOf(range.fromMs - (series.sampling === 'held' ? series.holdMs : 0), resolutionMs);
  const starts = new Set<number>();
  if (level === undefined) {
    for (const item of itemsOf(store, series, firstPlaceFrom(seenFrom), range.toMs)) {
      if (item === undefined) yield;
      else starts.add(bucketOf(item.place[0], resolutionMs));
    }
  } else {
    let rows = 0;
    for (const { startMs } of store.rollups(series.id, level, seenFrom, range.toMs)) {
      starts.add(bucketOf(startMs, resolutionMs));
      if (++rows % rowsPerTurn === 0) yield;
    }
  }
  const seen = [...starts].sort((a, b) => a - b);
  const empty = emptyRanges(
    seen.filter((start) => start + resolutionMs > range.fromMs),
    fixedGrid(resolutionMs),
    range,
  );
  const expiredMs = expiredBefore(store.expiry(), series, level);
  return { gaps: explainGaps(empty, losses, range, quietUntil(series, seen), expiredMs), everyMs: resolutionMs };
}

const rowsPerTurn = 5_000;
