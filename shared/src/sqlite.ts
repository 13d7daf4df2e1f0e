/**
 * The only file that imports better-sqlite3. Databases open in WAL mode with synchronous=FULL, read back and refused
 * otherwise: a commit that returned is on disk. Agent and hub keep their own schemas; this file knows none of them.
 *
 * After the first I/O error of a commit the connection is poisoned: SQLite may report success for commits that follow a
 * failed fsync, so every later call throws `storage_io` and the process has to reopen and verify.
 */
import Sqlite from 'better-sqlite3';
import { FoglineError, messageOf } from './errors.ts';

export type Value = number | string | Uint8Array | null;

export interface Statement<Row> {
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): Row[];
  iterate(...values: Value[]): IterableIterator<Row>;
  run(...values: Value[]): { changes: number; lastInsertRowid: number };
}

/** Where a simulation or a test makes storage fail: called inside a transaction before and after COMMIT. */
export interface StorageFaults {
  beforeCommit(): void;
  afterCommit(): void;
}

export interface Database {
  readonly path: string;
  prepare<Row>(sql: string): Statement<Row>;
  exec(sql: string): void;
  /** Runs `work` in one transaction: all of it is durable when this returns, none of it when it throws. */
  transaction<T>(work: () => T): T;
  /** Bytes of pages in use: the file without its free list. */
  usedBytes(): number;
  /** Bytes of the file itself, without its log. */
  fileBytes(): number;
  /** Whether `shrink` gives anything back. */
  readonly canShrink: boolean;
  /** Gives free pages at the end of the file back to the disk, at most so many bytes; the file gets shorter when the log is emptied. */
  shrink(bytesMax: number): void;
  /** Copies a consistent snapshot to `file` while others write. */
  backup(file: string): Promise<void>;
  /** The whole database as bytes, which `openDatabase` accepts: how a simulation takes and restores backups. */
  serialize(): Uint8Array;
  checkpointWal(): void;
  /** What SQLite finds wrong with its own structures; empty = nothing. Reads the whole file. */
  quickCheck(): readonly string[];
  close(): void;
}

export interface DatabaseOptions {
  /** Identifies the kind of file (PRAGMA application_id): another application's file is refused. */
  readonly applicationId: number;
  readonly schemaVersion: number;
  readonly schema: string;
  readonly cacheKib?: number;
  /** A new file can be shrunk; costs an eighth to a third more written bytes. */
  readonly canShrink?: boolean;
  readonly faults?: StorageFaults;
  readonly readOnly?: boolean;
}

/** Opens or creates; `:memory:`, or the bytes of a database, keep everything in RAM. Throws `storage_open`. */
export function openDatabase(file: string | Uint8Array, options: DatabaseOptions): Database {
  const path = typeof file === 'string' ? file : ':memory:';
  let raw: Sqlite.Database;
  try {
    raw = new Sqlite(typeof file === 'string' ? file : Buffer.from(file), {
      readonly: options.readOnly ?? false,
      timeout: 5000,
    });
  } catch (error) {
    throw new FoglineError('storage_open', `cannot open ${path}: ${messageOf(error)}`, { cause: error });
  }
  try {
    prepareFile(raw, path, options);
  } catch (error) {
    raw.close();
    if (error instanceof FoglineError) throw error;
    throw new FoglineError('storage_open', `${path} is not a usable database: ${messageOf(error)}`, { cause: error });
  }
  return new SqliteDatabase(raw, path, options.faults);
}

/** Opens a copy of a damaged file to read what can be read: nothing about it is checked. Throws `storage_open`. */
export function openDamaged(path: string): Database {
  let raw: Sqlite.Database | undefined;
  try {
    raw = new Sqlite(path, { fileMustExist: true });
    raw.pragma('wal_autocheckpoint = 0');
    // Reads the schema, and a table of it.
    const table = raw
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid LIMIT 1")
      .pluck()
      .get();
    raw.prepare(`SELECT 1 FROM "${String(table)}" LIMIT 1`).get();
    return new SqliteDatabase(raw, path, undefined);
  } catch (error) {
    raw?.close();
    throw new FoglineError('storage_open', `${path} is not a usable database: ${messageOf(error)}`, { cause: error });
  }
}

/** SQLite's code of an error, or of what caused it; '' when it is none of SQLite's. */
function sqliteCode(error: unknown): string {
  if (error instanceof Sqlite.SqliteError) return error.code;
  return error instanceof Error && error.cause !== undefined ? sqliteCode(error.cause) : '';
}

/** The disk is full; nothing is wrong with the file. */
export function isDiskFull(error: unknown): boolean {
  return sqliteCode(error) === 'SQLITE_FULL' || (error instanceof Error && 'code' in error && error.code === 'ENOSPC');
}

