/** The series of a page in the format and shape asked for. */
import type { SeriesPart, Value } from '../query/parts.ts';
import { labelsOf, nameOf } from '../query/series.ts';
import type { TimeZone } from '../query/time-zone.ts';
import {
  type Cell,
  type Format,
  jsonList,
  type Paging,
  type Rendered,
  type Row,
  renderPieces,
  renderRows,
} from './output.ts';
import { prettyEnd, prettyTable } from './pretty.ts';

export type Shape = 'columns' | 'rows';

export interface DataForm {
  readonly format: Format;
  /** Of JSON. */
  readonly shape: Shape;
  /** In which the table for people tells times. */
  readonly zone: TimeZone;
}

export function renderData(
  parts: readonly SeriesPart[],
  { format, shape, zone }: DataForm,
  paging: Paging,
  meta: Row,
): Rendered {
  if (format === 'pretty') return renderPieces(tables(parts, paging, zone), paging, format);
  if (shape === 'rows' || format !== 'json') return renderRows(rowsOf(parts), kindsOf(parts), paging, format, meta);
  const tail = { meta, complete: paging.complete, next: paging.next };
  return renderPieces(jsonList('series', columnsOf(parts), tail), paging, format);
}

function* columnsOf(parts: readonly SeriesPart[]): Generator<Row> {
  for (const { series, columns, values } of parts) {
    const named = Object.fromEntries(columns.map((column, index) => [column, values[index]]));
    yield { id: series.id, labels: labelsOf(series), columns: named };
  }
}

function* rowsOf(parts: readonly SeriesPart[]): Generator<Row> {
  for (const part of parts) {
    const labels = labelsOf(part.series);
    for (let row = 0; row < (part.values[0]?.length ?? 0); row++) yield rowOf(part, labels, row);
  }
}

/** A row of each series that has one. */
function kindsOf(parts: readonly SeriesPart[]): Row[] {
  return parts
    .filter(({ values }) => (values[0]?.length ?? 0) > 0)
    .map((part) => rowOf(part, labelsOf(part.series), 0));
}

function rowOf({ series, columns, values }: SeriesPart, labels: Row, row: number): Row {
  const cells: Record<string, Value | Row | null> = { time: values[0]?.[row] ?? null, series: series.id, labels };
  columns.forEach((column, index) => {
    cells[column] = values[index]?.[row] ?? null;
  });
  return cells;
}

/** A table for each series, with the clock of the zone. */
function* tables(parts: readonly SeriesPart[], paging: Paging, zone: TimeZone): Generator<string> {
  for (const part of parts) {
    const { unit } = part.series;
    yield `${nameOf(part.series)}${unit === '' ? '' : ` in ${unit}`}, from ${part.source}\n`;
    yield* prettyTable(part.columns, { [Symbol.iterator]: () => cellsOf(part, zone) });
    yield '\n';
  }
  yield prettyEnd(paging);
}

function* cellsOf({ values, columns }: SeriesPart, zone: TimeZone): Generator<Cell[]> {
  for (let row = 0; row < (values[0]?.length ?? 0); row++) {
    const timeMs = values[0]?.[row];
    const time = typeof timeMs === 'number' ? localIso(timeMs, zone.offsetAt(timeMs)) : '';
    yield [time, ...columns.slice(1).map((_, index) => values[index + 1]?.[row] ?? null)];
  }
}

/** RFC 3339 by the local clock: `2026-03-29T03:00:00.000+02:00`. */
function localIso(ms: number, offsetMs: number): string {
  const local = new Date(ms + offsetMs).toISOString();
  if (offsetMs === 0) return local;
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${local.slice(0, -1)}${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
