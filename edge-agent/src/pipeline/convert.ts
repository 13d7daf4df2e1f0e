/**
 * Convert: metrics get another name or unit, and values become `value · scale + offset`. Values of a metric without scale and offset
 * stay as they are, bit for bit; results that are not finite are dropped and counted. Text has no scale.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { ConvertConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { type Items, type Operator, type SeriesView, Stateless } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { SeriesTable } from './series-table.ts';

type Change = ConvertConfig[string];

const scale = 0;
const offset = 1;
const isScaled = 2;

export class Convert extends Stateless implements Operator {
  readonly #metrics: ReadonlyMap<string, Change>;
  readonly #view: SeriesView;
  readonly #series = new SeriesTable({ saved: 0, derived: 3 });
  readonly #finite = new RowSelection();

  constructor(config: ConvertConfig, view: SeriesView) {
    super();
    this.#metrics = new Map(Object.entries(config));
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    const config = this.#metrics.get(definition.metric);
    if (config === undefined) return definition;
    const { rename = definition.metric, unit = definition.unit } = config;
    const type = definition.type === 'boolean' && changesValue(config) ? 'number' : definition.type;
    return { ...definition, metric: rename, unit, type };
  }

  process(columns: ReadingColumns): Items {
    const { series, count } = columns;
    const table = this.#series;
    let value: Float64Array | undefined;
    let isFinite = true;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const at = this.#rowOf(series[from] ?? 0);
      if (table.values[at + isScaled] === 1) {
        value ??= columns.value.slice(0, count);
        const [factor, shift] = [table.values[at + scale] ?? 1, table.values[at + offset] ?? 0];
        for (let row = from; row < end; row++) {
          const result = (value[row] ?? 0) * factor + shift;
          value[row] = result;
          if (result - result !== 0) isFinite = false;
        }
      }
      from = end;
    }
    if (value === undefined) return { kind: 'readings', columns };
    const converted = { ...columns, value };
    return { kind: 'readings', columns: isFinite ? converted : this.#finiteOf(converted) };
  }

  #finiteOf(columns: ReadingColumns): ReadingColumns {
    this.#finite.begin(columns.count);
    for (let row = 0; row < columns.count; row++) if (Number.isFinite(columns.value[row])) this.#finite.add(row);
    addDrop(this.drops, 'not_finite', columns.count - this.#finite.count);
    return this.#finite.take(columns);
  }

  #rowOf(id: number): number {
    const table = this.#series;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    const { metric, type } = this.#view.definitionOf(id);
    const config = this.#metrics.get(metric);
    if (config === undefined || type === 'text' || !changesValue(config)) return at;
    table.values[at + scale] = config.scale;
    table.values[at + offset] = config.offset;
    table.values[at + isScaled] = 1;
    return at;
  }
}

function changesValue({ scale: factor, offset: shift }: Change): boolean {
  return factor !== 1 || shift !== 0;
}
