/**
 * `convert`: a metric gets another name, unit and scale: value · scale + offset. Without scale and offset values stay bit for bit; a result
 * that is not finite is dropped and counted. Texts have no scale and pass.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { ConvertConfig } from '../core-config.ts';
import { keptRows, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, SeriesView } from './operator.ts';
import { StatelessOperator } from './stateless.ts';

export class Convert extends StatelessOperator {
  readonly #metrics: ConvertConfig;
  readonly #view: SeriesView;

  constructor(metrics: ConvertConfig, view: SeriesView) {
    super();
    this.#metrics = metrics;
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    const change = this.#changeOf(definition);
    if (change === undefined) return definition;
    const { rename, unit, scale, offset } = change;
    const isScaled = scale !== 1 || offset !== 0;
    return {
      ...definition,
      metric: rename ?? definition.metric,
      unit: unit ?? definition.unit,
      type: isScaled && definition.type === 'boolean' ? 'number' : definition.type,
    };
  }

  process(columns: ReadingColumns): Items {
    const { series, flags, count } = columns;
    let value: Float64Array | undefined;
    let keep: Uint8Array | undefined;
    let kept = count;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      const change = this.#changeOf(this.#view.definitionOf(series[from] ?? 0));
      if (change !== undefined && (change.scale !== 1 || change.offset !== 0)) {
        value ??= columns.value.slice(0, count);
        for (let row = from; row < end; row++) {
          if (((flags[row] ?? 0) & flagText) !== 0) continue;
          const scaled = (value[row] ?? 0) * change.scale + change.offset;
          value[row] = scaled;
          if (Number.isFinite(scaled)) continue;
          keep ??= new Uint8Array(count).fill(1);
          keep[row] = 0;
          kept--;
        }
      }
      from = end;
    }
    const converted = value === undefined ? columns : { ...columns, value };
    addDrop(this.drops, 'not_finite', count - kept);
    return { kind: 'readings', columns: keep === undefined ? converted : keptRows(converted, keep, kept) };
  }

  #changeOf({ metric }: SeriesDefinition): ConvertConfig[string] | undefined {
    return Object.hasOwn(this.#metrics, metric) ? this.#metrics[metric] : undefined;
  }
}
