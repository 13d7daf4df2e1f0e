/**
 * Deadband: a reading passes when it moved by at least the threshold since the last one that passed, when the heartbeat is
 * due, or when its quality changed. The threshold is a number in the metric's unit or a share of the last value that passed.
 * Late readings (not newer than the last that passed) pass always: suppressing them against a newer value would be wrong.
 * Metrics without a threshold, and text, pass on every change and heartbeat.
 *
 * What comes out is sampling `held`: a value stands until the next, at most `heartbeatMs`.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { DeadbandConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { Immediate, type Items, type Operator, type SeriesView } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { lossiest } from './sampling.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 2;

/** Of the last reading that passed. */
const time = 0;
const value = 1;
const flags = 2;
const savedFields = 3;
const threshold = 3;
const share = 4;
const isText = 5;
const derivedFields = 3;

export class Deadband extends Immediate implements Operator {
  readonly #config: DeadbandConfig;
  readonly #thresholds: ReadonlyMap<string, number>;
  readonly #shares: ReadonlyMap<string, number>;
  readonly #view: SeriesView;
  readonly #last = new SeriesTable({ saved: savedFields, derived: derivedFields });
  /** Last text that passed, by series. */
  readonly #lastText = new Map<number, string>();
  readonly #selection = new RowSelection();

  constructor(config: DeadbandConfig, view: SeriesView) {
    super();
    this.#config = config;
    this.#thresholds = new Map(Object.entries(config.thresholds));
    this.#shares = new Map(Object.entries(config.shares ?? {}));
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, ...lossiest(definition, { sampling: 'held', holdMs: this.#config.heartbeatMs }) };
  }

  process(columns: ReadingColumns): Items {
    const { series, count } = columns;
    this.#selection.begin(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const at = this.#rowOf(series[from] ?? 0);
      if (this.#last.values[at + isText] === 1) this.#offerTexts(at, columns, from, end);
      else this.#offerNumbers(at, columns, from, end);
      from = end;
    }
    addDrop(this.drops, 'within_band', count - this.#selection.count);
    return { kind: 'readings', columns: this.#selection.take(columns) };
  }

  #offerNumbers(at: number, columns: ReadingColumns, from: number, end: number): void {
    const last = this.#last.values;
    const { heartbeatMs } = this.#config;
    const fixed = last[at + threshold] ?? 0;
    const relative = last[at + share] ?? 0;
    for (let row = from; row < end; row++) {
      const rowTime = columns.time[row] ?? 0;
      const rowValue = columns.value[row] ?? 0;
      const rowFlags = columns.flags[row] ?? 0;
      const lastTime = last[at + time] ?? 0;
      const lastValue = last[at + value] ?? 0;
      const isNewer = rowTime > lastTime;
      if (isNewer && rowFlags === last[at + flags] && rowTime - lastTime < heartbeatMs) {
        const needed = relative === 0 ? fixed : Math.abs(lastValue) * relative;
        if (needed > 0 ? Math.abs(rowValue - lastValue) < needed : rowValue === lastValue) continue;
      }
      this.#selection.add(row);
      if (!isNewer) continue;
      last[at + time] = rowTime;
      last[at + value] = rowValue;
      last[at + flags] = rowFlags;
    }
  }

  #offerTexts(at: number, columns: ReadingColumns, from: number, end: number): void {
    const last = this.#last.values;
    const id = columns.series[from] ?? 0;
    for (let row = from; row < end; row++) {
      const rowTime = columns.time[row] ?? 0;
      const rowFlags = columns.flags[row] ?? 0;
      const text = columns.strings[columns.value[row] ?? 0] ?? '';
      const lastTime = last[at + time] ?? 0;
      const isNewer = rowTime > lastTime;
      const isSame = text === this.#lastText.get(id) && rowFlags === last[at + flags];
      if (isNewer && isSame && rowTime - lastTime < this.#config.heartbeatMs) continue;
      this.#selection.add(row);
      if (!isNewer) continue;
      last[at + time] = rowTime;
      last[at + flags] = rowFlags;
      this.#lastText.set(id, text);
    }
  }

  #rowOf(id: number): number {
    const table = this.#last;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    const { metric, type } = this.#view.definitionOf(id);
    table.values[at + time] = Number.NEGATIVE_INFINITY;
    table.values[at + threshold] = this.#thresholds.get(metric) ?? 0;
    table.values[at + share] = this.#shares.get(metric) ?? 0;
    table.values[at + isText] = type === 'text' ? 1 : 0;
    return at;
  }

  save(): Uint8Array {
    return packState(stateVersion, this.#last.save(), [...this.#lastText]);
  }

  restore(state: Uint8Array): void {
    const [last, texts] = unpackState(state, stateVersion) as [SavedTable, [number, string][]];
    this.#last.restore(last, (id) => this.#rowOf(id));
    for (const [id, text] of texts) this.#lastText.set(id, text);
  }
}
