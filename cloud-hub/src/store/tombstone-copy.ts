/**
 * Tombstones a second time, beside the database: one that is restored from before a deletion learns of it at its next start. Written whole under
 * another name, then renamed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import { attempt } from '@fogline/shared/readable-rows';
import type { Database } from '@fogline/shared/sqlite';
import { replaceFile } from '../fleet/credential-copy.ts';
import type { Tombstone } from './tombstones.ts';

const columns = 'agent, identity, from_ms AS fromMs, to_ms AS toMs, at AS atMs';

/** Writes the copy where it says something else than the database. */
export function saveTombstones(db: Database, path: string): void {
  const rows = db
    .prepare<Tombstone>(`SELECT ${columns} FROM tombstones ORDER BY agent, identity, from_ms, to_ms`)
    .all();
  const known = readCopy(path);
  if (rows.length === 0 && known === undefined) return;
  const text = JSON.stringify(rows);
  if (known === undefined || JSON.stringify(known) !== text) replaceFile(path, withChecksum(Buffer.from(text)));
}

/** Adds what the database does not know, to be carried out. Returns how many. */
export function mendTombstones(db: Database, path: string): number {
  const add = db.prepare(
    `INSERT OR IGNORE INTO tombstones (agent, identity, from_ms, to_ms, at, readings, late, is_due) VALUES (?, ?, ?, ?, ?, 0, 0, 1)`,
  );
  return db.transaction(() => {
    let mended = 0;
    for (const { agent, identity, fromMs, toMs, atMs } of readCopy(path) ?? [])
      mended += add.run(agent, identity, fromMs, toMs, atMs).changes;
    return mended;
  });
}

function readCopy(path: string): readonly Tombstone[] | undefined {
  if (!existsSync(path)) return undefined;
  return attempt(() => {
    const bytes = checkedBytes(readFileSync(path), 'the copy of the tombstones');
    return JSON.parse(Buffer.from(bytes).toString()) as readonly Tombstone[];
  });
}
