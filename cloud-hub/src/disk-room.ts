/**
 * Room on the hub's disk. While less than a reserve is free, nothing is committed and so nothing is acked: agents keep what they have. A
 * ballast file is given up at that moment, so that checkpoints, retention and deletes go on; when there is room again, on the disk or, after
 * deletes, within the database, commits go on by themselves. A disk that fills between two looks ends the process at the failed
 * commit (decision 0001); the next start finds it full and waits in the same way.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ballast } from '@fogline/shared/ballast';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import { type Database, isDiskFull } from '@fogline/shared/sqlite';

export interface RoomLimits {
  readonly ballastBytes: number;
  /** With less room than this nothing is committed: what the largest group needs in log and database. */
  readonly reserveBytes: number;
  /** With so much room commits go on. */
  readonly resumeBytes: number;
}

const mebibyte = 1024 * 1024;
const usualLimits: RoomLimits = {
  ballastBytes: 16 * mebibyte,
  reserveBytes: 24 * mebibyte,
  resumeBytes: 32 * mebibyte,
};
const lookEveryMs = 5_000;

export interface RoomWatch {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Logger;
  /** There is room again. */
  onRoom(): void;
}

export class DiskRoom {
  readonly #limits: RoomLimits;
  readonly #ballast: Ballast;
  #watch: RoomWatch | undefined;
  #timer: Timer | undefined;
  #isFull = false;

  /** Before the database is opened: on a full disk that needs the ballast's place. */
  constructor(folder: string, limits: RoomLimits = usualLimits) {
    this.#limits = limits;
    this.#ballast = new Ballast(join(folder, 'ballast'), limits.ballastBytes);
    this.#ballast.settle(limits.reserveBytes);
  }

  /** Looks every few seconds from now on. */
  watch(watch: RoomWatch): void {
    this.#watch = watch;
    this.hasRoom();
    this.#arm(watch);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Asked before each commit. */
  hasRoom(): boolean {
    if (!this.#isFull && !this.#fits(this.#limits.reserveBytes)) this.#enter();
    return !this.#isFull;
  }

  /** There is room, or enough of the ballast's place is left for one step of what makes room. */
  mayTidy(): boolean {
    return this.hasRoom() || this.#ballast.freeBytes >= this.#limits.ballastBytes / 2;
  }

  /** What is wrong, for people; undefined = there is room. */
  get problem(): string | undefined {
    if (!this.#isFull) return undefined;
    const [free, needed] = [this.freeBytes, this.#limits.resumeBytes].map((bytes) => Math.ceil(bytes / mebibyte));
    return `the disk is full: nothing is acked, agents keep what they have; ${free} MiB are free, ${needed} MiB are needed`;
  }

  /** Free on the disk once the ballast is there. */
  get freeBytes(): number {
    const missing = this.#ballast.isHeld ? 0 : this.#limits.ballastBytes;
    return Math.max(0, this.#ballast.freeBytes - missing);
  }

  #arm(watch: RoomWatch): void {
    this.#timer = watch.clock.after('hub.room', lookEveryMs, () => {
      if (this.#isFull) this.#tryToLeave(watch);
      else if (this.hasRoom()) this.#ballast.take();
      this.#arm(watch);
    });
  }

  #enter(): void {
    const { db, log } = this.#watch ?? {};
    this.#isFull = true;
    this.#ballast.release();
    // What waits in the log moves into the database, and the log's place is free.
    try {
      db?.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      // It stays in the log then.
      if (!isDiskFull(error)) throw error;
    }
    log?.error({ freeBytes: this.freeBytes }, 'the disk is full; nothing is acked until there is room');
  }

  #tryToLeave({ log, onRoom }: RoomWatch): void {
    if (!this.#fits(this.#limits.resumeBytes)) return;
    this.#isFull = false;
    this.#ballast.take();
    log.warn({ freeBytes: this.freeBytes }, 'the disk has room again');
    onRoom();
  }

  /** Pages may come from the disk or from what was deleted; the log needs the disk, or the ballast's place. */
  #fits(bytes: number): boolean {
    const { freeBytes } = this;
    if (freeBytes >= bytes) return true;
    const { db } = this.#watch ?? {};
    if (db === undefined) return false;
    const unused = Math.max(0, sizeOf(db.path) - db.usedBytes());
    return (
      freeBytes + unused >= bytes && this.#ballast.freeBytes + sizeOf(`${db.path}-wal`) >= this.#limits.ballastBytes
    );
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
