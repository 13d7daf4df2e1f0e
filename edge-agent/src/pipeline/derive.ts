/**
 * Derive: a metric made of others of the same device, one reading for each moment (moments.ts) that has one of the metrics its expression
 * reads. It takes the place of a metric of its name that comes in. Moments without a result make no reading and are counted: `missing`
 * (a metric is not there), or `no_result`. Its quality is the worst of what it was made of.
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
import type { DeriveConfig } from '../core-config.ts';
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

export class Derive extends Immediate implements Operator {
  readonly #config: DeriveConfig;
  readonly #expression: CompiledExpression;
  readonly #view: SeriesView;
  readonly #moments: Moments;
  readonly #args: ExpressionValue[] = [];
  /** Virtual series of a group and kind, 0 = none, at group · kinds + kind. */
  #virtual = new Uint32Array(0);
  /** One field: 1 = its place is taken. */
  readonly #series = new SeriesTable({ saved: 0, derived: 1 });
  readonly #selection = new RowSelection();
  readonly #out = new ColumnBuilder();

  /** Throws `config_invalid`. */
  constructor(config: DeriveConfig, view: SeriesView) {
    super();
    this.#config = config;
    this.#expression = compileExpression(config.text);
    this.#view = view;
    this.#moments = new Moments(this.#expression.variables, { holdMs: config.holdMs, hasAllRows: false }, view);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    const moments = this.#moments;
    moments.begin(columns);
    while (moments.next()) {
      moments.load(this.#args);
      const result = this.#expression.evaluate(this.#args);
      if (result === undefined) addDrop(this.drops, moments.isMissing ? 'missing' : 'no_result');
      else if (typeof result === 'string')
        this.#out.pushText(this.#seriesOf('text'), moments.time, result, flagText | moments.quality);
      else {
        const type = typeof result === 'number' ? 'number' : 'boolean';
        this.#out.push(this.#seriesOf(type), moments.time, Number(result), moments.quality);
      }
    }
    return { kind: 'readings', columns: joined(this.#others(columns), this.#out.take()) };
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
      table.values[at] = this.#view.definitionOf(id).metric === this.#config.metric ? 1 : 0;
    }
    return table.values[at] === 1;
  }

  /** The series of the moment's device. */
  #seriesOf(type: ValueType): number {
    const { group } = this.#moments;
    const kind = kindOfType[type] + (this.#moments.isExact(group) ? 0 : kinds.length / 2);
    const place = group * kinds.length + kind;
    const known = this.#virtual[place] ?? 0;
    if (known > 0) return known;
    const series = this.#view.define(this.#definitionOf(group, kind));
    this.#keep(place, series);
    return series;
  }

  #keep(place: number, series: number): void {
    if (place >= this.#virtual.length)
      this.#virtual = grown(this.#virtual, new Uint32Array(Math.max(place + 1, this.#virtual.length * 2)));
    this.#virtual[place] = series;
  }

  #definitionOf(group: number, kind: number): SeriesDefinition {
    const { metric, unit } = this.#config;
    const [type, sampling] = kinds[kind] ?? ['number', 'subset'];
    return { ...this.#moments.sampleOf(group), metric, unit, type, sampling, holdMs: 0 };
  }

  save(): Uint8Array {
    const used = this.#virtual.findLastIndex((series) => series > 0) + 1;
    return packState(stateVersion, this.#moments.save(), bytesOf(this.#virtual.slice(0, used)));
  }

  restore(state: Uint8Array): void {
    const [moments, virtual] = unpackState(state, stateVersion) as [SavedMoments, Uint8Array];
    this.#moments.restore(moments);
    idsOf(virtual).forEach((series, place) => {
      if (series === 0) return;
      this.#view.redefine(series, this.#definitionOf(Math.floor(place / kinds.length), place % kinds.length));
      this.#keep(place, series);
    });
  }
}
