/**
 * Takes a range of one series out of its roll-ups. Buckets inside go; those that are cut are made again from the finer level, exactly. The
 * bounds lie on whole minutes, because a minute may stand for items that were thinned, or on the level that holds all of a series of wider
 * windows; rows of that level must be there for the buckets that are cut.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import type { HubStore } from './hub-store.ts';
import { bucketOf, levels, type RollupLevelMs } from './levels.ts';
import { isMerged } from './merge.ts';
import type { RollupRow } from './read.ts';

const dayMs = levels[3];

/** The finest level that all windows of these widths divide; undefined when there is none, or no roll-up at all. */
export function finestWhole(widthsMs: readonly number[]): RollupLevelMs | undefined {
  return levels.find((level) => widthsMs.every((width) => width === 0 || level % width === 0));
}

/** The level on which bounds lie. */
export function grainOf(finest: RollupLevelMs): RollupLevelMs {
  return finest < levels[1] ? levels[1] : finest;
}

/** What is wrong with the bounds, with the fix; undefined = nothing. `expiredMs`: before it rows of the grain are gone. */
export function boundsProblem(
  grainMs: RollupLevelMs,
  expiredMs: number,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): string | undefined {
  for (const [name, at] of [
    ['from', fromMs],
    ['to', toMs],
  ] as const) {
    if (at % dayMs === 0) continue;
    const grain = bucketOf(at, dayMs) < expiredMs ? dayMs : grainMs;
    if (at % grain === 0) continue;
    const low = new Date(bucketOf(at, grain)).toISOString();
    const high = new Date(bucketOf(at, grain) + grain).toISOString();
    return `${name}: roll-ups can be cut at whole ${grain === dayMs ? 'days only, for finer ones expired' : `${grain / 1000} s only`}; write ${low} or ${high}`;
  }
  return undefined;
}

/** In a transaction, when everything is folded. Returns how many readings the roll-ups lost. */
export function deleteRange(
  store: HubStore,
  series: number,
  finest: RollupLevelMs,
  fromMs: number,
  toMs: number,
): number {
  let removed = 0;
  let finer: RollupLevelMs | undefined;
  for (const level of levels.slice(levels.indexOf(finest))) {
    const from = bucketOf(fromMs, level);
    const to = bucketOf(toMs + level - 1, level);
    if (level === dayMs)
      for (const { partial } of allRows(store, series, level, from, to)) removed += Partial.decode(partial).count;
    store.rollups.takeOut(level, series, from, to);
    const cut = new Set([...(from < fromMs ? [from] : []), ...(to > toMs ? [to - level] : [])]);
    for (const start of cut) {
      const kept = finer === undefined ? undefined : sumOf(store, series, finer, start, start + level);
      if (kept === undefined) continue;
      store.rollups.mergeRow(level, series, { startMs: start, partial: kept.encode() });
      if (level === dayMs) removed -= kept.count;
    }
    finer = level;
  }
  return removed;
}

function sumOf(
  store: HubStore,
  series: number,
  level: RollupLevelMs,
  fromMs: number,
  toMs: number,
): Partial | undefined {
  let sum: Partial | undefined;
  for (const { partial } of allRows(store, series, level, fromMs, toMs)) {
    const own = Partial.decode(partial);
    if (sum === undefined) sum = own;
    else isMerged(sum, own);
  }
  return sum;
}

function* allRows(
  store: HubStore,
  series: number,
  level: RollupLevelMs,
  fromMs: number,
  toMs: number,
): Generator<RollupRow> {
  for (let from = fromMs; from < toMs; ) {
    const { rows, endMs } = store.rollups.page(level, series, from, toMs);
    yield* rows;
    from = endMs;
  }
}
