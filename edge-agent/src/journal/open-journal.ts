/**
 * Opens the agent's database, whatever state it is in (decision 0006): scans the log, checks, and where something is wrong goes on with
 * what is sound. It never asks a human and never hides a loss. Throws `config_invalid` for another agent's, `storage_open` only for a file of another program or of another
 * version, and what the system says when the folder cannot be written.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Ballast } from '@fogline/shared/ballast';
import type { Clock, Timer } from '@fogline/shared/clock';
import { condemnedCount, DamagedFiles } from '@fogline/shared/damaged-files';
import { hasCode, messageOf } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { makeFolder } from '@fogline/shared/make-folder';
import {
  type Database,
  type DatabaseOptions,
  isDiskFull,
  openDatabase,
  type StorageFaults,
} from '@fogline/shared/sqlite';
import type { BufferConfig } from '../core-config.ts';
import { AgentStore } from './agent-store.ts';
import { HighWater } from './high-water.ts';
import { checkJournal } from './journal-check.ts';
import { checkOwner } from './owner.ts';
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
  /** The same with the size that the disk allows at the moment. */
  sized(buffer: BufferConfig): BufferConfig;
  /** How large its file could be: what it has, and what the disk has free. */
  diskBytes(): number;
  /** Looks for damage in the background from now on. */
  watch(onDamage: (problem: string) => void): void;
  close(): void;
}

export interface JournalPorts {
  /** Its id; what was sealed carries it. */
  readonly agent: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly faults?: StorageFaults;
  /** A database made anew gives room back that it does not need. */
  readonly canShrink?: boolean;
  /** Default 4 MiB. */
  readonly ballastBytes?: number;
}

const ballastBytesUsual = 4 * 1024 * 1024;
/** With less than this free the next commits would fail. */
const freeBytesMin = 512 * 1024;
/** A database up to this size is checked whole at every start. */
const checkedBytesMax = 16 * 1024 * 1024;
const checkEveryMs = 1_000;
const rowsPerCheck = 64;
const restAfterCheckMs = 3_600_000;
/** After so long without an error a suspicion was unfounded. */
const clearedAfterMs = 60_000;
/** High water is written down for good so often. */
const syncEveryMs = 10_000;

const lookForRoomEveryMs = 60_000;
/** Pages of the write-ahead log at which SQLite empties it; its default, and what fits into the ballast's place. */
const logPages = 1_000;
const tightLogPages = 128;
/** Room that is left to the log on a full disk. */
const logReserveBytes = 1_536 * 1024;

export const databaseName = 'agent.db';

export function openJournal(folder: string, ports: JournalPorts): Journal {
  makeFolder(folder);
  const files = new DamagedFiles(folder, 'agent', ports.log);
  const ballast = new Ballast(join(folder, 'ballast'), ports.ballastBytes ?? ballastBytesUsual);
  ballast.settle(freeBytesMin);
  const water = new HighWater(join(folder, 'agent.high'), join(folder, 'agent.epochs'));
  try {
    return new OpenJournal(files, water, openSound(files, water, ports), ballast, ports);
  } catch (error) {
    water.close();
    throw error;
  }
}

function openSound(files: DamagedFiles, water: HighWater, ports: JournalPorts): Database {
  const { agent, log, faults, canShrink = false } = ports;
  const options = { ...agentDatabase, canShrink, ...(faults === undefined ? {} : { faults }) };
  const opened = files.isUnfinished ? 'a salvage was interrupted' : tryOpen(files, water, agent, options);
  if (typeof opened !== 'string') {
    if (isBehind(opened, water)) {
      const items = acceptRollback(opened, water);
      log.error(
        { items },
        'the database lost its last commits; what the hub lacks of them will be declared as damaged',
      );
    }
    files.forgetLog();
    return opened;
  }
  log.error({ problem: opened }, 'the database is damaged; it is set aside, and what is readable goes on');
  const { db, result } = files.salvage(options, (from, fresh) => salvage(from, fresh, water, agent));
  log.warn({ ...result }, 'salvaged; what the hub lacks of the rest will be declared as damaged');
  return db;
}

/** The database, or what is wrong with it. */
function tryOpen(files: DamagedFiles, water: HighWater, agent: string, options: DatabaseOptions): Database | string {
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
  // Another agent's data is a mistake of the configuration, never damage.
  refuseOther(db, agent);
  const problem = problemOf(db, files, agent, hasLostFrames && (water.mark === undefined || isBehindSafely(db, water)));
  if (problem === undefined) return db;
  db.close();
  return problem;
}

/** What cannot be read says nothing here; whether that is damage is asked next. */
function refuseOther(db: Database, agent: string): void {
  try {
    checkOwner(new AgentStore(db), agent);
  } catch (error) {
    if (!hasCode(error, 'config_invalid') && !isDiskFull(error)) return;
    db.close();
    throw error;
  }
}

