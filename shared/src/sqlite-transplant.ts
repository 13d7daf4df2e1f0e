/**
 * Gives a database file whose header or schema pages are damaged those of an empty one of the same version: tables of one schema, made at
 * once in a new file, have their roots in the same places. For reading only: the free list is given up.
 */
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DatabaseOptions, openDatabase } from './sqlite.ts';

const changeCounterAt = 24;
const pageCountAt = 28;
const freeListAt = 32;
const validForAt = 92;

export function transplantSchema(path: string, options: DatabaseOptions): void {
  const { bytes, pages, pageBytes } = emptyFile(options);
  const file = openSync(path, 'r+');
  try {
    for (const page of pages) {
      const from = (page - 1) * pageBytes;
      const content = Buffer.from(bytes.subarray(from, from + pageBytes));
      if (page === 1) {
        content.writeUInt32BE(Math.floor(fstatSync(file).size / pageBytes), pageCountAt);
        content.writeUInt32BE(0, freeListAt);
        content.writeUInt32BE(0, freeListAt + 4);
        content.writeUInt32BE(content.readUInt32BE(changeCounterAt), validForAt);
      }
      writeSync(file, content, 0, content.length, from);
    }
  } finally {
    closeSync(file);
  }
}

/** A new database of this schema, and which of its pages hold the schema. */
function emptyFile(options: DatabaseOptions): { bytes: Buffer; pages: number[]; pageBytes: number } {
  const folder = mkdtempSync(join(tmpdir(), 'fogline-schema-'));
  try {
    const path = join(folder, 'empty.db');
    const db = openDatabase(path, options);
    const pages = db.prepare<{ pageno: number }>("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'").all();
    const pageBytes = db.prepare<{ page_size: number }>('PRAGMA page_size').get()?.page_size ?? 4096;
    db.close();
    return { bytes: readFileSync(path), pages: pages.map(({ pageno }) => pageno), pageBytes };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
