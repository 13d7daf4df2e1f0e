/** Only: readings of the named metrics go on. */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { type Items, type Operator, type SeriesView, Stateless } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { SeriesTable } from './series-table.ts';

export class Only extends Stateless implements Operator {
  readonly #metrics: ReadonlySet<string>;
  readonly #view: SeriesView;
  /** One field: 1 = goes on. */
  readonly #series = new SeriesTable({ saved: 0, derived: 1 });
  readonly #selection = new RowSelection();

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
    this.#selection.begin(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      if (this.#isNamed(series[from] ?? 0)) this.#selection.addRun(from, end);
      from = end;
    }
    addDrop(this.drops, 'other_metric', count - this.#selection.count);
    return { kind: 'readings', columns: this.#selection.take(columns) };
  }

  #isNamed(id: number): boolean {
    const table = this.#series;
    let at = table.find(id);
    if (at < 0) {
      at = table.add(id);
      table.values[at] = this.#metrics.has(this.#view.definitionOf(id).metric) ? 1 : 0;
    }
    return table.values[at] === 1;
  }
}
