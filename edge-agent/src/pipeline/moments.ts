/**
 * Moments: the readings of one device (and tags) with one event time in one commit, that is, a message (decision 0003). What an expression
 * reads of a moment: metrics by name, `device`, and tags by name. With a hold, a metric that the moment lacks is the last value before
 * it, unless that is older than the hold; those values are the state that is saved.
 */
import { flagQualityMask, flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { CompiledExpression, ExpressionValue } from '../expressions/expression.ts';
import { runEnd } from './columns.ts';
import type { SeriesView } from './operator.ts';

/** Rows [from, to) of the columns at hand. */
interface Run {
  readonly from: number;
  readonly to: number;
}

interface Held {
  time: number;
  value: ExpressionValue;
  flags: number;
}

export interface Device {
  readonly device: string;
  readonly tags: SeriesDefinition['tags'];
  /** By variable: its text where the device itself gives it, for example a tag. */
  readonly constants: readonly (string | undefined)[];
  /** Runs of this commit of the metrics that the expression reads, by variable. */
  readonly runs: (Run | undefined)[];
  /** All runs of this commit. */
  readonly all: Run[];
  /** By variable; filled only with a hold. */
  readonly held: (Held | undefined)[];
}

interface Place {
  readonly device: Device;
  /** Index of the variable that this series gives; −1 when none. */
  readonly variable: number;
}

export type HeldRow = [series: number, time: number, value: ExpressionValue, flags: number];

export class Moments {
  readonly #variables: readonly string[];
  readonly #holdMs: number;
  readonly #view: SeriesView;
  readonly #devices = new Map<string, Device>();
  readonly #places = new Map<number, Place>();
  readonly #touched = new Set<Device>();
  #columns: ReadingColumns | undefined;
  readonly #values: ExpressionValue[];
  /** Worst quality of what `valuesAt` gave last. */
  quality = 0;
  /** Whether every variable had a value. */
  isComplete = true;
  readonly #expression: CompiledExpression;

  constructor(expression: CompiledExpression, holdMs: number, view: SeriesView) {
    this.#expression = expression;
    this.#variables = expression.variables;
    this.#holdMs = holdMs;
    this.#view = view;
    this.#values = this.#variables.map(() => undefined);
  }

  /** The devices that have readings in these columns; valid until the next call. */
  group(columns: ReadingColumns): ReadonlySet<Device> {
    for (const device of this.#touched) {
      device.runs.fill(undefined);
      device.all.length = 0;
    }
    this.#touched.clear();
    this.#columns = columns;
    const { series, count } = columns;
    for (let from = 0; from < count; ) {
      const to = runEnd(series, from, count);
      const { device, variable } = this.#placeOf(series[from] ?? 0);
      if (variable >= 0) device.runs[variable] = { from, to };
      device.all.push({ from, to });
      this.#touched.add(device);
      from = to;
    }
    return this.#touched;
  }

  /** The value of the expression at a moment; undefined when it has none. */
  evaluate(device: Device, time: number): ExpressionValue {
    this.quality = 0;
    this.isComplete = true;
    for (let variable = 0; variable < this.#variables.length; variable++)
      this.#values[variable] = device.constants[variable] ?? this.#valueAt(device, variable, time);
    return this.#expression.evaluate(this.#values);
  }

  /** Remembers the newest values of a device, after all its moments were looked at. */
  remember(device: Device): void {
    if (this.#holdMs === 0 || this.#columns === undefined) return;
    const { time, flags } = this.#columns;
    device.runs.forEach((run, variable) => {
      if (run === undefined) return;
      for (let row = run.from; row < run.to; row++) {
        const at = time[row] ?? 0;
        const held = device.held[variable];
        if (held !== undefined && at < held.time) continue;
        device.held[variable] = { time: at, value: this.#valueOf(row), flags: flags[row] ?? 0 };
      }
    });
  }

  save(): HeldRow[] {
    const rows: HeldRow[] = [];
    for (const [series, { device, variable }] of this.#places) {
      const held = variable < 0 ? undefined : device.held[variable];
      if (held !== undefined) rows.push([series, held.time, held.value, held.flags]);
    }
    return rows;
  }

  restore(rows: readonly HeldRow[]): void {
    for (const [series, time, value, flags] of rows) {
      const { device, variable } = this.#placeOf(series);
      if (variable >= 0) device.held[variable] = { time, value, flags };
    }
  }

  #valueAt(device: Device, variable: number, time: number): ExpressionValue {
    const run = device.runs[variable];
    const row = run === undefined ? -1 : this.#rowAt(run, time);
    if (row >= 0) {
      this.#worsen(this.#columns?.flags[row] ?? 0);
      return this.#valueOf(row);
    }
    const held = this.#holdMs === 0 ? undefined : this.#heldAt(device, variable, time);
    if (held === undefined) {
      this.isComplete = false;
      return undefined;
    }
    this.#worsen(held.flags);
    return held.value;
  }

  /** The last row of the run with this time; −1 when there is none. */
  #rowAt({ from, to }: Run, at: number): number {
    const time = this.#columns?.time;
    for (let row = to - 1; row >= from; row--) if (time?.[row] === at) return row;
    return -1;
  }

  /** The newest value before `time` within the hold, of this commit or of those before. */
  #heldAt(device: Device, variable: number, time: number): Held | undefined {
    let found = device.held[variable];
    if (found !== undefined && (found.time > time || time - found.time > this.#holdMs)) found = undefined;
    const run = device.runs[variable];
    if (run === undefined || this.#columns === undefined) return found;
    for (let row = run.from; row < run.to; row++) {
      const at = this.#columns.time[row] ?? 0;
      if (at > time || time - at > this.#holdMs || (found !== undefined && at < found.time)) continue;
      found = { time: at, value: this.#valueOf(row), flags: this.#columns.flags[row] ?? 0 };
    }
    return found;
  }

  #valueOf(row: number): ExpressionValue {
    if (this.#columns === undefined) return undefined;
    const { series, value, flags, strings } = this.#columns;
    const raw = value[row] ?? 0;
    if (((flags[row] ?? 0) & flagText) !== 0) return strings[raw] ?? '';
    return this.#view.definitionOf(series[row] ?? 0).type === 'boolean' ? raw === 1 : raw;
  }

  #worsen(flags: number): void {
    this.quality = Math.max(this.quality, flags & flagQualityMask);
  }

  #placeOf(series: number): Place {
    let place = this.#places.get(series);
    if (place === undefined) {
      const { device, tags, metric } = this.#view.definitionOf(series);
      const key = JSON.stringify([device, tags]);
      let known = this.#devices.get(key);
      if (known === undefined) {
        const byTag = new Map([...tags, ['device', device] as const]);
        const constants = this.#variables.map((name) => byTag.get(name));
        known = { device, tags, constants, runs: this.#variables.map(() => undefined), all: [], held: [] };
        this.#devices.set(key, known);
      }
      place = { device: known, variable: this.#variables.indexOf(metric) };
      this.#places.set(series, place);
    }
    return place;
  }
}
