/**
 * Swinging door: of each series only such readings go on that straight lines between them pass every other reading within the metric's
 * bound. The bound holds for what is kept, not only for some line: a candidate is accepted while the line from the last kept reading to
 * it lies within the doors of all readings between them (Bristol 1987 keeps the doors alone, which allows twice the bound). The doors are
 * narrowed by what rounding of such a line can add, so the bound holds in float64 too.
 *
 * A candidate is held back until the next reading decides, at most `maxGapMs`. Late readings, texts and metrics without a bound pass; a change of
 * quality ends a line. Late readings become points of the line and are not checked against it.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { SwingingDoorConfig } from '../core-config.ts';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;
/** Relative rounding of v0 + (v1 − v0) · share, generously: some operations of half an ulp each. */
const roundingShare = 16 * Number.EPSILON;

interface State {
  readonly bound: number;
  isOpen: boolean;
  /** The last reading that went on. */
  time: number;
  value: number;
  flags: number;
  /** Slopes that lines from it may still have. */
  low: number;
  high: number;
  /** The candidate, when `hasCandidate`. */
  hasCandidate: boolean;
  candidateTime: number;
  candidateValue: number;
  /** `now` of the commit that brought it. */
  seenAt: number;
}

export class SwingingDoor implements Operator {
  readonly #config: SwingingDoorConfig;
  readonly #view: SeriesView;
  readonly #states = new Map<number, State>();
  readonly #pending = new Map<number, State>();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  constructor(config: SwingingDoorConfig, view: SeriesView) {
    this.#config = config;
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, ...lossiest(definition, { sampling: 'held', holdMs: this.#config.maxGapMs }) };
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, time, value, flags, strings, count } = columns;
    let left = 0;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const id = series[from] ?? 0;
      const state = this.#stateOf(id);
      for (let row = from; row < end; row++) {
        const rowFlags = flags[row] ?? 0;
        if ((rowFlags & flagText) !== 0) {
          this.#out.pushText(id, time[row] ?? 0, strings[value[row] ?? 0] ?? '', rowFlags);
          continue;
        }
        left += this.#offer(id, state, time[row] ?? 0, value[row] ?? 0, rowFlags);
      }
      state.seenAt = now;
      if (state.hasCandidate) this.#pending.set(id, state);
      else this.#pending.delete(id);
      from = end;
    }
    addDrop(this.drops, 'on_the_line', left);
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(now: number): Items | undefined {
    for (const [id, state] of this.#pending) if (now - state.seenAt >= this.#config.maxGapMs) this.#settle(id, state);
    return this.#out.count === 0 ? undefined : { kind: 'readings', columns: this.#out.take() };
  }

  dueAt(): number | undefined {
    let due: number | undefined;
    for (const { seenAt } of this.#pending.values())
      due = Math.min(due ?? Number.POSITIVE_INFINITY, seenAt + this.#config.maxGapMs);
    return due;
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  /** Returns how many readings it left out for good: 1 when a candidate was replaced by the next. */
  #offer(id: number, state: State, time: number, value: number, flags: number): number {
    const newest = state.hasCandidate ? state.candidateTime : state.time;
    if (state.isOpen && time <= newest) {
      this.#out.push(id, time, value, flags);
      return 0;
    }
    const isLine = state.isOpen && flags === state.flags && time - state.time <= this.#config.maxGapMs;
    const slope = (value - state.value) / (time - state.time);
    if (isLine && slope >= state.low && slope <= state.high) {
      const left = state.hasCandidate ? 1 : 0;
      this.#narrow(state, time, value);
      return left;
    }
    if (state.hasCandidate) {
      this.#keep(id, state, state.candidateTime, state.candidateValue, state.flags);
      // From there it may be on a line again.
      return this.#offer(id, state, time, value, flags);
    }
    this.#keep(id, state, time, value, flags);
    return 0;
  }

  /** Makes a reading the candidate, and its door one of those that later lines must pass. */
  #narrow(state: State, time: number, value: number): void {
    const scale = Math.max(Math.abs(state.value), Math.abs(value)) + state.bound;
    const bound = state.bound - scale * roundingShare;
    const length = time - state.time;
    state.hasCandidate = true;
    state.candidateTime = time;
    state.candidateValue = value;
    state.low = Math.max(state.low, (value - bound - state.value) / length);
    state.high = Math.min(state.high, (value + bound - state.value) / length);
  }

  #keep(id: number, state: State, time: number, value: number, flags: number): void {
    this.#out.push(id, time, value, flags);
    Object.assign(state, { isOpen: true, time, value, flags, hasCandidate: false });
    // Without a bound no reading may be left out: no second one fits.
    state.low = state.bound > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    state.high = -state.low;
  }

  #settle(id: number, state: State): void {
    this.#keep(id, state, state.candidateTime, state.candidateValue, state.flags);
    this.#pending.delete(id);
  }

  #stateOf(id: number): State {
    let state = this.#states.get(id);
    if (state === undefined) {
      const { metric } = this.#view.definitionOf(id);
      const bound = Object.hasOwn(this.#config.bounds, metric) ? (this.#config.bounds[metric] ?? 0) : 0;
      const zero = { time: 0, value: 0, flags: 0, low: 0, high: 0, candidateTime: 0, candidateValue: 0, seenAt: 0 };
      state = { bound, isOpen: false, hasCandidate: false, ...zero };
      this.#states.set(id, state);
    }
    return state;
  }

  save(): Uint8Array {
    const rows = [...this.#states].map(([id, { bound: _, ...state }]) => [id, state]);
    return packState(stateVersion, rows);
  }

  restore(saved: Uint8Array): void {
    for (const [id, state] of (unpackState(saved, stateVersion) as [[number, Omit<State, 'bound'>][]])[0]) {
      const restored = Object.assign(this.#stateOf(id), state);
      if (restored.hasCandidate) this.#pending.set(id, restored);
    }
  }
}
