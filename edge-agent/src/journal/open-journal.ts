/**
 * Opens the agent's database, whatever state it is in (decision 0006): scans the log, checks, and where something is wrong goes on with
 * what is sound. It never asks a human and never hides a loss. Throws `storage_open` only for a file of another program or of another
 * version, and what the system says when the folder cannot be written.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '@fogline/shared/clock';
import { hasCode, messageOf } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { type Database, isDiskFull, openDatabase, openDamaged, type StorageFaults } from '@fogline/shared/sqlite';
import { transplantSchema } from '@fogline/shared/sqlite-transplant';
import { rebuildWal, scanWal } from '@fogline/shared/wal-scan';
import { HighWater } from './high-water.ts';
import { checkJournal } from './journal-check.ts';
import { acceptRollback, isBehind } from './rollback.ts';
import { salvage } from './salvage.ts';
import { agentDatabase } from './schema.ts';
import type { EpochRow } from './stored.ts';

export interface Journal {
  readonly db: Database;
  /** A commit is on disk. */
  committed(commit: number, epoch: EpochRow): void;
  /** Why the process has to end; the next start looks for damage. */
  suspect(error: unknown): void;
  /** Looks for damage in the background from now on. */
  watch(onDamage: (problem: string) => void): void;
  close(): void;
}

export interface JournalPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly faults?: StorageFaults;
}

/** A database up to this size is checked whole at every start. */
const checkedBytesMax = 16 * 1024 * 1024;
const checkEveryMs = 1_000;
const rowsPerCheck = 64;
const restAfterCheckMs = 3_600_000;
/** After so long without an error a suspicion was unfounded. */
const clearedAfterMs = 60_000;
/** High water is written down for good so often. */
const syncEveryMs = 10_000;

export const databaseName = 'agent.db';

interface Files {
  readonly folder: string;
  readonly db: string;
  readonly wal: string;
  readonly shm: string;
  readonly high: string;
  readonly epochs: string;
  readonly suspect: string;
  readonly walCopy: string;
  readonly aside: string;
}

export function openJournal(folder: string, ports: JournalPorts): Journal {
  mkdirSync(folder, { recursive: true });
  const at = (name: string): string => join(folder, name);
  const db = at(databaseName);
  const files: Files = {
    folder,
    db,
    wal: `${db}-wal`,
    shm: `${db}-shm`,
    high: at('agent.high'),
    epochs: at('agent.epochs'),
    suspect: at('agent.suspect'),
    walCopy: at('agent.wal-damaged'),
    aside: at('damaged'),
  };
  const water = new HighWater(files.high, files.epochs);
  try {
    return new OpenJournal(files, water, new Opening(files, water, ports).open(), ports);
  } catch (error) {
    water.close();
    throw error;
  }
}

class Opening {
  readonly #files: Files;
  readonly #water: HighWater;
  readonly #ports: JournalPorts;

  constructor(files: Files, water: HighWater, ports: JournalPorts) {
    this.#files = files;
    this.#water = water;
    this.#ports = ports;
  }

