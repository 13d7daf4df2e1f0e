/**
 * One page of an answer about data over time: series by series, each in order of time, until the limit. With `everyMs` it holds
 * aggregates of whole buckets: the range is widened to bucket boundaries and the answer says so. Without, the readings or window
 * items themselves. What cannot be answered exactly is refused with the fix, never approximated.
 */
import { FoglineError } from '@fogline/shared/errors';
import type { SeriesInfo, StoreRead } from '../store/read.ts';
import { type Aggregate, defaultAggregates } from './aggregates.ts';
import { Ahead } from './ahead.ts';
import type { Fill, ReadBucket } from './bucket-rows.ts';
import { type Bucket, bucketsOf, bucketsOfReadings, readBucket } from './buckets.ts';
import { decodeCursor, encodeCursor, fingerprint } from './cursor.ts';
import { type Grid, gridFor, widened } from './grid.ts';
import { firstPlaceFrom, itemsOf, type Place } from './items.ts';
import { lttbPart, withShape } from './lttb.ts';
import { type Answered, type Budget, bucketPart, itemPart, type Quality, type SeriesPart } from './parts.ts';
import type { Selector } from './selector.ts';
import { matchGroups, nameOf } from './series.ts';
import { type Choice, sameChoice } from './stream-choice.ts';
import { compact, parseRange, type TimeRange } from './time.ts';

export interface DataQuestion {
  readonly selectors: readonly Selector[];
  /** As written; resolved against `nowMs` on the first page, kept by the cursor. */
  readonly from: string;
  readonly to: string | undefined;
  readonly grid: Grid | undefined;
  readonly aggregates: readonly Aggregate[] | undefined;
  /** For `twa`: how long a value stands at most, in streams that do not say it themselves. */
  readonly holdMs?: number | undefined;
  /** What stands in buckets without data; undefined: they are left out. */
  readonly fill: Fill | undefined;
  /** So many readings of each series that show its shape, without `grid`; 3 to `limit`. */
  readonly lttbPoints?: number | undefined;
  /** Which readings are wanted, without `grid`; undefined: all. */
  readonly qualities: readonly Quality[] | undefined;
  /** Most rows of the page. */
  readonly limit: number;
  readonly cursor: string | undefined;
}

export interface DataPage {
  readonly range: TimeRange;
  readonly parts: readonly SeriesPart[];
  readonly next: string | null;
}

type DataStore = Pick<StoreRead, 'listSeries' | 'rollups' | 'spreads' | 'raw' | 'expiry'>;

/** Where a page begins: in which group, with which series already chosen (0 = none), at which time and place. */
interface Position {
  readonly group: number;
  readonly series: number;
  readonly place: Place;
}

/** Most rows or buckets looked at for one page; a page that reaches it ends early and says so. */
const workMax = 200_000;
const workPerSeries = 10;
const bucketsMax = 10_000_000;

/** Yields where others may run, returns the page. Throws `query_invalid`. */
export function* answerData(store: DataStore, question: DataQuestion, nowMs: number): Generator<void, DataPage> {
  const mark = markOf(question);
  const { range, position } = beginning(question, mark, nowMs);
  const { lttbPoints } = question;
  const matched = yield* matchGroups(store, question.selectors);
  const groups = lttbPoints === undefined ? matched : matched.map(withShape);
  checkSize(groups.length, range, question.grid);
  const budget = { rows: question.limit, work: workMax };
  const ahead = new Ahead(store, question, range, groups);
  const parts: SeriesPart[] = [];
  for (const [index, group] of groups.entries()) {
    if (group.id < position.group) continue;
    const isResumed = group.id === position.group && position.series !== 0;
    const kept = isResumed ? sameChoice(group, position.series, range, question.grid, question.aggregates) : undefined;
    const choice = kept ?? (yield* ahead.choose(index));
    const from = kept === undefined ? firstPlaceFrom(range.fromMs) : position.place;
    if (budget.rows < (lttbPoints ?? 1) || budget.work <= 0) {
      return { range, parts, next: encode(mark, range, { group: group.id, series: 0, place: from }) };
    }
    const before = { ...budget };
    if (lttbPoints !== undefined) {
      const columns = yield* ahead.columnsOf(index, choice, budget);
      parts.push(lttbPart(choice, columns, lttbPoints, range, budget));
      ahead.learn({ rows: before.rows - budget.rows, work: before.work - budget.work });
      budget.work -= workPerSeries;
      continue;
    }
    if (kept === undefined) {
      if (question.grid === undefined) yield* ahead.readItems(index, choice, budget);
      else yield* ahead.readBuckets(index, choice, { ...bucketsAsked(question, question.grid), nowMs }, budget);
    }
    const { part, stoppedAt } = yield* answerSeries(store, ahead, choice, { ...question, nowMs }, range, from, budget);
    yield;
    parts.push(part);
    ahead.learn({ rows: before.rows - budget.rows, work: before.work - budget.work });
    budget.work -= workPerSeries;
    if (stoppedAt !== undefined) {
      const place = { group: group.id, series: choice.series.id, place: stoppedAt };
      return { range, parts, next: encode(mark, range, place) };
    }
  }
  return { range, parts, next: null };
}

