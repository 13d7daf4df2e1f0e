/**
 * `throttle`: the first reading of each period, per series; periods are aligned to the epoch. Readings of a period that has had
 * its own, and of periods before it, go no further and are counted.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

export class Throttle implements Operator {
  readonly #everyMs: number;
  /** Number of the last period that has had its reading, by series. */
  readonly #periods = new Map<number, number>();
  readonly #rows = new RowSelection();
  readonly drops = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, ...lossiest(definition, { sampling: 'subset', holdMs: 0 }) };
  }

  process(columns: ReadingColumns): Items {
    const { series, time, count } = columns;
    this.#rows.begin(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const id = series[from] ?? 0;
      let last = this.#periods.get(id) ?? Number.NEGATIVE_INFINITY;
      for (let row = from; row < end; row++) {
        const period = Math.floor((time[row] ?? 0) / this.#everyMs);
        if (period <= last) continue;
        last = period;
        this.#rows.add(row);
      }
      this.#periods.set(id, last);
      from = end;
    }
    addDrop(this.drops, 'within_period', count - this.#rows.count);
    return { kind: 'readings', columns: this.#rows.take(columns) };
  }

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  save(): Uint8Array {
    return packState(stateVersion, [...this.#periods]);
  }

  restore(saved: Uint8Array): void {
    for (const [id, period] of (unpackState(saved, stateVersion) as [[number, number][]])[0])
      this.#periods.set(id, period);
  }
}
