/**
 * Check: doubtful readings are marked, none is dropped. A value outside its range is bad. One that moved faster than its rate since the
 * last believable one is uncertain: of a spike the spike alone, of a true step as much as the step needs at that rate. One that has
 * stood still for too long is uncertain until it moves. Quality only gets worse.
 *
 * Late readings (not newer than the last of their series) are checked for range alone. They and bad readings change nothing else.
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
import { Immediate, type Items, type Operator, type SeriesView } from './operator.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

const lastTime = 0;
/** The last believable reading. */
const knownTime = 1;
const knownValue = 2;
/** Since when the value stands. */
const stuckTime = 3;
const stuckValue = 4;
const savedFields = 5;
const min = 5;
const max = 6;
/** Per millisecond. */
const rate = 7;
const stuckMs = 8;
const isChecked = 9;
const derivedFields = 5;

export class Check extends Immediate implements Operator {
  readonly #metrics: ReadonlyMap<string, CheckConfig[string]>;
  readonly #view: SeriesView;
  readonly #series = new SeriesTable({ saved: savedFields, derived: derivedFields });

  constructor(config: CheckConfig, view: SeriesView) {
    super();
    this.#metrics = new Map(Object.entries(config));
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    const { series, time, value, flags, count } = columns;
    let marked: Uint8Array | undefined;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const at = this.#rowOf(series[from] ?? 0);
      if (this.#series.values[at + isChecked] === 1) {
        for (let row = from; row < end; row++) {
          const rowFlags = flags[row] ?? 0;
          const found = this.#qualityOf(at, time[row] ?? 0, value[row] ?? 0, rowFlags & flagQualityMask);
          if (found === (rowFlags & flagQualityMask)) continue;
          marked ??= flags.slice(0, count);
          marked[row] = (rowFlags & flagText) | found;
        }
      }
      from = end;
    }
    return { kind: 'readings', columns: marked === undefined ? columns : { ...columns, flags: marked } };
  }

  #qualityOf(at: number, time: number, value: number, before: number): number {
    const { values } = this.#series;
    const isOutside = value < (values[at + min] ?? 0) || value > (values[at + max] ?? 0);
    let found: number = isOutside ? quality.bad : before;
    if (found === quality.bad || time <= (values[at + lastTime] ?? 0)) return found;
    values[at + lastTime] = time;
    if (value !== values[at + stuckValue] || values[at + stuckTime] === Number.NEGATIVE_INFINITY) {
      values[at + stuckTime] = time;
      values[at + stuckValue] = value;
    } else if (time - (values[at + stuckTime] ?? 0) >= (values[at + stuckMs] ?? 0)) {
      found = Math.max(found, quality.uncertain);
    }
    const change = Math.abs(value - (values[at + knownValue] ?? 0));
    // Without a believable reading before it, time has passed without end.
    if (change > (values[at + rate] ?? 0) * (time - (values[at + knownTime] ?? 0))) {
      return Math.max(found, quality.uncertain);
    }
    values[at + knownTime] = time;
    values[at + knownValue] = value;
    return found;
  }

  #rowOf(id: number): number {
    const table = this.#series;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    const { metric, type } = this.#view.definitionOf(id);
    const config = this.#metrics.get(metric);
    if (config === undefined || type === 'text') return at;
    const { range, ratePerMs: fastest, stuckMs: longest } = config;
    table.values.fill(Number.NEGATIVE_INFINITY, at, at + savedFields);
    table.values[at + min] = range?.min ?? Number.NEGATIVE_INFINITY;
    table.values[at + max] = range?.max ?? Number.POSITIVE_INFINITY;
    table.values[at + rate] = fastest ?? Number.POSITIVE_INFINITY;
    table.values[at + stuckMs] = longest ?? Number.POSITIVE_INFINITY;
    table.values[at + isChecked] = 1;
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
