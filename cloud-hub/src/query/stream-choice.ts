/**
 * Which of several streams of one metric answers: an exact one before a lossy one, the one that covers most of the range before
 * one that covers less, the readings before windows over them, then by name. Alone: streams are never stitched together.
 */

import { isPercentile } from '@fogline/shared/aggregate/names';
import { FoglineError } from '@fogline/shared/errors';
import { bucketOf, levels, type RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import { type Aggregate, defaultAggregates, isOfReadings, misleading } from './aggregates.ts';
import type { Grid } from './grid.ts';
import { type Group, nameOf } from './series.ts';
import { compact, type TimeRange } from './time.ts';

export interface Choice {
  readonly series: SeriesInfo;
  /** The roll-up that answers; undefined = the readings or window items themselves, aggregated where aggregates were asked for. */
  readonly level: RollupLevelMs | undefined;
  /** The other streams of the same metric. */
  readonly also: readonly SeriesInfo[];
}

/** The coarsest level that is exact for these buckets over windows of these widths. */
export function exactLevel(
  series: Pick<SeriesInfo, 'widthsMs'>,
  grid: Grid,
  range: TimeRange,
): RollupLevelMs | undefined {
  return levels.findLast((level) => isComplete(series, level) && grid.isMadeOf(level, range));
}

/** A roll-up lacks windows whose width does not divide it. */
function isComplete(series: Pick<SeriesInfo, 'widthsMs'>, level: number): boolean {
  return series.widthsMs.every((width) => width === 0 || level % width === 0);
}

/** The finest level at which presence of all these series can be compared. */
export function presenceLevel(members: readonly SeriesInfo[], range: TimeRange): RollupLevelMs | undefined {
  const complete = levels.filter((level) =>
    members.every((series) => series.type !== 'text' && isComplete(series, level)),
  );
  return complete.findLast((level) => (range.toMs - range.fromMs) / level >= bucketsComparedMin) ?? complete[0];
}

/** Presence is compared to a part of the range that is no larger: finer costs more than most answers. */
const bucketsComparedMin = 24;

/** Throws `query_invalid` with the fix when no stream of the group can answer. Yields where others may run. */
export function* chooseStream(
  store: Pick<StoreRead, 'rollups' | 'raw'>,
  group: Group,
  range: TimeRange,
  grid: Grid | undefined,
  asked?: readonly Aggregate[],
): Generator<void, Choice> {
  const usable =
    grid === undefined ? group.members : group.members.filter((series) => isUsable(series, grid, range, asked));
  const series = usable.length > 1 ? yield* bestOf(store, usable, range) : usable[0];
  if (series === undefined) throw noneUsable(group.members, grid, range, asked);
  if (grid !== undefined) refuseMisleading(series, group, asked ?? []);
  return choiceOf(group, series, range, grid, asked);
}

function choiceOf(
  group: Group,
  series: SeriesInfo,
  range: TimeRange,
  grid: Grid | undefined,
  asked: readonly Aggregate[] = defaultAggregates(series),
): Choice {
  const also = group.members.filter((member) => member.id !== series.id);
  // Roll-ups of readings carry no sketches: those would cost every bucket what few questions need.
  const isFromReadings =
    series.kind === 'reading' && asked.some((aggregate) => isPercentile(aggregate) || isOfReadings(aggregate));
  const level = grid === undefined || isFromReadings ? undefined : exactLevel(series, grid, range);
  return { series, level, also };
}

/** The choice that an earlier page made, again. */
export function sameChoice(
  group: Group,
  seriesId: number,
  range: TimeRange,
  grid: Grid | undefined,
  asked?: readonly Aggregate[],
): Choice | undefined {
  const series = group.members.find((member) => member.id === seriesId);
  if (series === undefined || (grid !== undefined && !isUsable(series, grid, range, asked))) return undefined;
  return choiceOf(group, series, range, grid, asked);
}

/** Readings make buckets of any kind; windows only those that consist of them, and nothing that follows readings one by one. */
function isUsable(series: SeriesInfo, grid: Grid, range: TimeRange, asked: readonly Aggregate[] = []): boolean {
  if (series.type === 'text') return false;
  if (series.kind === 'reading') return true;
  return !asked.some(isOfReadings) && exactLevel(series, grid, range) !== undefined;
}

/** A lossy stream is looked at only where no exact one has anything in the range, one that has nothing answers only when all have nothing. */
function* bestOf(
  store: Pick<StoreRead, 'rollups' | 'raw'>,
  usable: readonly SeriesInfo[],
  range: TimeRange,
): Generator<void, SeriesInfo | undefined> {
  const level = presenceLevel(usable, range);
  const exact = usable.filter(({ sampling }) => sampling === 'all');
  const lossy = usable.filter(({ sampling }) => sampling !== 'all');
  for (const members of [exact, lossy]) {
    const covered = yield* coverage(store, members, level, range);
    const [best] = members
      .filter(({ id }) => (covered.get(id) ?? 0) > 0)
      .sort((a, b) => (covered.get(b.id) ?? 0) - (covered.get(a.id) ?? 0) || compareNames(a, b));
    if (best !== undefined) return best;
  }
  return [...exact.sort(compareNames), ...lossy.sort(compareNames)][0];
}

/** Readings before windows over them, then by name. */
function compareNames(a: SeriesInfo, b: SeriesInfo): number {
  return (
    Number(a.kind === 'window') - Number(b.kind === 'window') ||
    (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : a.id - b.id)
  );
}

/** How many intervals of the range hold something, per series; of one alone, whether any does. */
function* coverage(
  store: Pick<StoreRead, 'rollups' | 'raw'>,
  members: readonly SeriesInfo[],
  level: RollupLevelMs | undefined,
  range: TimeRange,
): Generator<void, Map<number, number>> {
  const countMax = members.length === 1 ? 1 : Number.POSITIVE_INFINITY;
  const covered = new Map<number, number>();
  for (const series of members) {
    const intervals = new Set<number>();
    for (const at of level === undefined ? rawHours(store, series, range) : rollupStarts(store, series, level, range)) {
      if (at === undefined) yield;
      else intervals.add(at);
      if (intervals.size >= countMax) break;
    }
    covered.set(series.id, intervals.size);
  }
  return covered;
}

function* rollupStarts(
  store: Pick<StoreRead, 'rollups'>,
  { id }: SeriesInfo,
  level: RollupLevelMs,
  { fromMs, toMs }: TimeRange,
): Generator<number | undefined> {
  let rows = 0;
  for (const { startMs } of store.rollups(id, level, bucketOf(fromMs, level), toMs)) {
    yield startMs;
    if (++rows % rowsBetweenYields === 0) yield undefined;
  }
}

function* rawHours(
  store: Pick<StoreRead, 'raw'>,
  { agent, id }: SeriesInfo,
  range: TimeRange,
): Generator<number | undefined> {
  for (const chunk of store.raw({ agent, ...range, series: new Set([id]) })) {
    yield chunk.hourMs;
    yield undefined;
  }
}

const rowsBetweenYields = 2_000;

function noneUsable(
  members: readonly SeriesInfo[],
  grid: Grid | undefined,
  range: TimeRange,
  asked: readonly Aggregate[] = [],
): FoglineError {
  const series = members[0];
  const name = series === undefined ? '' : nameOf(series);
  if (series?.type === 'text') {
    return new FoglineError(
      'query_invalid',
      `every: ${name} carries text, which has no aggregates; add type!="text" to match, or leave every and agg out for the readings themselves`,
    );
  }
  const ordered = asked.filter(isOfReadings);
  if (ordered.length > 0 && grid !== undefined && members.some((member) => isUsable(member, grid, range))) {
    return new FoglineError(
      'query_invalid',
      `agg: ${ordered.join(', ')} follows readings one after the other, and ${name} consists of windows; ask a stream of readings, or for agg=mean, last or delta`,
    );
  }
  const works = levels.find((level) => members.some((member) => isComplete(member, level)));
  const width = `${grid?.every ?? ''}${grid?.tz === undefined ? '' : ` in ${grid.tz}`}`;
  const widths = [...new Set(members.flatMap((member) => member.widthsMs))].filter((width) => width > 0).map(compact);
  const fix =
    works === undefined
      ? 'leave every and agg out for the windows themselves'
      : `write every=${compact(works)} or a multiple${grid?.tz === undefined ? '' : ', without tz'}, or leave every and agg out for the windows themselves`;
  return new FoglineError(
    'query_invalid',
    `every: ${width} cannot be answered exactly for ${name}, which consists of windows of ${widths.join(' and ')}; ${fix}`,
  );
}

function refuseMisleading(series: SeriesInfo, group: Group, asked: readonly Aggregate[]): void {
  const wrong = misleading(series.sampling, asked);
  if (wrong.length === 0) return;
  const why =
    series.sampling === 'held'
      ? 'it keeps only values that changed, so readings are not evenly spread'
      : 'readings were left out before it';
  const exact = group.members.find((member) => member.sampling === 'all');
  const works = series.sampling === 'held' && series.kind === 'reading' ? 'twa, last, min or max' : 'last, min or max';
  const fix =
    exact === undefined
      ? `ask for agg=${works}, or for a stream with sampling="all"`
      : `add stream=${JSON.stringify(exact.stream)} to match for the exact stream, or ask for agg=${works}`;
  throw new FoglineError(
    'query_invalid',
    `agg: ${wrong.join(', ')} would mislead over ${nameOf(series)}, whose sampling is "${series.sampling}": ${why}; ${fix}`,
  );
}
