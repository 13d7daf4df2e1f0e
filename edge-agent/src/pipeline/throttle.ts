/**
 * Throttle: of every series the first reading to come of each period of event time goes on; periods are aligned to the epoch. Of late
 * readings, of periods before the last two that had their own, the first of each run of one period goes on: so a backlog that comes after
 * newer readings is thinned as it would have been.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { Immediate, type Items, type Operator } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

const newestPeriod = 0;
/** The one that was newest before. */
const previousPeriod = 1;
/** That of the last late reading. */
const latePeriod = 2;

export class Throttle extends Immediate implements Operator {
  readonly #everyMs: number;
  readonly #series = new SeriesTable({ saved: 3 });
  readonly #selection = new RowSelection();

  constructor(everyMs: number) {
    super();
    this.#everyMs = everyMs;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, sampling: 'subset', holdMs: 0 };
  }

  process(columns: ReadingColumns): Items {
    const { series, time, count } = columns;
    this.#selection.begin(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const at = this.#rowOf(series[from] ?? 0);
      const { values } = this.#series;
      for (let row = from; row < end; row++) {
        const period = Math.floor((time[row] ?? 0) / this.#everyMs);
        const newest = values[at + newestPeriod] ?? 0;
        if (period > newest) {
          values[at + previousPeriod] = newest;
          values[at + newestPeriod] = period;
        } else {
          const isKnown = period === newest || period === values[at + previousPeriod];
          if (isKnown || period === values[at + latePeriod]) continue;
          values[at + latePeriod] = period;
        }
        this.#selection.add(row);
      }
      from = end;
    }
    addDrop(this.drops, 'within_period', count - this.#selection.count);
    return { kind: 'readings', columns: this.#selection.take(columns) };
  }

  #rowOf(id: number): number {
    const found = this.#series.find(id);
    if (found >= 0) return found;
    const at = this.#series.add(id);
    this.#series.values.fill(Number.NEGATIVE_INFINITY, at, at + this.#series.width);
    return at;
  }

  save(): Uint8Array {
    return packState(stateVersion, this.#series.save());
  }

  restore(state: Uint8Array): void {
    const [series] = unpackState(state, stateVersion) as [SavedTable];
    this.#series.restore(series, (id) => this.#rowOf(id));
  }
}
