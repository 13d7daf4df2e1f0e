/**
 * `sample`: the last reading of each period, per series; periods are aligned to the epoch. It goes on when a reading of a later period comes, or
 * when the series has been idle for a period. What comes after its period was told goes no further and is counted.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator } from './operator.ts';
import { type PackedReading, packReading, type Reading, unpackReading } from './pending-reading.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

interface State {
  /** Number of the last period that was told. */
  told: number;
  /** The latest reading of the current period. */
  pending: Reading | undefined;
  /** `now` of the commit that brought it. */
  seenAt: number;
}

export class Sample implements Operator {
  readonly #everyMs: number;
  readonly #states = new Map<number, State>();
  readonly #pending = new Set<number>();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, ...lossiest(definition, { sampling: 'subset', holdMs: 0 }) };
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, time, value, flags, strings, count } = columns;
    let passedOver = 0;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const id = series[from] ?? 0;
      const state = this.#stateOf(id);
      for (let row = from; row < end; row++) {
        const at = time[row] ?? 0;
        const period = Math.floor(at / this.#everyMs);
        const pendingAt = state.pending?.time ?? Number.NEGATIVE_INFINITY;
        if (period <= state.told || at < pendingAt) {
          passedOver++;
          continue;
        }
        if (state.pending !== undefined) {
          if (period > Math.floor(pendingAt / this.#everyMs)) this.#tell(id, state);
          else passedOver++;
        }
        const isText = ((flags[row] ?? 0) & flagText) !== 0;
        const text = isText ? (strings[value[row] ?? 0] ?? '') : '';
        state.pending = { time: at, value: isText ? 0 : (value[row] ?? 0), text, flags: flags[row] ?? 0 };
      }
      if (state.pending !== undefined) this.#pending.add(id);
      state.seenAt = now;
      from = end;
    }
    addDrop(this.drops, 'within_period', passedOver);
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(now: number): Items | undefined {
    for (const id of this.#pending) {
      const state = this.#stateOf(id);
      if (now - state.seenAt >= this.#everyMs) this.#tell(id, state);
    }
    return this.#out.count === 0 ? undefined : { kind: 'readings', columns: this.#out.take() };
  }

  dueAt(): number | undefined {
    let due: number | undefined;
    for (const id of this.#pending)
      due = Math.min(due ?? Number.POSITIVE_INFINITY, this.#stateOf(id).seenAt + this.#everyMs);
    return due;
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  #tell(id: number, state: State): void {
    const { pending } = state;
    if (pending === undefined) return;
    this.#out.pushReading(id, pending);
    state.told = Math.floor(pending.time / this.#everyMs);
    state.pending = undefined;
    this.#pending.delete(id);
  }

  #stateOf(id: number): State {
    let state = this.#states.get(id);
    if (state === undefined) {
      state = { told: Number.NEGATIVE_INFINITY, pending: undefined, seenAt: 0 };
      this.#states.set(id, state);
    }
    return state;
  }

  save(): Uint8Array {
    const rows = [...this.#states].map(([id, { told, pending, seenAt }]) => {
      return [id, told, pending === undefined ? null : packReading(pending), seenAt];
    });
    return packState(stateVersion, rows);
  }

  restore(saved: Uint8Array): void {
    type Row = [id: number, told: number, pending: PackedReading | null, seenAt: number];
    for (const [id, told, pending, seenAt] of (unpackState(saved, stateVersion) as [Row[]])[0]) {
      this.#states.set(id, { told, pending: pending === null ? undefined : unpackReading(pending), seenAt });
      if (pending !== null) this.#pending.add(id);
    }
  }
}
