/**
 * The series that a viewer sees, shared by all viewers who asked the same. It grows when a series is defined that matches. For each series
 * it counts what was committed since it was made, so that a viewer who falls behind can be told exactly how much it did not see.
 */
import { FoglineError } from '@fogline/shared/errors';
import { isMatch, type Selector } from '../query/selector.ts';
import { labelsOf, matchingSeries } from '../query/series.ts';
import type { SeriesInfo, StoreRead } from '../store/read.ts';

const selectionLimits = { seriesMax: 10_000 } as const;

export class Selection {
  readonly key: string;
  readonly sites: readonly string[] | undefined;
  readonly #selectors: readonly Selector[];
  /** In the order in which they came in: a viewer knows them by their index. */
  readonly infos: SeriesInfo[] = [];
  readonly #indexById = new Map<number, number>();
  #totals = new Float64Array(64);
  viewers = 0;

  constructor(key: string, selectors: readonly Selector[], sites: readonly string[] | undefined) {
    this.key = key;
    this.#selectors = selectors;
    this.sites = sites;
  }

  /**
   * What is there when it returns; yields where others may run. What is defined meanwhile is looked at in the end, in one go: one selector may be
   * at its end before another, and ids ascend. Throws `query_invalid` where that is too much.
   */
  *fill(store: Pick<StoreRead, 'listSeries' | 'newestSeries'>): Generator<void, void> {
    let newest = store.newestSeries();
    for (const info of matchingSeries(store, this.#selectors)) {
      if (info === undefined) {
        yield;
        continue;
      }
      if (info.id > newest) break;
      if (!this.#add(info)) {
        throw new FoglineError(
          'query_invalid',
          `match: more than ${selectionLimits.seriesMax} series; narrow it, for example by {agent="…"}`,
        );
      }
    }
    for (
      let infos = store.listSeries({ after: newest });
      infos.length > 0;
      infos = store.listSeries({ after: newest })
    ) {
      for (const info of infos) this.offer(info);
      newest = infos.at(-1)?.id ?? newest;
    }
  }

  /** A series that was defined just now. One that does not fit any more is left out. */
  offer(info: SeriesInfo): void {
    if (this.sites !== undefined && !this.sites.includes(info.site)) return;
    const labels = labelsOf(info);
    if (this.#selectors.length === 0 || this.#selectors.some((selector) => isMatch(selector, labels))) this.#add(info);
  }

  get size(): number {
    return this.infos.length;
  }

  /** Undefined where the series is not of it. */
  indexOf(series: number): number | undefined {
    return this.#indexById.get(series);
  }

  get ids(): Iterable<[series: number, index: number]> {
    return this.#indexById;
  }

  totalOf(index: number): number {
    return this.#totals[index] ?? 0;
  }

  count(index: number, items: number): void {
    this.#totals[index] = this.totalOf(index) + items;
  }

  #add(info: SeriesInfo): boolean {
    if (this.#indexById.has(info.id)) return true;
    if (this.size >= selectionLimits.seriesMax) return false;
    this.#indexById.set(info.id, this.size);
    this.infos.push(info);
    if (this.#totals.length < this.size) this.#totals = grown(this.#totals, this.size);
    return true;
  }
}

/** At least `length`, what is there kept, the rest 0. */
export function grown(column: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(Math.max(length, column.length * 2));
  wider.set(column);
  return wider;
}
