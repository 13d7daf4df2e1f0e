/**
 * One page of an answer about data over time: series by series, each in order of time, until the limit. With `everyMs` it holds
 * aggregates of whole buckets: the range is widened to bucket boundaries and the answer says so. Without, the readings or window
 * items themselves. What cannot be answered exactly is refused with the fix, never approximated.
 */
import { FoglineError, invariant } from '@fogline/shared/errors';
import type { StoreRead } from '../store/read.ts';
import type { Aggregate } from './aggregates.ts';
import type { Fill } from './bucket-rows.ts';
import { bucketsOf, bucketsOfReadings } from './buckets.ts';
import { decodeCursor, encodeCursor, fingerprint } from './cursor.ts';
import { type Grid, widened } from './grid.ts';
import { collectItems, firstPlaceFrom, type Item, itemsOf, type Place } from './items.ts';
import { type Answered, type Budget, bucketPart, itemPart, type Quality, type SeriesPart } from './parts.ts';
import type { Selector } from './selector.ts';
import { type Group, matchGroups } from './series.ts';
import { type Choice, chooseStream, sameChoice } from './stream-choice.ts';
import { compact, parseRange, type TimeRange } from './time.ts';

export interface DataQuestion {
  readonly selectors: readonly Selector[];
  /** As written; resolved against `nowMs` on the first page, kept by the cursor. */
  readonly from: string;
  readonly to: string | undefined;
  readonly grid: Grid | undefined;
  readonly aggregates: readonly Aggregate[] | undefined;
  /** What stands in buckets without data; undefined: they are left out. */
  readonly fill: Fill | undefined;
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

type DataStore = Pick<StoreRead, 'listSeries' | 'rollups' | 'raw'>;

/** Where a page begins: in which group, with which series already chosen (0 = none), at which time and place. */
interface Position {
  readonly group: number;
  readonly series: number;
  readonly place: Place;
}

/** Most rows or buckets looked at for one page; a page that reaches it ends early and says so. */
const workMax = 200_000;
const workPerSeries = 10;
const bucketsMax = 100_000_000;

/** Yields where others may run, returns the page. Throws `query_invalid`. */
export function* answerData(store: DataStore, question: DataQuestion, nowMs: number): Generator<void, DataPage> {
  const mark = fingerprint([
    question.selectors.map((selector) => selector.text),
    question.from,
    question.to,
    question.grid?.every,
    question.grid?.tz,
    question.aggregates,
    question.fill,
    question.qualities,
  ]);
  const { range, position } = beginning(question, mark, nowMs);
  const groups = matchGroups(store, question.selectors);
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
    if (budget.rows === 0 || budget.work <= 0) {
      return { range, parts, next: encode(mark, range, { group: group.id, series: 0, place: from }) };
    }
    if (kept === undefined && question.grid === undefined) yield* ahead.read(index, choice, budget.rows);
    const { part, stoppedAt } = yield* answerSeries(store, ahead, choice, { ...question, nowMs }, range, from, budget);
    parts.push(part);
    ahead.learn(part.values[0]?.length ?? 0);
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
  const { grid, fill, aggregates, nowMs } = question;
  if (grid === undefined) {
    const items = ahead.taken(series.id) ?? itemsOf(store, series, from, range.toMs);
    return itemPart(choice, question.qualities, items, range, from, budget);
  }
  const buckets =
    level === undefined
      ? bucketsOfReadings(store, series, grid, from[0], range.toMs)
      : bucketsOf(store, series.id, level, grid, from[0], range.toMs);
  return bucketPart(choice, { grid, fill, aggregates, nowMs }, buckets, range, from, budget);
}

const seriesAtOnceMax = 64;

/**
 * Reads the items of the next series along, as many as are likely to fit into the page: each pass over the batches of an agent
 * decodes all of them, so one pass for many series costs little more than one for one.
 */
class Ahead {
  readonly #store: DataStore;
  readonly #question: DataQuestion;
  readonly #range: TimeRange;
  readonly #groups: readonly Group[];
  readonly #choices = new Map<number, Choice>();
  readonly #items = new Map<number, readonly Item[]>();
  /** Of the last series; undefined while there is nothing to go by. */
  #rowsPerSeries: number | undefined;
  /** They did not fit once; on this page it is not tried again. */
  #isTooMuch = false;

  constructor(store: DataStore, question: DataQuestion, range: TimeRange, groups: readonly Group[]) {
    this.#store = store;
    this.#question = question;
    this.#range = range;
    this.#groups = groups;
  }

  *choose(index: number): Generator<void, Choice> {
    const group = this.#groups[index];
    invariant(group !== undefined, 'a group to choose from');
    const known = this.#choices.get(group.id);
    if (known !== undefined) return known;
    const { grid, aggregates } = this.#question;
    const choice = yield* chooseStream(this.#store, group, this.#range, grid, aggregates);
    this.#choices.set(group.id, choice);
    return choice;
  }

  /** Reads this series and the next ones of its agent, unless they are read already or do not fit. */
  *read(index: number, choice: Choice, rowsLeft: number): Generator<void, void> {
    if (this.#isTooMuch || this.#items.has(choice.series.id) || this.#rowsPerSeries === undefined) return;
    const count = Math.min(seriesAtOnceMax, Math.floor(rowsLeft / Math.max(1, this.#rowsPerSeries)));
    const wanted = [choice.series];
    for (let next = index + 1; wanted.length < count && next < this.#groups.length; next++) {
      const { series } = yield* this.choose(next);
      if (series.agent !== choice.series.agent) break;
      wanted.push(series);
    }
    if (wanted.length < 2) return;
    const found = yield* collectItems(this.#store, wanted, this.#range, rowsLeft);
    this.#isTooMuch = found === undefined;
    for (const [series, items] of found ?? []) this.#items.set(series, items);
  }

  taken(seriesId: number): readonly Item[] | undefined {
    const items = this.#items.get(seriesId);
    this.#items.delete(seriesId);
    return items;
  }

  /** How many rows the last series had, to go by for the next. */
  learn(rows: number): void {
    this.#rowsPerSeries = rows;
  }
}

function beginning(question: DataQuestion, mark: string, nowMs: number): { range: TimeRange; position: Position } {
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
  const fit = grid.stepMs * Math.ceil(buckets / bucketsMax);
  throw new FoglineError(
    'query_invalid',
    `every: ${groups} series in buckets of ${grid.every} are ${Math.ceil(buckets)} buckets, at most ${bucketsMax} are answered; write every=${compact(fit)} or more, or narrow the range`,
  );
}