function isBehindSafely(db: Database, water: HighWater): boolean {
  try {
    return isBehind(db, water);
  } catch (error) {
    if (isDiskFull(error)) throw error;
    return true;
  }
}

function problemOf(db: Database, files: DamagedFiles, agent: string, hasLostFrames: boolean): string | undefined {
  const { suspicion } = files;
  if (hasLostFrames) return 'frames of the write-ahead log are damaged';
  if (files.bytes > checkedBytesMax && suspicion === undefined) return undefined;
  try {
    const [structure] = db.quickCheck();
    if (structure !== undefined) return structure;
    for (const problem of checkJournal(db, agent)) if (problem !== undefined) return problem;
  } catch (error) {
    if (isDiskFull(error)) throw error;
    return messageOf(error);
  }
  if (suspicion !== undefined && suspicion.count >= condemnedCount)
    return `failed ${suspicion.count} times: ${suspicion.reason}`;
  return undefined;
}

class OpenJournal implements Journal {
  readonly db: Database;
  readonly #files: DamagedFiles;
  readonly #water: HighWater;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #agent: string;
  readonly #ballast: Ballast;
  /** While the ballast is given up. */
  #tightBytes: number | undefined;
  #lookedMs: number;
  readonly #openedMs: number;
  #syncedMs: number;
  #restUntilMs = 0;
  #check: Generator<string | undefined, void> | undefined;
  #timer: Timer | undefined;

  constructor(
    files: DamagedFiles,
    water: HighWater,
    db: Database,
    ballast: Ballast,
    { agent, clock, log }: JournalPorts,
  ) {
    this.#files = files;
    this.#water = water;
    this.db = db;
    this.#clock = clock;
    this.#log = log;
    this.#agent = agent;
    this.#ballast = ballast;
    this.#openedMs = clock.monotonic();
    this.#lookedMs = this.#openedMs;
    if (!ballast.isHeld) this.#tighten();
    this.#syncedMs = this.#openedMs;
  }

  committed(commit: number, epoch: EpochRow): void {
    this.#water.note(commit, epoch);
    if (this.#clock.monotonic() - this.#syncedMs < syncEveryMs) return;
    this.#water.sync();
    this.#syncedMs = this.#clock.monotonic();
  }

  sized(buffer: BufferConfig): BufferConfig {
    const bytesMax = (): number => Math.min(buffer.sizeBytesMax, this.#tightBytes ?? Number.POSITIVE_INFINITY);
    return {
      ...buffer,
      get sizeBytesMax() {
        return bytesMax();
      },
    };
  }

  diskBytes(): number {
    return this.#files.databaseBytes + this.#ballast.freeBytes;
  }

  suspect(error: unknown): void {
    this.#files.suspect(error);
  }

  watch(onDamage: (problem: string) => void): void {
    this.#timer = this.#clock.after('journal.watch', checkEveryMs, () => {
      const nowMs = this.#clock.monotonic();
      if (nowMs - this.#openedMs >= clearedAfterMs) this.#files.clearSuspicion();
      this.#lookForRoom();
      const problem = nowMs < this.#restUntilMs ? undefined : this.#checkSome();
      if (problem === undefined) this.watch(onDamage);
      else onDamage(problem);
    });
  }

  /** The next few rows; a problem when there is one. */
  #checkSome(): string | undefined {
    this.#check ??= checkJournal(this.db, this.#agent);
    for (let row = 0; row < rowsPerCheck; row++) {
      const { value: problem, done } = this.#check.next();
      if (problem !== undefined) return problem;
      if (done !== true) continue;
      this.#check = undefined;
      this.#restUntilMs = this.#clock.monotonic() + restAfterCheckMs;
      return undefined;
    }
    return undefined;
  }

  /** The disk is full: what the database has must do, and the log stays short. */
  #tighten(): void {
    const used = this.db.usedBytes();
    const room = this.diskBytes() - logReserveBytes;
    this.#tightBytes = Math.max(room, used - Math.floor(used / 16));
    this.db.exec(`PRAGMA wal_autocheckpoint = ${tightLogPages}`);
    this.#log.error({ sizeBytes: this.#tightBytes }, 'the disk is full; the buffer keeps within what it has');
  }

  #lookForRoom(): void {
    if (this.#tightBytes === undefined || this.#clock.monotonic() - this.#lookedMs < lookForRoomEveryMs) return;
    this.#lookedMs = this.#clock.monotonic();
    if (!this.#ballast.take()) return;
    this.#tightBytes = undefined;
    this.db.exec(`PRAGMA wal_autocheckpoint = ${logPages}`);
    this.#log.warn({}, 'the disk has room again; the buffer has its configured size');
  }

  close(): void {
    this.#timer?.cancel();
    this.db.close();
    this.#water.close();
  }
}