  open(): Database {
    const { log } = this.#ports;
    const scan = this.#hasLostFrames();
    const opened = this.#tryOpen();
    let problem = typeof opened === 'string' ? opened : undefined;
    let db = typeof opened === 'string' ? undefined : opened;
    if (db !== undefined) {
      problem ??= this.#problemOf(db, scan);
      if (problem === undefined) {
        this.#acceptRollback(db);
        rmSync(this.#files.walCopy, { force: true });
        return db;
      }
      db.close();
    }
    log.error({ problem }, 'the database is damaged; it is set aside, and what is readable goes on');
    db = this.#salvaged();
    rmSync(this.#files.walCopy, { force: true });
    rmSync(this.#files.suspect, { force: true });
    return db;
  }

  /** A log with damage in it is copied before SQLite cuts it off there. */
  #hasLostFrames(): boolean {
    // A start that was killed after it copied the log and before it was done.
    if (existsSync(this.#files.walCopy)) return true;
    const { state, frames, framesBehind } = scanWal(this.#files.wal);
    if (state !== 'damaged') return false;
    this.#ports.log.warn({ frames, framesBehind }, 'the write-ahead log has a bad frame with good ones behind it');
    copyFileSync(this.#files.wal, this.#files.walCopy);
    return true;
  }

  /** The database, or why it cannot be opened. */
  #tryOpen(): Database | string {
    const { faults } = this.#ports;
    const wasThere = existsSync(this.#files.db);
    if (!wasThere && this.#water.mark !== undefined) return 'the file is gone';
    try {
      return openDatabase(this.#files.db, { ...agentDatabase, ...(faults === undefined ? {} : { faults }) });
    } catch (error) {
      if (isDiskFull(error) || !this.#isOurs(error)) throw error;
      return messageOf(error);
    }
  }

  /** What has a high water beside it was opened by this build before; then a strange header is damage. */
  #isOurs(error: unknown): boolean {
    return hasCode(error, 'storage_open') && this.#water.mark !== undefined;
  }

  #problemOf(db: Database, hasLostFrames: boolean): string | undefined {
    const suspicion = readSuspicion(this.#files.suspect);
    try {
      if (hasLostFrames && (this.#water.mark === undefined || isBehind(db, this.#water)))
        return 'frames of the write-ahead log are damaged';
      const isSmall = sizeOf(this.#files.db) + sizeOf(this.#files.wal) <= checkedBytesMax;
      if (!isSmall && suspicion === undefined) return undefined;
      const [structure] = db.quickCheck();
      if (structure !== undefined) return structure;
      for (const problem of checkJournal(db)) if (problem !== undefined) return problem;
      if (suspicion !== undefined && suspicion.count >= 2) return `failed ${suspicion.count} times: ${suspicion.reason}`;
      return undefined;
    } catch (error) {
      if (isDiskFull(error)) throw error;
      return messageOf(error);
    }
  }

  #acceptRollback(db: Database): void {
    if (!isBehind(db, this.#water)) return;
    const items = acceptRollback(db, this.#water);
    this.#ports.log.error({ items }, 'the database lost its last commits; the items are declared as damaged where the hub lacks them');
  }

  #salvaged(): Database {
    const { folder, db, wal, shm, walCopy, aside } = this.#files;
    const { log, faults } = this.#ports;
    // A salvage that was interrupted begins again from what it set aside.
    const isInterrupted = existsSync(join(aside, 'unfinished'));
    if (!isInterrupted) {
      rmSync(aside, { recursive: true, force: true });
      mkdirSync(aside);
      writeFileSync(join(aside, 'unfinished'), '');
      const log = existsSync(walCopy) ? walCopy : wal;
      if (existsSync(log)) {
        renameSync(log, join(aside, 'log'));
        rmSync(wal, { force: true });
      }
      if (existsSync(db)) renameSync(db, join(aside, databaseName));
    }
    for (const file of [db, wal, shm]) rmSync(file, { force: true });
    const from = this.#openAside();
    const fresh = openDatabase(join(folder, databaseName), { ...agentDatabase, ...(faults === undefined ? {} : { faults }) });
    const result = salvage(from, fresh, this.#water);
    from?.close();
    rmSync(join(aside, 'unfinished'));
    log.warn({ ...result }, 'salvaged; what the hub lacks of the rest will be declared as damaged');
    return fresh;
  }

  #openAside(): Database | undefined {
    const path = join(this.#files.aside, databaseName);
    if (!existsSync(path)) return undefined;
    rmSync(`${path}-shm`, { force: true });
    rebuildWal(join(this.#files.aside, 'log'), `${path}-wal`);
    for (const repair of [() => undefined, () => transplantSchema(path, agentDatabase)]) {
      try {
        repair();
        const db = openDamaged(path);
        db.prepare('SELECT id FROM commits LIMIT 1').get();
        return db;
      } catch (error) {
        this.#ports.log.warn({ error }, 'the database that was set aside cannot be opened');
      }
    }
    return undefined;
  }
}

class OpenJournal implements Journal {
  readonly db: Database;
  readonly #files: Files;
  readonly #water: HighWater;
  readonly #clock: Clock;
  readonly #openedMs: number;
  #syncedMs: number;
  #check: Generator<string | undefined> | undefined;
  #timer: Timer | undefined;

  constructor(files: Files, water: HighWater, db: Database, { clock }: JournalPorts) {
    this.#files = files;
    this.#water = water;
    this.db = db;
    this.#clock = clock;
    this.#openedMs = clock.monotonic();
    this.#syncedMs = this.#openedMs;
  }

  committed(commit: number, epoch: EpochRow): void {
    this.#water.note(commit, epoch);
    if (this.#clock.monotonic() - this.#syncedMs < syncEveryMs) return;
    this.#water.sync();
    this.#syncedMs = this.#clock.monotonic();
  }

  suspect(error: unknown): void {
    if (isDiskFull(error)) return;
    const before = readSuspicion(this.#files.suspect)?.count ?? 0;
    writeFileSync(this.#files.suspect, JSON.stringify({ count: before + 1, reason: messageOf(error) }));
  }

  watch(onDamage: (problem: string) => void): void {
    const later = (ms: number): void => {
      this.#timer = this.#clock.after('journal.check', ms, () => {
        if (this.#clock.monotonic() - this.#openedMs >= clearedAfterMs) rmSync(this.#files.suspect, { force: true });
        this.#check ??= checkJournal(this.db);
        for (let row = 0; row < rowsPerCheck; row++) {
          const { value: problem, done } = this.#check.next();
          if (problem !== undefined) {
            onDamage(problem);
            return;
          }
          if (done !== true) continue;
          this.#check = undefined;
          later(restAfterCheckMs);
          return;
        }
        later(checkEveryMs);
      });
    };
    later(checkEveryMs);
  }

  close(): void {
    this.#timer?.cancel();
    this.db.close();
    this.#water.close();
  }
}

function readSuspicion(path: string): { readonly count: number; readonly reason: string } | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { count, reason } = JSON.parse(readFileSync(path, 'utf8')) as { count: number; reason: string };
    return { count: Number(count), reason: String(reason) };
  } catch (error) {
    if (error instanceof SyntaxError) return { count: 1, reason: 'the mark itself is damaged' };
    throw error;
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
