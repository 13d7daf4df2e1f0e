/** `only`: the series of the metrics that are named go on, whole; the others are counted. */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import { keptRows, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, SeriesView } from './operator.ts';
import { StatelessOperator } from './stateless.ts';

export class Select extends StatelessOperator {
  readonly #metrics: ReadonlySet<string>;
  readonly #view: SeriesView;

  constructor(metrics: readonly string[], view: SeriesView) {
    super();
    this.#metrics = new Set(metrics);
    this.#view = view;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
  }

  process(columns: ReadingColumns): Items {
    const { series, count } = columns;
    const keep = new Uint8Array(count);
    let kept = 0;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      if (this.#metrics.has(this.#view.definitionOf(series[from] ?? 0).metric)) {
        keep.fill(1, from, end);
        kept += end - from;
      }
      from = end;
    }
    addDrop(this.drops, 'other_metric', count - kept);
    return { kind: 'readings', columns: keptRows(columns, keep, kept) };
  }
}