function answerSeries(
  store: DataStore,
  ahead: Ahead,
  choice: Choice,
  question: DataQuestion & { readonly nowMs: number },
  range: TimeRange,
  from: Place,
  budget: Budget,
): Generator<void, Answered> {
  const { series, level } = choice;
  const { grid, fill, nowMs } = question;
  if (question.holdMs !== undefined && series.holdMs > 0) throw saysItself(series);
  if (grid === undefined) {
    const items = ahead.takeItems(series.id) ?? itemsOf(store, series, from, range.toMs);
    return itemPart(choice, question.qualities, items, range, from, budget);
  }
  const aggregates = question.aggregates ?? defaultAggregates(series);
  const asked = { ...bucketsAsked(question, grid), aggregates, nowMs };
  const left = { fromMs: from[0], toMs: range.toMs };
  const buckets =
    ahead.takeBuckets(series.id) ??
    readAll(
      level === undefined
        ? bucketsOfReadings(store, series, asked, left)
        : bucketsOf(store, series, level, asked, left),
      aggregates,
      series,
    );
  return bucketPart(choice, { grid, fill, aggregates, nowMs }, buckets, range, from, budget);
}

/** Where neither the stream nor the question says how long a value stands. */
export const holdMsDefault = 3_600_000;

function bucketsAsked({ holdMs }: DataQuestion, grid: Grid): { readonly grid: Grid; readonly holdMs: number } {
  return { grid, holdMs: holdMs ?? holdMsDefault };
}

function saysItself(series: SeriesInfo): FoglineError {
  return new FoglineError(
    'query_invalid',
    `hold: in ${nameOf(series)} a value stands for ${compact(series.holdMs)} at most, as its stream says; leave hold out, or add sampling!="held" to match`,
  );
}

function* readAll(
  buckets: Iterable<Bucket | undefined>,
  aggregates: readonly Aggregate[],
  series: SeriesInfo,
): Generator<ReadBucket | undefined> {
  for (const bucket of buckets) {
    const read = bucket === undefined ? undefined : readBucket(bucket, aggregates, series);
    if (bucket === undefined || read !== undefined) yield read;
  }
}

/** What must not change between pages. */
export function markOf(question: DataQuestion): string {
  return fingerprint([
    question.selectors.map((selector) => selector.text),
    question.from,
    question.to,
    question.grid?.every,
    question.grid?.tz,
    question.aggregates,
    question.fill,
    question.qualities,
    question.holdMs,
    question.lttbPoints,
  ]);
}

/** The range asked for, and where its page begins. */
export function beginning(
  question: DataQuestion,
  mark: string,
  nowMs: number,
): { range: TimeRange; position: Position } {
  if (question.cursor === undefined) {
    const asked = parseRange(question.from, question.to, nowMs);
    const range = question.grid === undefined ? asked : widened(asked, question.grid);
    return { range, position: { group: 0, series: 0, place: [0, 0, 0] } };
  }
  const [fromMs = 0, toMs = 0, group = 0, series = 0, ...place] = decodeCursor(question.cursor, mark, 7);
  return { range: { fromMs, toMs }, position: { group, series, place: [place[0] ?? 0, place[1] ?? 0, place[2] ?? 0] } };
}

function encode(mark: string, range: TimeRange, { group, series, place }: Position): string {
  return encodeCursor(mark, [range.fromMs, range.toMs, group, series, ...place]);
}

function checkSize(groups: number, range: TimeRange, grid: Grid | undefined): void {
  if (grid === undefined) return;
  const buckets = ((range.toMs - range.fromMs) / grid.stepMs) * groups;
  if (buckets <= bucketsMax) return;
  const fit = gridFor(range, bucketsMax / groups, grid.tz);
  throw new FoglineError(
    'query_invalid',
    `every: ${groups} series in buckets of ${grid.every} are ${Math.ceil(buckets)} buckets, at most ${bucketsMax} are answered; ${fit === undefined ? '' : `write every=${fit.every} or more, or `}narrow the range`,
  );
}
