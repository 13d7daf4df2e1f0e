/**
 * Hopping windows in event time: of width `widthMs`, one begins every `everyMs`, so they overlap. Each closes as a tumbling window does and then
 * gives one reading per aggregate, at its start; values that overlap are never rolled up. A reading that comes after its windows
 * closed changes nothing and is counted. `bad` readings and text enter no window.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
} from '@fogline/shared/reading';
import type { HoppingConfig } from '../core-config.ts';
import { aggregateOf } from './aggregates.ts';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

interface State {
  /** Virtual ids, one per aggregate. */
  readonly outputs: readonly number[];
  maxTime: number;
  /** Windows that begin before it are closed. */
  closedBefore: number;
  seenAt: number;
  readonly open: Map<number, Partial>;
}

export class HoppingWindow implements Operator {
  readonly #config: HoppingConfig;
  readonly #view: SeriesView;
  readonly #states = new Map<number, State>();
  readonly #active = new Set<State>();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  constructor(config: HoppingConfig, view: SeriesView) {
    this.#config = config;
    this.#view = view;
  }

  /** Nothing that came in goes on; what comes out is defined by `define`. */
  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, time, value, flags, count } = columns;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      if (((flags[from] ?? 0) & flagText) !== 0) addDrop(this.drops, 'text', end - from);
      else {
        const state = this.#stateOf(series[from] ?? 0);
        for (let row = from; row < end; row++) {
          if (((flags[row] ?? 0) & flagQualityMask) === quality.bad) addDrop(this.drops, 'bad');
          else this.#take(state, time[row] ?? 0, value[row] ?? 0);
        }
        state.seenAt = now;
        this.#close(state, state.maxTime - this.#config.latenessMs);
        if (state.open.size > 0) this.#active.add(state);
      }
      from = end;
    }
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(now: number): Items | undefined {
    for (const state of this.#active)
      if (now - state.seenAt >= this.#idleMs) this.#close(state, Number.POSITIVE_INFINITY);
    return this.#out.count === 0 ? undefined : { kind: 'readings', columns: this.#out.take() };
  }

  dueAt(): number | undefined {
    let due: number | undefined;
    for (const { seenAt } of this.#active) due = Math.min(due ?? Number.POSITIVE_INFINITY, seenAt + this.#idleMs);
    return due;
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  get #idleMs(): number {
    return this.#config.widthMs + this.#config.latenessMs;
  }

  #take(state: State, time: number, value: number): void {
    const { everyMs, widthMs, hasSketch } = this.#config;
    state.maxTime = Math.max(state.maxTime, time);
    const newest = Math.floor(time / everyMs) * everyMs;
    if (newest < state.closedBefore) {
      addDrop(this.drops, 'late');
      return;
    }
    for (let start = newest; start > time - widthMs && start >= state.closedBefore; start -= everyMs) {
      let partial = state.open.get(start);
      if (partial === undefined) {
        partial = Partial.empty({ sketch: hasSketch });
        state.open.set(start, partial);
      }
      partial.add(time, value);
    }
  }

  /** Closes every window that ends at or before the watermark, oldest first. */
  #close(state: State, watermark: number): void {
    const { everyMs, widthMs, compute } = this.#config;
    for (const [start, partial] of [...state.open].sort((a, b) => a[0] - b[0])) {
      if (start + widthMs > watermark) break;
      state.open.delete(start);
      state.closedBefore = start + everyMs;
      compute.forEach((name, index) => {
        const value = aggregateOf(name, partial);
        if (Number.isFinite(value)) this.#out.push(state.outputs[index] ?? 0, start, value, quality.good);
        else addDrop(this.drops, 'not_finite');
      });
    }
    if (Number.isFinite(watermark)) {
      const firstOpen = Math.floor((watermark - widthMs) / everyMs) * everyMs + everyMs;
      state.closedBefore = Math.max(state.closedBefore, firstOpen);
    }
    if (state.open.size === 0) this.#active.delete(state);
  }

  #stateOf(id: number): State {
    let state = this.#states.get(id);
    if (state === undefined) {
      state = this.#newState(this.#config.compute.map((name) => this.#view.define(this.#outputOf(id, name))));
      this.#states.set(id, state);
    }
    return state;
  }

  #newState(outputs: readonly number[]): State {
    const never = Number.NEGATIVE_INFINITY;
    return { outputs, maxTime: never, closedBefore: never, seenAt: 0, open: new Map() };
  }

  #outputOf(id: number, aggregate: string): SeriesDefinition {
    const source = this.#view.definitionOf(id);
    const unit = aggregate === 'count' ? '' : source.unit;
    return { ...source, metric: `${source.metric}.${aggregate}`, unit, type: 'number', sampling: 'subset', holdMs: 0 };
  }

  save(): Uint8Array {
    const rows = [...this.#states].map(([id, { outputs, maxTime, closedBefore, seenAt, open }]) => {
      return [
        id,
        outputs,
        maxTime,
        closedBefore,
        seenAt,
        [...open].map(([start, partial]) => [start, partial.encode()]),
      ];
    });
    return packState(stateVersion, rows);
  }

  restore(saved: Uint8Array): void {
    type Row = [
      id: number,
      outputs: number[],
      maxTime: number,
      closedBefore: number,
      seenAt: number,
      open: [number, Uint8Array][],
    ];
    for (const [id, outputs, maxTime, closedBefore, seenAt, open] of (unpackState(saved, stateVersion) as [Row[]])[0]) {
      this.#config.compute.forEach((name, index) => {
        this.#view.redefine(outputs[index] ?? 0, this.#outputOf(id, name));
      });
      const state = Object.assign(this.#newState(outputs), { maxTime, closedBefore, seenAt });
      for (const [start, bytes] of open) state.open.set(start, Partial.decode(bytes));
      this.#states.set(id, state);
      if (state.open.size > 0) this.#active.add(state);
    }
  }
}
