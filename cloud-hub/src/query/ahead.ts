/**
 * Reads the next series along, as many as are likely to fit into the page: each pass over the batches of an agent decodes all of
 * them, so one pass for many series costs little more than one for one. Bounded by the rows that the page has left.
 */
import { invariant } from '@fogline/shared/errors';
import type { StoreRead } from '../store/read.ts';
import { defaultAggregates } from './aggregates.ts';
import type { ReadBucket } from './bucket-rows.ts';
import { type BucketsAsked, bucketsOfMany, readBucket } from './buckets.ts';
import type { DataQuestion } from './data.ts';
import { collectItems, type Item } from './items.ts';
import { type Columns, readColumns } from './lttb.ts';
import type { Group } from './series.ts';
import { type Choice, chooseStream } from './stream-choice.ts';
import type { TimeRange } from './time.ts';

const seriesAtOnceMax = 64;

interface Left {
  readonly rows: number;
  readonly work: number;
}

export class Ahead {
  readonly #store: Pick<StoreRead, 'rollups' | 'spreads' | 'raw' | 'expiry'>;
  readonly #question: DataQuestion;
  readonly #range: TimeRange;
  readonly #groups: readonly Group[];
  readonly #choices = new Map<number, Choice>();
  readonly #items = new Map<number, readonly Item[]>();
  readonly #buckets = new Map<number, readonly ReadBucket[]>();
  readonly #columns = new Map<number, Columns>();
  /** What the last series cost; undefined while there is nothing to go by. */
  #last: Left | undefined;
  /** They did not fit once; on this page it is not tried again. */
  #isTooMuch = false;

  constructor(
    store: Pick<StoreRead, 'rollups' | 'spreads' | 'raw' | 'expiry'>,
    question: DataQuestion,
    range: TimeRange,
    groups: readonly Group[],
  ) {
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

  /** Reads the items of this series and of the next ones of its agent, unless they are read already or do not fit. */
  *readItems(index: number, choice: Choice, left: Left): Generator<void, void> {
    if (this.#items.has(choice.series.id)) return;
    const wanted = yield* this.#wanted(index, choice, left, () => true);
    if (wanted.length < 2) return;
    const series = wanted.map((one) => one.series);
    const found = yield* collectItems(this.#store, series, this.#range, left.rows);
    this.#isTooMuch = found === undefined;
    for (const [id, items] of found ?? []) this.#items.set(id, items);
  }

  /** The same for buckets of readings. */
  *readBuckets(
    index: number,
    choice: Choice,
    asked: Omit<BucketsAsked, 'aggregates'>,
    left: Left,
  ): Generator<void, void> {
    if (this.#buckets.has(choice.series.id)) return;
    // Those of `held` streams come from their roll-ups, series by series.
    const belongs = ({ series, level }: Choice): boolean => level === undefined && series.sampling !== 'held';
    if (!belongs(choice)) return;
    const aggregates = this.#question.aggregates ?? defaultAggregates(choice.series);
    const wanted = yield* this.#wanted(index, choice, left, belongs);
    if (wanted.length < 2) return;
    const series = wanted.map((one) => one.series);
    const found = new Map(series.map(({ id }): [number, ReadBucket[]] => [id, []]));
    let rows = 0;
    for (const next of bucketsOfMany(this.#store, series, { ...asked, aggregates }, this.#range)) {
      if (next === undefined) {
        yield;
        continue;
      }
      const bucket = readBucket(next.bucket, aggregates, next.series);
      if (bucket !== undefined) found.get(next.series.id)?.push(bucket);
      if (++rows <= left.rows) continue;
      this.#isTooMuch = true;
      return;
    }
    for (const [id, buckets] of found) this.#buckets.set(id, buckets);
  }

  /** This series and those after it that belong to one pass, as many as fit. */
  *#wanted(index: number, choice: Choice, left: Left, belongs: (choice: Choice) => boolean): Generator<void, Choice[]> {
    if (this.#isTooMuch || this.#last === undefined) return [];
    const fit = Math.min(left.rows / Math.max(1, this.#last.rows), left.work / Math.max(1, this.#last.work));
    const count = Math.min(seriesAtOnceMax, Math.floor(fit));
    const wanted = [choice];
    for (let next = index + 1; wanted.length < count && next < this.#groups.length; next++) {
      const other = yield* this.choose(next);
      if (other.series.agent !== choice.series.agent || !belongs(other)) break;
      wanted.push(other);
    }
    return wanted;
  }

  /** All readings of a series within the range; undefined: too many. */
  *columnsOf(index: number, choice: Choice, left: Left): Generator<void, Columns | undefined> {
    const { id } = choice.series;
    if (!this.#columns.has(id)) {
      const wanted = yield* this.#wanted(index, choice, left, () => true);
      const series = wanted.length < 2 ? [choice.series] : wanted.map((one) => one.series);
      const found = yield* readColumns(this.#store, series, this.#range);
      if (found === undefined && series.length > 1) {
        this.#isTooMuch = true;
        return yield* this.columnsOf(index, choice, left);
      }
      for (const [own, columns] of found ?? []) this.#columns.set(own, columns);
    }
    const columns = this.#columns.get(id);
    this.#columns.delete(id);
    return columns;
  }

  takeItems(seriesId: number): readonly Item[] | undefined {
    const items = this.#items.get(seriesId);
    this.#items.delete(seriesId);
    return items;
  }

  takeBuckets(seriesId: number): readonly ReadBucket[] | undefined {
    const buckets = this.#buckets.get(seriesId);
    this.#buckets.delete(seriesId);
    return buckets;
  }

  /** What the last series cost, to go by for the next. */
  learn(cost: Left): void {
    this.#last = cost;
  }
}
