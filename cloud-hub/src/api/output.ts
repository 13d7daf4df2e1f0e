/**
 * Answers as JSON, NDJSON or CSV. `complete` and `next` travel with every format: as fields in JSON, as the last line of NDJSON,
 * and as headers everywhere, because CSV has no other place for them.
 */

export type Cell = string | number | boolean | null;
export type Row = Readonly<Record<string, unknown>>;

export interface Paging {
  /** The answer ends here; false when `next` leads on. */
  readonly complete: boolean;
  readonly next: string | null;
}

export interface Rendered {
  /** Default 200. */
  readonly status?: number;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Format = 'json' | 'ndjson' | 'csv';

/** A list of objects under `name`. Nested objects become `a.b` columns in CSV. */
export function renderList(name: string, rows: readonly Row[], paging: Paging, format: Format, meta?: Row): Rendered {
  const headers = pagingHeaders(paging);
  const tail = { ...(meta === undefined ? {} : { meta }), complete: paging.complete, next: paging.next };
  if (format === 'json')
    return {
      contentType: 'application/json; charset=utf-8',
      headers,
      body: `${JSON.stringify({ [name]: rows, ...tail })}\n`,
    };
  if (format === 'ndjson') {
    const body = [...rows, tail].map((row) => `${JSON.stringify(row)}\n`).join('');
    return { contentType: 'application/x-ndjson; charset=utf-8', headers, body };
  }
  return { contentType: 'text/csv; charset=utf-8', headers, body: csvOf(rows) };
}

function pagingHeaders(paging: Paging): Record<string, string> {
  return {
    'fogline-complete': String(paging.complete),
    ...(paging.next === null ? {} : { 'fogline-next': paging.next }),
  };
}

/** RFC 4180: one header line of all columns in order of first use, CRLF, quotes where needed. */
function csvOf(rows: readonly Row[]): string {
  const flat = rows.map((row) => flatten(row));
  const columns = [...new Set(flat.flatMap((row) => Object.keys(row)))];
  if (columns.length === 0) return '';
  const lines = flat.map((row) => columns.map((column) => csvCell(row[column] ?? null)).join(','));
  return `${[columns.map(csvCell).join(','), ...lines].join('\r\n')}\r\n`;
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
