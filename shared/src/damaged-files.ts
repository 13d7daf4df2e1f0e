/**
 * The files of one database when something is wrong with them: its log is copied before SQLite cuts it off at a bad frame, the damaged database
 * is set aside (one generation is kept) and a fresh one filled from it, and what ended a process is remembered for the next. Every
 * step may be interrupted: the next start goes on with it.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import { type Database, type DatabaseOptions, isDiskFull, openDamaged, openDatabase } from './sqlite.ts';
import { transplantSchema } from './sqlite-transplant.ts';
import { rebuildWal, scanWal } from './wal-scan.ts';

export interface Suspicion {
  /** Ends in a row for which no damage was found. */
  readonly count: number;
  readonly reason: string;
}

/** So many ends in a row without a finding are a finding. */
export const condemnedCount = 2;

export class DamagedFiles {
  readonly db: string;
  readonly #wal: string;
  readonly #shm: string;
  readonly #walCopy: string;
  readonly #aside: string;
  readonly #suspect: string;
  readonly #name: string;
  readonly #log: Logger;

  /** `name` of the database without `.db`. */
  constructor(folder: string, name: string, log: Logger) {
    this.#name = `${name}.db`;
    this.db = join(folder, this.#name);
    this.#wal = `${this.db}-wal`;
    this.#shm = `${this.db}-shm`;
    this.#walCopy = join(folder, `${name}.wal-damaged`);
    this.#aside = join(folder, 'damaged');
    this.#suspect = join(folder, `${name}.suspect`);
    this.#log = log;
  }

  /** Of database and log. */
  get bytes(): number {
    return [this.db, this.#wal].reduce((sum, path) => sum + (existsSync(path) ? statSync(path).size : 0), 0);
  }

  get databaseBytes(): number {
    return existsSync(this.db) ? statSync(this.db).size : 0;
  }

  /** A salvage was interrupted; nothing else may be done first. */
  get isUnfinished(): boolean {
    return existsSync(join(this.#aside, 'unfinished'));
  }

  /** Before the database is opened: whether SQLite would pass over good frames of its log. If so it is copied. */
  hasLostFrames(): boolean {
    // A start that was killed after it copied the log and before it was done.
    if (existsSync(this.#walCopy)) return true;
    const { state, frames, framesBehind } = scanWal(this.#wal);
    if (state !== 'damaged') return false;
    this.#log.warn({ frames, framesBehind }, 'the write-ahead log has a bad frame with good ones behind it');
    copyFileSync(this.#wal, this.#walCopy);
    return true;
  }

  /** The database was found sound. */
  forgetLog(): void {
    rmSync(this.#walCopy, { force: true });
  }

  get suspicion(): Suspicion | undefined {
    if (!existsSync(this.#suspect)) return undefined;
    try {
      const { count, reason } = JSON.parse(readFileSync(this.#suspect, 'utf8')) as Record<string, unknown>;
      return { count: Number(count), reason: String(reason) };
    } catch (error) {
      if (error instanceof SyntaxError) return { count: 1, reason: 'the mark itself is damaged' };
      throw error;
    }
  }

  /** Why the process has to end. A full disk is no damage. */
  suspect(error: unknown): void {
    if (isDiskFull(error)) return;
    const count = (this.suspicion?.count ?? 0) + 1;
    writeFileSync(this.#suspect, JSON.stringify({ count, reason: messageOf(error) }));
  }

  /** Damage was seen: the next start sets the database aside, whatever its own check finds. */
  condemn(problem: string): void {
    writeFileSync(this.#suspect, JSON.stringify({ count: condemnedCount, reason: problem }));
  }

  clearSuspicion(): void {
    rmSync(this.#suspect, { force: true });
  }

  /** Sets the closed database aside and fills a fresh one; `from` is undefined when nothing of the old can be read. */
  salvage<Result>(
    options: DatabaseOptions,
    fill: (from: Database | undefined, fresh: Database) => Result,
  ): { readonly db: Database; readonly result: Result } {
    if (!this.isUnfinished) this.#setAside();
    for (const file of [this.db, this.#wal, this.#shm]) rmSync(file, { force: true });
    const from = this.#openAside(options);
    const db = openDatabase(this.db, options);
    let result: Result;
    try {
      result = fill(from, db);
    } catch (error) {
      db.close();
      throw error;
    } finally {
      from?.close();
    }
    rmSync(join(this.#aside, 'unfinished'));
    this.forgetLog();
    this.clearSuspicion();
    return { db, result };
  }

  #setAside(): void {
    rmSync(this.#aside, { recursive: true, force: true });
    mkdirSync(this.#aside);
    const log = existsSync(this.#walCopy) ? this.#walCopy : this.#wal;
    if (existsSync(log)) renameSync(log, join(this.#aside, 'log'));
    if (existsSync(this.db)) renameSync(this.db, join(this.#aside, this.#name));
    writeFileSync(join(this.#aside, 'unfinished'), '');
  }

  #openAside(options: DatabaseOptions): Database | undefined {
    const path = join(this.#aside, this.#name);
    if (!existsSync(path)) return undefined;
    rmSync(`${path}-shm`, { force: true });
    rebuildWal(join(this.#aside, 'log'), `${path}-wal`);
    for (const repair of [() => undefined, () => transplantSchema(path, options)]) {
      try {
        repair();
        return openDamaged(path);
      } catch (error) {
        this.#log.warn({ error }, 'the database that was set aside cannot be opened');
      }
    }
    return undefined;
  }
}
