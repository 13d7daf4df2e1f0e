/**
 * Opens the agent's database, whatever state it is in (decision 0006): scans the log, checks, and where something is wrong goes on with
 * what is sound. It never asks a human and never hides a loss. Throws `storage_open` only for a file of another program or of another
 * version, and what the system says when the folder cannot be written.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '@fogline/shared/clock';
import { DamagedFiles } from '@fogline/shared/damaged-files';
import { hasCode, messageOf } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import {
  type Database,
  type DatabaseOptions,
  isDiskFull,
  openDatabase,
  type StorageFaults,
} from '@fogline/shared/sqlite';
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

export function openJournal(folder: string, ports: JournalPorts): Journal {
  mkdirSync(folder, { recursive: true });
  const files = new DamagedFiles(folder, 'agent', ports.log);
  const water = new HighWater(join(folder, 'agent.high'), join(folder, 'agent.epochs'));
  try {
    return new OpenJournal(files, water, openSound(files, water, ports), ports.clock);
  } catch (error) {
    water.close();
    throw error;
  }
}

function openSound(files: DamagedFiles, water: HighWater, { log, faults }: JournalPorts): Database {
  const options = { ...agentDatabase, ...(faults === undefined ? {} : { faults }) };
  const opened = files.isUnfinished ? 'a salvage was interrupted' : tryOpen(files, water, options);
  if (typeof opened !== 'string') {
    if (isBehind(opened, water)) {
      const items = acceptRollback(opened, water);
      log.error({ items }, 'the database lost its last commits; what the hub lacks of them will be declared as damaged');
    }
    files.forgetLog();
    return opened;
  }
  log.error({ problem: opened }, 'the database is damaged; it is set aside, and what is readable goes on');
  const { db, result } = files.salvage(options, (from, fresh) => salvage(from, fresh, water));
  log.warn({ ...result }, 'salvaged; what the hub lacks of the rest will be declared as damaged');
  return db;
}

/** The database, or what is wrong with it. */
function tryOpen(files: DamagedFiles, water: HighWater, options: DatabaseOptions): Database | string {
  if (!existsSync(files.db) && water.mark !== undefined) return 'the file is gone';
  const hasLostFrames = files.hasLostFrames();
  let db: Database;
  try {
    db = openDatabase(files.db, options);
  } catch (error) {
    // What has a high water beside it was opened by this build before; then a strange header is damage.
    if (isDiskFull(error) || !hasCode(error, 'storage_open') || water.mark === undefined) throw error;
    return messageOf(error);
  }
  const problem = problemOf(db, files, hasLostFrames && (water.mark === undefined || isBehindSafely(db, water)));
  if (problem === undefined) return db;
  db.close();
  return problem;
}

function isBehindSafely(db: Database, water: HighWater): boolean {
  try {
    return isBehind(db, water);
  } catch (error) {
    if (isDiskFull(error)) throw error;
    return true;
  }
}

function problemOf(db: Database, files: DamagedFiles, hasLostFrames: boolean): string | undefined {
  const { suspicion } = files;
  if (hasLostFrames) return 'frames of the write-ahead log are damaged';
  if (files.bytes > checkedBytesMax && suspicion === undefined) return undefined;
  try {
    const [structure] = db.quickCheck();
    if (structure !== undefined) return structure;
    for (const problem of checkJournal(db)) if (problem !== undefined) return problem;
  } catch (error) {
    if (isDiskFull(error)) throw error;
    return messageOf(error);
  }
  if (suspicion !== undefined && suspicion.count >= 2) return `failed ${suspicion.count} times: ${suspicion.reason}`;
  return undefined;
}

class OpenJournal implements Journal {
  readonly db: Database;
  readonly #files: DamagedFiles;
  readonly #water: HighWater;
  readonly #clock: Clock;
  readonly #openedMs: number;
  #syncedMs: number;
  #check: Generator<string | undefined> | undefined;
  #timer: Timer | undefined;

  constructor(files: DamagedFiles, water: HighWater, db: Database, clock: Clock) {
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
    this.#files.suspect(error);
  }

  watch(onDamage: (problem: string) => void): void {
    const later = (ms: number): void => {
      this.#timer = this.#clock.after('journal.check', ms, () => {
        if (this.#clock.monotonic() - this.#openedMs >= clearedAfterMs) this.#files.clearSuspicion();
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
