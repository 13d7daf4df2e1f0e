/**
 * The hub's folder on disk: one database and one lock, which ends with the process however that ends. A backup is a consistent snapshot, on disk before its name appears; a crash leaves at most a `.partial` file.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { condemnedCount, DamagedFiles } from '@fogline/shared/damaged-files';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { makeFolder } from '@fogline/shared/make-folder';
import { type Database, isDiskFull, lockFolder } from '@fogline/shared/sqlite';
import { mendCredentials, saveCredentials } from './fleet/credential-copy.ts';
import { hubProblem } from './store/hub-check.ts';
import { salvageHub } from './store/hub-salvage.ts';
import { hubDatabase, openHubDatabase } from './store/schema.ts';
import { mendTombstones, saveTombstones } from './store/tombstone-copy.ts';

/** Tokens' hashes are in it. */
const folderMode = 0o700;

function databasePath(folder: string): string {
  return join(folder, 'hub.db');
}

/** Makes the folder when it is missing. Throws `storage_open`. */
export function openDataFolder(folder: string): Database {
  makeFolder(folder, folderMode);
  return openHubDatabase(databasePath(folder));
}

/** A database up to this size is checked whole at every start. */
const checkedBytesMax = 16 * 1024 * 1024;

export interface SoundFolder {
  readonly db: Database;
  /** Why the process has to end; the next start looks for damage. */
  suspect(error: unknown): void;
  /** Damage was seen; the next start salvages. */
  condemn(problem: string): void;
  /** This start salvaged. */
  readonly isSalvaged: boolean;
  /** The process has run for a while without an error. */
  clearSuspicion(): void;
  /** Writes the copy of the credentials where they changed. False: the disk is full, and it is as it was. */
  saveCredentials(): boolean;
}

/** As `openDataFolder`, for the hub itself: whatever state the database is in (decision 0006). Under the lock only. */
export function openSoundFolder(folder: string, log: Logger, nowMs: number): SoundFolder {
  makeFolder(folder, folderMode);
  const files = new DamagedFiles(folder, 'hub', log);
  const credentials = credentialsPath(folder);
  let db = openSound(files, credentials, log);
  const isSalvaged = db === undefined;
  if (db === undefined) {
    const salvaged = files.salvage(hubDatabase, (from, fresh) => salvageHub(from, fresh, credentials, nowMs));
    log.warn({ ...salvaged.result }, 'salvaged; what is missing the agents send again or declare');
    db = salvaged.db;
  }
  const sound = db;
  const save = (): boolean => {
    try {
      saveCredentials(sound, credentials);
      return true;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      log.warn({}, 'the disk is full; the copy of the credentials is written when there is room');
      return false;
    }
  };
  save();
  const buried = mendTombstones(sound, tombstonesPath(folder));
  if (buried > 0) log.warn({ buried }, 'ranges that were deleted are deleted again');
  copyTombstones(folder, sound);
  return {
    db: sound,
    suspect: (error) => files.suspect(error),
    condemn: (problem) => files.condemn(problem),
    isSalvaged,
    clearSuspicion: () => files.clearSuspicion(),
    saveCredentials: save,
  };
}

function openSound(files: DamagedFiles, credentials: string, log: Logger): Database | undefined {
  const { suspicion } = files;
  const isCheckDue = files.bytes <= checkedBytesMax || suspicion !== undefined;
  let problem = files.isUnfinished ? 'a salvage was interrupted' : undefined;
  if (problem === undefined && files.hasLostFrames()) problem = 'frames of the write-ahead log are damaged';
  if (problem === undefined) {
    try {
      const db = openHubDatabase(files.db);
      problem = isCheckDue ? hubProblem(db) : undefined;
      if (problem === undefined && suspicion !== undefined && suspicion.count >= condemnedCount)
        problem = `it was suspected: ${suspicion.reason}`;
      if (problem === undefined) {
        const mended = mendCredentials(db, credentials);
        if (mended > 0) log.warn({ mended }, 'credentials were not as they were given out, and are again');
        return db;
      }
      db.close();
    } catch (error) {
      // What has a copy of its credentials beside it was opened by this build before; then a strange header is damage.
      if (isDiskFull(error) || !existsSync(credentials)) throw error;
      problem = messageOf(error);
    }
  }
  log.error({ problem }, 'the database is damaged; it is set aside, and what is readable goes on');
  return undefined;
}

/** After a command that changed credentials while no hub, or another process, holds them. */
export function copyCredentials(folder: string, db: Database): void {
  saveCredentials(db, credentialsPath(folder));
}

/** After an order that deleted something. */
export function copyTombstones(folder: string, db: Database): void {
  saveTombstones(db, tombstonesPath(folder));
}

function tombstonesPath(folder: string): string {
  return join(folder, 'hub.tombstones');
}

function credentialsPath(folder: string): string {
  return join(folder, 'hub.credentials');
}

/** For commands that only look. Throws `not_found` when there is no hub's data. */
export function openExisting(folder: string): Database {
  if (existsSync(databasePath(folder))) return openHubDatabase(databasePath(folder));
  throw new FoglineError('not_found', `no hub data in ${folder}; give the folder with --data, or start the hub once`);
}

/** One hub per folder: it keeps in memory what another would change. Throws `address_in_use` while another runs. */
export function lockDataFolder(folder: string): { release(): void } {
  makeFolder(folder, folderMode);
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
