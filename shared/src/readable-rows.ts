/**
 * The rows of a table of a damaged database: from its beginning to where reading fails, then from its end back to there. What lies between
 * two such places is lost. No row comes twice.
 */
import { messageOf } from './errors.ts';
import type { Database, Value } from './sqlite.ts';

/** `key` is the primary key, in order. */
export function* readable<Row>(db: Database, table: string, key: string): Generator<Row> {
  const columns = key.split(', ');
  const keyOf = (row: object): string =>
    JSON.stringify(columns.map((name) => (row as Record<string, Value>)[name] ?? null));
  const seen = new Set<string>();
  for (const order of [key, columns.map((name) => `${name} DESC`).join(', ')]) {
    const rows = iterate<Row & object>(db, `SELECT * FROM ${table} ORDER BY ${order}`);
    try {
      for (;;) {
        const { row, isEnd } = rows.next();
        if (isEnd) return;
        if (row === undefined) break;
        const at = keyOf(row);
        // Everything before was read from the other end; or the table is a circle.
        if (seen.has(at)) return;
        seen.add(at);
        yield row;
      }
    } finally {
      rows.close();
    }
  }
}

interface Rows<Row> {
  next(): { readonly row: Row | undefined; readonly isEnd: boolean };
  close(): void;
}

/** Failing to read is an end too, another one. */
function iterate<Row>(db: Database, sql: string): Rows<Row> {
  let rows: Iterator<Row> | undefined;
  return {
    next() {
      try {
        rows ??= db.prepare<Row>(sql).iterate();
        const result = rows.next();
        return result.done === true ? { row: undefined, isEnd: true } : { row: result.value, isEnd: false };
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        return { row: undefined, isEnd: false };
      }
    },
    close: () => void rows?.return?.(),
  };
}

function isUnreadable(error: unknown): boolean {
  return /malformed|corrupt|disk I\/O|not a database|no such (table|column)|out of range|JSON/i.test(messageOf(error));
}

export function tableNames(db: Database): string[] {
  return db
    .prepare<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map(({ name }) => name);
}

/** Of the primary key, in its order. */
export function keyColumns(db: Database, table: string): string[] {
  return db
    .prepare<{ name: string }>('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
    .all(table)
    .map(({ name }) => name);
}

/** Copies one row as it was read; one that is there already stays. */
export function copyRow(db: Database, table: string, row: Record<string, Value>): void {
  const columns = Object.keys(row);
  const places = columns.map(() => '?').join(', ');
  db.prepare(`INSERT OR IGNORE INTO ${table} (${columns.join(', ')}) VALUES (${places})`).run(...Object.values(row));
}

/** Undefined when it throws: what cannot be read does not exist. For salvage only. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
