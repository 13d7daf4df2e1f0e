/** The agent's folder on disk: one database and one lock, which ends with the process however that ends. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { makeFolder } from '@fogline/shared/make-folder';
import { type Database, lockFolder, openDatabase } from '@fogline/shared/sqlite';
import { databaseName } from './journal/open-journal.ts';
import { agentDatabase } from './journal/schema.ts';

function databasePath(folder: string): string {
  return join(folder, databaseName);
}

/** One agent per folder; makes the folder when it is missing. Throws `address_in_use` while another runs, `storage_open`. */
export function lockDataFolder(folder: string): { release(): void } {
  makeFolder(folder);
  try {
    return lockFolder(folder);
  } catch (error) {
    if (!hasCode(error, 'address_in_use')) throw error;
    throw new FoglineError(
      'address_in_use',
      `${folder} is in use by another agent; stop it, or give another folder with buffer.path`,
      { cause: error },
    );
  }
}

/** For commands that only look, beside the running agent or without one. Throws `not_found` when there is no agent's data. */
export function openExisting(folder: string): Database {
  if (existsSync(databasePath(folder))) return openDatabase(databasePath(folder), { ...agentDatabase, readOnly: true });
  throw new FoglineError('not_found', `no agent's data in ${folder}; start the agent once, or correct buffer.path`);
}
