/**
 * The hub's folder on disk: one database and one lock, which ends with the process however that ends. A backup is a consistent snapshot, on disk before its name appears; a crash leaves at most a `.partial` file.
 */
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import { type Database, lockFolder } from '@fogline/shared/sqlite';
import { openHubDatabase } from './store/schema.ts';

function databasePath(folder: string): string {
  return join(folder, 'hub.db');
}

/** Makes the folder when it is missing. Throws `storage_open`. */
export function openDataFolder(folder: string): Database {
  makeFolder(folder);
  return openHubDatabase(databasePath(folder));
}

/** For commands that only look. Throws `not_found` when there is no hub's data. */
export function openExisting(folder: string): Database {
  if (existsSync(databasePath(folder))) return openHubDatabase(databasePath(folder));
  throw new FoglineError('not_found', `no hub data in ${folder}; give the folder with --data, or start the hub once`);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new FoglineError('storage_open', `cannot make ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

/** One hub per folder: it keeps in memory what another would change. Throws `address_in_use` while another runs. */
export function lockDataFolder(folder: string): { release(): void } {
  makeFolder(folder);
  try {
    return lockFolder(folder);
  } catch (error) {
    if (!hasCode(error, 'address_in_use')) throw error;
    throw new FoglineError(
      'address_in_use',
      `${folder} is in use by another hub; stop it, or give another folder with --data`,
      { cause: error },
    );
  }
}

/** Copies a consistent snapshot to `file` while the hub runs. Throws `storage_io`, or `usage` when the file exists. */
export function backupTo(db: Database, file: string): void {
  const target = resolve(file);
  const exists = (): FoglineError =>
    new FoglineError('usage', `${file} exists; a backup never overwrites, choose another name`);
  if (existsSync(target)) throw exists();
  const partial = `${target}.partial`;
  try {
    rmSync(partial, { force: true });
    db.exec(`VACUUM INTO '${partial.replaceAll("'", "''")}'`);
    const handle = openSync(partial, 'r+');
    fsyncSync(handle);
    closeSync(handle);
    publish(partial, target);
  } catch (error) {
    rmSync(partial, { force: true });
    if (isCode(error, 'EEXIST')) throw exists();
    throw new FoglineError('storage_io', `cannot write the backup ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** A link refuses to replace what appeared meanwhile; file systems without links get a rename. */
function publish(partial: string, target: string): void {
  try {
    linkSync(partial, target);
    rmSync(partial);
  } catch (error) {
    if (isCode(error, 'EEXIST')) throw error;
    renameSync(partial, target);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
