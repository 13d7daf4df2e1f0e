/**
 * How large the database may be: as configured, and no larger than leaves so much of the file system to others (`keep_free`). The
 * file system is asked now and then, by whoever needs to know.
 */
import type { Clock } from '@fogline/shared/clock';
import type { Database } from '@fogline/shared/sqlite';
import type { BufferConfig } from '../core-config.ts';

const askEveryMs = 10_000;
/** Given back at once: not so much that a commit waits for long. */
const shrinkBytesMax = 1024 * 1024;

export interface AllowancePorts {
  readonly db: Database;
  readonly clock: Clock;
  diskBytes?(): number;
}

export class Allowance {
  readonly #config: BufferConfig;
  readonly #ports: AllowancePorts;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** As of the last answer. */
  #allowedBytes = Number.POSITIVE_INFINITY;

  constructor(config: BufferConfig, ports: AllowancePorts) {
    this.#config = config;
    this.#ports = ports;
  }

  /** Bytes of database pages in use. */
  get bytesMax(): number {
    this.#ask();
    const { sizeBytesMax, keepFree } = this.#config;
    if (keepFree === undefined) return sizeBytesMax;
    const { db } = this.#ports;
    // What cannot be given back is kept: to drop it would help nobody.
    const least = db.canShrink ? keepFree.sizeBytesMin : Math.max(keepFree.sizeBytesMin, db.fileBytes());
    return Math.min(sizeBytesMax, Math.max(least, this.#allowedBytes));
  }

  /** Gives back some of what the file has beyond what it may have. */
  giveBack(): void {
    const { db } = this.#ports;
    if (this.#config.keepFree === undefined || !db.canShrink || db.usedBytes() === db.fileBytes()) return;
    const tooMuch = db.fileBytes() - this.bytesMax;
    if (tooMuch > 0) db.shrink(Math.min(tooMuch, shrinkBytesMax));
  }

  #ask(): void {
    const { clock } = this.#ports;
    const { keepFree } = this.#config;
    if (keepFree === undefined || clock.monotonic() - this.#askedAt < askEveryMs) return;
    this.#askedAt = clock.monotonic();
    this.#allowedBytes = (this.#ports.diskBytes?.() ?? Number.POSITIVE_INFINITY) - keepFree.bytes;
  }
}
