/**
 * `check`: a value outside its range is `bad`; one that moved faster than it can, or stood still longer than it may, is `uncertain`. Nothing is
 * dropped. A worse quality that a reading came with stays. Rate and stillness are judged against the newest reading that was
 * not bad; late readings are not judged by them.
 */
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
} from '@fogline/shared/reading';
import type { CheckConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

interface State {
  time: number;
  value: number;
  /** Since when the value stands. */
  since: number;
}

export class Check implements Operator {
  readonly #metrics: CheckConfig;
  readonly #view: SeriesView;
  readonly #states = new Map<number, State>();
  readonly drops = new Map<string, number>();

  constructor(metrics: CheckConfig, view: SeriesView) {
    this.#metrics = metrics;
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    const { series, time, value, count } = columns;
    let flags: Uint8Array | undefined;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const id = series[from] ?? 0;
      const { metric } = this.#view.definitionOf(id);
      const rule = Object.hasOwn(this.#metrics, metric) ? this.#metrics[metric] : undefined;
      if (rule !== undefined) {
        flags ??= columns.flags.slice(0, count);
        const state = this.#stateOf(id);
        for (let row = from; row < end; row++) {
          const before = flags[row] ?? 0;
          if ((before & flagText) !== 0) continue;
          const own = before & flagQualityMask;
          const judged = Math.max(own, own === quality.bad ? own : judge(rule, state, time[row] ?? 0, value[row] ?? 0));
          flags[row] = (before & ~flagQualityMask) | judged;
        }
      }
      from = end;
    }
    return { kind: 'readings', columns: flags === undefined ? columns : { ...columns, flags } };
  }

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  #stateOf(id: number): State {
    let state = this.#states.get(id);
    if (state === undefined) {
      state = { time: Number.NEGATIVE_INFINITY, value: 0, since: 0 };
      this.#states.set(id, state);
    }
    return state;
  }

  save(): Uint8Array {
    return packState(
      stateVersion,
      [...this.#states].map(([id, { time, value, since }]) => [id, time, value, since]),
    );
  }

  restore(saved: Uint8Array): void {
    type Row = [id: number, time: number, value: number, since: number];
    for (const [id, time, value, since] of (unpackState(saved, stateVersion) as [Row[]])[0])
      this.#states.set(id, { time, value, since });
  }
}

/** The quality of one reading by the rule; moves the state. */
function judge(rule: CheckConfig[string], state: State, time: number, value: number): number {
  const { range, ratePerMs, stuckMs } = rule;
  if (range !== undefined && (value < range.min || value > range.max)) return quality.bad;
  if (time <= state.time) return quality.good;
  const isFirst = state.time === Number.NEGATIVE_INFINITY;
  const isFast = !isFirst && ratePerMs !== undefined && Math.abs(value - state.value) > ratePerMs * (time - state.time);
  if (isFirst || value !== state.value) state.since = time;
  const isStuck = stuckMs !== undefined && time - state.since >= stuckMs;
  state.time = time;
  state.value = value;
  return isFast || isStuck ? quality.uncertain : quality.good;
}
