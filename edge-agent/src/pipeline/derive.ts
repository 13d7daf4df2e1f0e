/**
 * Derive: metrics made of others of the same device, one reading for each moment (moments.ts) that has one of the metrics an expression
 * reads. A derived metric takes the place of one of its name that comes in. Moments without a result make no reading and are counted:
 * `missing` (a metric is not there), or `no_result`. The quality of a derived reading is the worst of what it was made of.
 *
 * Derived of exact streams is exact (`all`); of others it is a `subset`, for its inputs change between the readings that are there.
 */
import {
  flagText,
  type ReadingColumns,
  type Sampling,
  type SeriesDefinition,
  type ValueType,
} from '@fogline/shared/reading';
import type { DerivedConfig } from '../core-config.ts';
import { type CompiledExpression, compileExpression, type ExpressionValue } from '../expressions/expression.ts';
import { ColumnBuilder, grown, joined, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { Moments, type SavedMoments } from './moments.ts';
import { Immediate, type Items, type Operator, type SeriesView } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { SeriesTable } from './series-table.ts';
import { bytesOf, idsOf, packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

/** What may come of one expression for one device: a series for each type, exact or not. */
const kinds: readonly (readonly [ValueType, Sampling])[] = [
  ['number', 'all'],
  ['boolean', 'all'],
  ['text', 'all'],
  ['number', 'subset'],
  ['boolean', 'subset'],
  ['text', 'subset'],
];
const kindOfType = { number: 0, boolean: 1, text: 2 } as const;

interface Derived {
  readonly metric: string;
  readonly unit: string;
  readonly holdMs: number;
  readonly expression: CompiledExpression;
  /** Index among the variables of all. */
  readonly variables: readonly number[];
  readonly args: ExpressionValue[];
}

export class Derive extends Immediate implements Operator {
  readonly #derived: readonly Derived[];
  readonly #view: SeriesView;
  readonly #moments: Moments;
  /** Virtual series of a group, derived metric and kind, 0 = none; in order of `#placeOf`. */
  #virtual = new Uint32Array(0);
  /** One field: 1 = its place is taken by a derived metric. */
  readonly #series = new SeriesTable({ saved: 0, derived: 1 });
  readonly #names: ReadonlySet<string>;
  readonly #selection = new RowSelection();
  readonly #out = new ColumnBuilder();

  constructor(config: Readonly<Record<string, DerivedConfig>>, view: SeriesView) {
    super();
    const compiled = Object.entries(config).map(([metric, { expr, ...rest }]) => {
      return { metric, ...rest, expression: compileExpression(expr) };
    });
    const all = [...new Set(compiled.flatMap(({ expression }) => expression.variables))].sort();
    this.#derived = compiled.map((one) => ({
      ...one,
      variables: one.expression.variables.map((name) => all.indexOf(name)),
      args: [],
    }));
    this.#names = new Set(Object.keys(config));
    this.#view = view;
    this.#moments = new Moments(all, false, view);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    const moments = this.#moments;
    moments.begin(columns);
    while (moments.next()) for (let index = 0; index < this.#derived.length; index++) this.#evaluate(index);
    return { kind: 'readings', columns: joined(this.#others(columns), this.#out.take()) };
  }

  #evaluate(index: number): void {
    const derived = this.#derived[index];
    if (derived === undefined) return;
    const moments = this.#moments;
    moments.load(derived.variables, derived.holdMs, derived.args);
    // A message of other metrics alone is not its concern.
    if (!moments.isTouched) return;
    const result = derived.expression.evaluate(derived.args);
    if (result === undefined) {
      addDrop(this.drops, moments.isMissing ? 'missing' : 'no_result');
    } else if (typeof result === 'string') {
      this.#out.pushText(this.#seriesOf(index, 'text'), moments.time, result, flagText | moments.quality);
    } else {
      const series = this.#seriesOf(index, typeof result as 'number' | 'boolean');
      this.#out.push(series, moments.time, Number(result), moments.quality);
    }
  }

  /** What came in, without those whose place is taken. */
  #others(columns: ReadingColumns): ReadingColumns {
    const { series, count } = columns;
    this.#selection.begin(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      if (!this.#isReplaced(series[from] ?? 0)) this.#selection.addRun(from, end);
      from = end;
    }
    addDrop(this.drops, 'replaced', count - this.#selection.count);
    return this.#selection.take(columns);
  }

  #isReplaced(id: number): boolean {
    const table = this.#series;
    let at = table.find(id);
    if (at < 0) {
      at = table.add(id);
      table.values[at] = this.#names.has(this.#view.definitionOf(id).metric) ? 1 : 0;
    }
    return table.values[at] === 1;
  }

  /** The series of a derived metric of the moment's device. */
  #seriesOf(index: number, type: ValueType): number {
    const { group } = this.#moments;
    const kind = kindOfType[type] + (this.#moments.isExact(group) ? 0 : kinds.length / 2);
    const place = this.#placeOf(group, index, kind);
    const known = this.#virtual[place] ?? 0;
    if (known > 0) return known;
    const series = this.#view.define(this.#definitionOf(group, index, kind));
    this.#keep(place, series);
    return series;
  }

  #placeOf(group: number, index: number, kind: number): number {
    return (group * this.#derived.length + index) * kinds.length + kind;
  }

  #keep(place: number, series: number): void {
    if (place >= this.#virtual.length)
      this.#virtual = grown(this.#virtual, new Uint32Array(Math.max(place + 1, this.#virtual.length * 2)));
    this.#virtual[place] = series;
  }

  #definitionOf(group: number, index: number, kind: number): SeriesDefinition {
    const { metric = '', unit = '' } = this.#derived[index] ?? {};
    const [type, sampling] = kinds[kind] ?? ['number', 'subset'];
    return { ...this.#moments.sampleOf(group), metric, unit, type, sampling, holdMs: 0 };
  }

  save(): Uint8Array {
    const places: number[] = [];
    const series: number[] = [];
    this.#virtual.forEach((id, place) => {
      if (id === 0) return;
      places.push(place);
      series.push(id);
    });
    return packState(
      stateVersion,
      this.#moments.save(),
      bytesOf(Uint32Array.from(places)),
      bytesOf(Uint32Array.from(series)),
    );
  }

  restore(state: Uint8Array): void {
    const [moments, places, series] = unpackState<[SavedMoments, Uint8Array, Uint8Array]>(state, stateVersion);
    this.#moments.restore(moments);
    const ids = idsOf(series);
    idsOf(places).forEach((place, at) => {
      const id = ids[at] ?? 0;
      const [kind, rest] = [place % kinds.length, Math.floor(place / kinds.length)];
      const [index, group] = [rest % this.#derived.length, Math.floor(rest / this.#derived.length)];
      this.#view.redefine(id, this.#definitionOf(group, index, kind));
      this.#keep(place, id);
    });
  }
}
