/**
 * A file that holds room on the disk for the day it is full: SQLite cannot even delete then. Given up, it makes room to give up data in good
 * order; taken again when there is twice its size free, so that it is not what fills the disk.
 */
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDiskFull } from './sqlite.ts';

const chunk = Buffer.alloc(64 * 1024, 0x5a);

export class Ballast {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  get isHeld(): boolean {
    return (statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) >= this.#bytes;
  }

  /** Free on its disk. */
  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize;
  }

  /** At a start: gives it up where less than `freeBytesMin` is free, takes it where there is room. */
  settle(freeBytesMin: number): void {
    if (this.isHeld) {
      if (this.freeBytes < freeBytesMin) this.release();
    } else this.take();
  }

  /** Returns whether it is held now. */
  take(): boolean {
    if (this.isHeld) return true;
    if (this.freeBytes < 2 * this.#bytes) return false;
    try {
      const file = openSync(this.#path, 'w');
      try {
        // Written, not only made long: a hole holds no room.
        for (let at = 0; at < this.#bytes; ) at += writeSync(file, chunk);
      } finally {
        closeSync(file);
      }
      return true;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.release();
      return false;
    }
  }

  release(): void {
    rmSync(this.#path, { force: true });
  }
}
