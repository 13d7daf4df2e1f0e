/**
 * The series inside one branch: durable ids as they come in, virtual ids above them for series that an operator made. From either to
 * the series of the branch's stream, once per series. Virtual ids are given in order of definition, so a replay gives the same.
 */
import { invariant } from '@fogline/shared/errors';
import type { ReadingColumns, SeriesDefinition, WindowColumns } from '@fogline/shared/reading';
import { canonical, runEnd } from './columns.ts';
import { type Items, type Operator, type SeriesRegistry, type SeriesView, virtualIdMin } from './operator.ts';
import { SeriesIndex } from './series-index.ts';

interface Virtual {
  readonly definition: SeriesDefinition;
  /** Index of the operator that made it; those after it describe it further. */
  readonly madeBy: number;
}

export class SeriesSpace {
  readonly #registry: SeriesRegistry;
  readonly #stream: string;
  readonly #isLocal: boolean;
  readonly #operators: Operator[] = [];
  readonly #virtual = new Map<number, Virtual>();
  /** Series of the stream + 1. */
  readonly #outputs = new SeriesIndex();
  #nextVirtual = virtualIdMin;

  constructor(stream: string, isLocal: boolean, registry: SeriesRegistry) {
    this.#stream = stream;
    this.#isLocal = isLocal;
    this.#registry = registry;
  }

  /** Adds the next operator, made with its view of the series. */
  add<T extends Operator>(create: (view: SeriesView) => T): T {
    const index = this.#operators.length;
    const operator = create({
      definitionOf: (id) => this.#describedBefore(id, index),
      define: (definition) => {
        const id = this.#nextVirtual++;
        this.#virtual.set(id, { definition, madeBy: index });
        return id;
      },
      redefine: (id, definition) => {
        this.#virtual.set(id, { definition, madeBy: index });
        this.#nextVirtual = Math.max(this.#nextVirtual, id + 1);
      },
    });
    this.#operators.push(operator);
    return operator;
  }

  /** The series as operator `index` leaves it. */
  definitionAfter(id: number, index: number): SeriesDefinition {
    return this.#describedBefore(id, index + 1);
  }

  /** Items that came through all operators, under the durable series of the stream. */
  toStream(items: Items): Items {
    if (items.kind === 'readings') {
      const columns = this.#translated(items.columns);
      return { kind: 'readings', columns: isAscending(columns) ? columns : canonical(columns) };
    }
    const columns = this.#translated(items.columns);
    return { kind: 'windows', columns: isAscending(columns) ? columns : sortedWindows(columns) };
  }

  #translated<T extends ReadingColumns | WindowColumns>(columns: T): T {
    const { count, series } = columns;
    const out = new Uint32Array(count);
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      out.fill(this.#outputOf(series[from] ?? 0), from, end);
      from = end;
    }
    return { ...columns, series: out };
  }

  #outputOf(id: number): number {
    const known = this.#outputs.get(id);
    if (known > 0) return known - 1;
    const definition = this.#describedBefore(id, this.#operators.length);
    const output = this.#registry.idOf({ ...definition, stream: this.#stream }, this.#isLocal);
    this.#outputs.set(id, output + 1);
    return output;
  }

  /** Operators ask once per series. */
  #describedBefore(id: number, index: number): SeriesDefinition {
    const virtual = this.#virtual.get(id);
    invariant(virtual !== undefined || id < virtualIdMin, 'a virtual series that was defined');
    let definition = virtual?.definition ?? this.#registry.definitionOf(id);
    for (let at = virtual === undefined ? 0 : virtual.madeBy + 1; at < index; at++)
      definition = this.#operators[at]?.describe(definition) ?? definition;
    return definition;
  }
}

function isAscending({ series, count }: { readonly series: Uint32Array; readonly count: number }): boolean {
  for (let row = 1; row < count; row++) if ((series[row - 1] ?? 0) > (series[row] ?? 0)) return false;
  return true;
}

function sortedWindows({ count, series, start, delta, partial }: WindowColumns): WindowColumns {
  const rows = Uint32Array.from({ length: count }, (_, row) => row);
  rows.sort((a, b) => (series[a] ?? 0) - (series[b] ?? 0) || a - b);
  return {
    count,
    series: rows.map((row) => series[row] ?? 0),
    start: Float64Array.from(rows, (row) => start[row] ?? 0),
    delta: Uint8Array.from(rows, (row) => delta[row] ?? 0),
    partial: Array.from(rows, (row) => partial[row] ?? new Uint8Array()),
  };
}
