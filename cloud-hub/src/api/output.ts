/**
 * Answers as JSON, NDJSON, CSV or a table for people. `complete` and `next` travel with every format: as fields in JSON, as the last
 * line of NDJSON and of the table, and as headers everywhere, because CSV has no other place for them. A long answer is rendered in
 * pieces as the client takes them.
 */
import { prettyEnd, prettyTable } from './pretty.ts';

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, unknown>>;

export interface Paging {
  /** The answer ends here, and nothing of it is missing. */
  readonly complete: boolean;
  readonly next: string | null;
}

export interface Rendered {
  /** Default: the route's. */
  readonly status?: number;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Pieces of a long answer, made as they are sent. */
  readonly body: string | Iterable<string>;
}

export const formats = ['json', 'ndjson', 'csv', 'pretty'] as const;
export type Format = (typeof formats)[number];

const contentTypes: Readonly<Record<Format, string>> = {
  json: 'application/json; charset=utf-8',
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  pretty: 'text/plain; charset=utf-8',
};

/** One object, as JSON. */
export function renderObject(fields: object): Rendered {
  return { contentType: contentTypes.json, headers: {}, body: `${JSON.stringify(fields)}\n` };
}

/** A list of objects under `name`. Nested objects become `a.b` columns in CSV and tables. */
export function renderList(name: string, rows: readonly Row[], paging: Paging, format: Format, meta?: Row): Rendered {
  const body = format === 'pretty' ? prettyList(rows, paging) : lines(name, rows, paging, format, meta);
  return renderPieces(body, paging, format);
}

/** The same, for more rows than should be text at once. `kinds`: rows that have every column there is, which CSV tells first. */
export function renderRows(
  rows: Iterable<Row>,
  kinds: Iterable<Row>,
  paging: Paging,
  format: Exclude<Format, 'pretty'>,
  meta: Row,
): Rendered {
  const body = format === 'csv' ? csvLines(rows, kinds) : lines('rows', rows, paging, format, meta);
  return renderPieces(body, paging, format);
}

export function renderPieces(body: Iterable<string>, paging: Paging, format: Format): Rendered {
  const headers = {
    'fogline-complete': String(paging.complete),
    ...(paging.next === null ? {} : { 'fogline-next': paging.next }),
  };
  return { contentType: contentTypes[format], headers, body: joined(body) };
}

function lines(
  name: string,
  rows: Iterable<Row>,
  { complete, next }: Paging,
  format: Exclude<Format, 'pretty'>,
  meta: Row | undefined,
): Iterable<string> {
  const tail = { ...(meta === undefined ? {} : { meta }), complete, next };
  if (format === 'json') return jsonList(name, rows, tail);
  return format === 'ndjson' ? jsonLines(rows, tail) : csvLines(rows, rows);
}

/** One object: the items under `name`, then the fields of `tail`. */
export function* jsonList(name: string, items: Iterable<unknown>, tail: Row): Generator<string> {
  yield `{${JSON.stringify(name)}:[`;
  let separator = '';
  for (const item of items) {
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',';
  }
  yield `],${JSON.stringify(tail).slice(1)}\n`;
}

function* jsonLines(rows: Iterable<Row>, tail: Row): Generator<string> {
  for (const row of rows) yield `${JSON.stringify(row)}\n`;
  yield `${JSON.stringify(tail)}\n`;
}

/** RFC 4180: one header line of all columns in order of first use, CRLF, quotes where needed. */
function* csvLines(rows: Iterable<Row>, kinds: Iterable<Row>): Generator<string> {
  const columns = columnsOf(kinds);
  if (columns.length === 0) return;
  yield `${columns.map(csvCell).join(',')}\r\n`;
  for (const row of rows) {
    const flat = flatten(row);
    yield `${columns.map((column) => csvCell(flat[column] ?? null)).join(',')}\r\n`;
  }
}

function* prettyList(rows: readonly Row[], paging: Paging): Generator<string> {
  const columns = columnsOf(rows);
  const cells = rows.map((row) => flatten(row)).map((row) => columns.map((column) => row[column] ?? null));
  if (columns.length > 0) yield* prettyTable(columns, cells);
  yield prettyEnd(paging);
}

function columnsOf(rows: Iterable<Row>): string[] {
  const columns = new Set<string>();
  for (const row of rows) for (const column of Object.keys(flatten(row))) columns.add(column);
  return [...columns];
}

function flatten(row: Row, prefix = ''): Record<string, Cell> {
  const out: Record<string, Cell> = {};
  for (const [key, value] of Object.entries(row)) {
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      Object.assign(out, flatten(value as Row, `${prefix}${key}.`));
    } else out[`${prefix}${key}`] = Array.isArray(value) ? JSON.stringify(value) : ((value ?? null) as Cell);
  }
  return out;
}

function csvCell(value: Cell): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

const pieceCharactersMin = 32_768;

/** Small answers become one string, long ones come in pieces of some 32 KiB. */
function joined(parts: Iterable<string>): string | Iterable<string> {
  const pieces = gathered(parts);
  const first = pieces.next();
  if (first.done === true) return '';
  const second = pieces.next();
  if (second.done === true) return first.value;
  return rest(first.value, second.value, pieces);
}

function* rest(first: string, second: string, others: Iterable<string>): Generator<string> {
  yield first;
  yield second;
  yield* others;
}

function* gathered(parts: Iterable<string>): Generator<string> {
  let piece = '';
  for (const part of parts) {
    piece += part;
    if (piece.length < pieceCharactersMin) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}
