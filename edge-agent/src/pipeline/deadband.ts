/**
 * Deadband: a reading passes when it moved by at least the threshold, absolute or a share, since the last one that passed, when the heartbeat is
 * due, or when its quality changed. Late readings (not newer than the last that passed) pass always: suppressing them
 * against a newer value would be wrong. Metrics without a threshold, and text, pass on every change and heartbeat.
 *
 * What comes out is sampling `held`: a value stands until the next, at most `heartbeatMs`.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { DeadbandConfig } from '../core-config.ts';
import { ColumnBuilder, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

interface Last {
  readonly series: number;
  readonly threshold: number;
  readonly share: number;
  time: number;
  value: number;
  text: string;
  flags: number;
}

export class Deadband implements Operator {
  readonly #config: DeadbandConfig;
  readonly #view: SeriesView;
  readonly #last = new Map<number, Last>();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  constructor(config: DeadbandConfig, view: SeriesView) {
    this.#config = config;
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, ...lossiest(definition, { sampling: 'held', holdMs: this.#config.heartbeatMs }) };
  }

  process(columns: ReadingColumns): Items {
    const { series, time, value, flags, strings, count } = columns;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const last = this.#lastOf(series[from] ?? 0);
      for (let row = from; row < end; row++) {
        const rowFlags = flags[row] ?? 0;
        const text = (rowFlags & flagText) === 0 ? '' : (strings[value[row] ?? 0] ?? '');
        this.#offer(last, time[row] ?? 0, (rowFlags & flagText) === 0 ? (value[row] ?? 0) : 0, text, rowFlags);
      }
      from = end;
    }
    addDrop(this.drops, 'within_band', count - this.#out.count);
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  #offer(last: Last, time: number, value: number, text: string, flags: number): void {
    const isLate = time <= last.time;
    const least = Math.max(last.threshold, last.share * Math.abs(last.value));
    const hasMoved = value !== last.value && Math.abs(value - last.value) >= least;
    if (
      !isLate &&
      !hasMoved &&
      text === last.text &&
      flags === last.flags &&
      time - last.time < this.#config.heartbeatMs
    )
      return;
    if ((flags & flagText) === 0) this.#out.push(last.series, time, value, flags);
    else this.#out.pushText(last.series, time, text, flags);
    if (isLate) return;
    last.time = time;
    last.value = value;
    last.text = text;
    last.flags = flags;
  }

  #lastOf(input: number): Last {
    let last = this.#last.get(input);
    if (last === undefined) {
      const { metric } = this.#view.definitionOf(input);
      const { thresholds, shares = {} } = this.#config;
      last = {
        series: input,
        threshold: Object.hasOwn(thresholds, metric) ? (thresholds[metric] ?? 0) : 0,
        share: Object.hasOwn(shares, metric) ? (shares[metric] ?? 0) : 0,
        time: Number.NEGATIVE_INFINITY,
        value: 0,
        text: '',
        flags: -1,
      };
      this.#last.set(input, last);
    }
    return last;
  }

  save(): Uint8Array {
    const rows: unknown[] = [];
    for (const [input, last] of this.#last) rows.push([input, last.time, last.value, last.text, last.flags]);
    return packState(stateVersion, rows);
  }

  restore(state: Uint8Array): void {
    type Row = [input: number, time: number, value: number, text: string, flags: number];
    for (const [input, time, value, text, flags] of (unpackState(state, stateVersion) as [Row[]])[0])
      Object.assign(this.#lastOf(input), { time, value, text, flags });
  }
}