/** SQLite says that the file is damaged, or no database at all. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(sqliteCode(error));
}

function prepareFile(raw: Sqlite.Database, path: string, options: DatabaseOptions): void {
  const number = (pragma: string): number => Number(raw.pragma(pragma, { simple: true }));
  if (options.readOnly !== true) {
    // Without effect on a file that has tables.
    if (options.canShrink === true) raw.pragma('auto_vacuum = INCREMENTAL');
    raw.pragma('journal_mode = WAL');
    raw.pragma('synchronous = FULL');
    if (number('synchronous') !== 2)
      throw new FoglineError('storage_open', `${path}: synchronous=FULL was not accepted`);
    const mode = String(raw.pragma('journal_mode', { simple: true }));
    if (mode !== 'wal' && path !== ':memory:')
      throw new FoglineError('storage_open', `${path}: journal mode is ${mode}, WAL is needed`);
  }
  raw.pragma(`cache_size = -${options.cacheKib ?? 4096}`);
  raw.pragma('temp_store = MEMORY');
  const version = number('user_version');
  const application = number('application_id');
  if (version === 0 && application === 0 && options.readOnly !== true) {
    raw.transaction(() => {
      raw.exec(options.schema);
      raw.pragma(`application_id = ${options.applicationId}`);
      raw.pragma(`user_version = ${options.schemaVersion}`);
    })();
    return;
  }
  if (application !== options.applicationId)
    throw new FoglineError('storage_open', `${path} belongs to another application`);
  if (version !== options.schemaVersion) {
    throw new FoglineError(
      'storage_open',
      `${path} has schema version ${version}, this build needs ${options.schemaVersion}`,
    );
  }
}

/** Value of the pragma `auto_vacuum`. */
const incrementalVacuum = 2;

class SqliteDatabase implements Database {
  readonly path: string;
  readonly #raw: Sqlite.Database;
  readonly #faults: StorageFaults | undefined;
  /** Prepared once: room is asked for with every commit. */
  readonly #pageCount: Sqlite.Statement<[], number>;
  readonly #freeCount: Sqlite.Statement<[], number>;
  readonly #pageSize: number;
  readonly canShrink: boolean;
  #failure: unknown;

  constructor(raw: Sqlite.Database, path: string, faults: StorageFaults | undefined) {
    this.#raw = raw;
    this.path = path;
    this.#faults = faults;
    this.#pageCount = raw.prepare<[], number>('PRAGMA page_count').pluck();
    this.#freeCount = raw.prepare<[], number>('PRAGMA freelist_count').pluck();
    this.#pageSize = Number(raw.pragma('page_size', { simple: true }));
    this.canShrink = Number(raw.pragma('auto_vacuum', { simple: true })) === incrementalVacuum;
  }

  prepare<Row>(sql: string): Statement<Row> {
    const statement = this.#raw.prepare<unknown[], Row>(sql);
    // Numbered parameters are named to better-sqlite3: by an object with their numbers as keys.
    const isNumbered = /\?\d/.test(sql);
    const bound = (values: Value[]): unknown[] =>
      isNumbered ? [Object.fromEntries(values.map((value, index) => [index + 1, value]))] : values;
    return {
      get: (...values) => statement.get(...bound(values)),
      all: (...values) => statement.all(...bound(values)),
      iterate: (...values) => statement.iterate(...bound(values)),
      run: (...values) => {
        const { changes, lastInsertRowid } = statement.run(...bound(values));
        return { changes, lastInsertRowid: Number(lastInsertRowid) };
      },
    };
  }

  exec(sql: string): void {
    this.#raw.exec(sql);
  }

  transaction<T>(work: () => T): T {
    if (this.#failure !== undefined) {
      throw new FoglineError('storage_io', `${this.path} failed earlier and must be reopened`, {
        cause: this.#failure,
      });
    }
    let result: T;
    this.#raw.exec('BEGIN IMMEDIATE');
    try {
      result = work();
      this.#faults?.beforeCommit();
    } catch (error) {
      if (this.#raw.inTransaction) this.#raw.exec('ROLLBACK');
      this.#poisonOn(error);
      throw error;
    }
    try {
      this.#raw.exec('COMMIT');
    } catch (error) {
      this.#failure = error;
      throw new FoglineError('storage_io', `commit to ${this.path} failed: ${messageOf(error)}`, { cause: error });
    }
    this.#faults?.afterCommit();
    return result;
  }

  usedBytes(): number {
    return ((this.#pageCount.get() ?? 0) - (this.#freeCount.get() ?? 0)) * this.#pageSize;
  }

  fileBytes(): number {
    return (this.#pageCount.get() ?? 0) * this.#pageSize;
  }

  shrink(bytesMax: number): void {
    this.transaction(() =>
      this.#raw.pragma(`incremental_vacuum(${Math.max(1, Math.floor(bytesMax / this.#pageSize))})`),
    );
  }

  async backup(file: string): Promise<void> {
    await this.#raw.backup(file);
  }

  serialize(): Uint8Array {
    return this.#raw.serialize();
  }

  checkpointWal(): void {
    this.#raw.pragma('wal_checkpoint(PASSIVE)');
  }

  quickCheck(): readonly string[] {
    const found = this.#raw.pragma('quick_check(20)') as { quick_check: string }[];
    return found.map((row) => row.quick_check).filter((text) => text !== 'ok');
  }

  close(): void {
    this.#raw.close();
  }

  #poisonOn(error: unknown): void {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(IOERR|FULL|CORRUPT|NOTADB)/.test(error.code))
      this.#failure = error;
  }
}

/**
 * Takes a folder for this process: a second taker gets `address_in_use`. The operating system gives it back when the process ends, however
 * it ends, so there is no stale lock. Throws `storage_open` where nothing can be written.
 */
export function lockFolder(folder: string): { release(): void } {
  let raw: Sqlite.Database | undefined;
  try {
    raw = new Sqlite(`${folder}/lock`, { timeout: 0 });
    raw.pragma('locking_mode = EXCLUSIVE');
    raw.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    raw?.close();
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      throw new FoglineError('address_in_use', `${folder} is in use by another process`, { cause: error });
    throw new FoglineError('storage_open', `cannot take the lock of ${folder}: ${messageOf(error)}`, { cause: error });
  }
  const held = raw;
  return { release: () => held.close() };
}
