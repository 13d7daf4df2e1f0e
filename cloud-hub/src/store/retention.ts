/**
 * How long the hub keeps what, and what is gone. A *horizon* is set before anything is removed, and only ever moves forward: what lies before it
 * is not shown any more, whether or not it is removed already. Raw horizons are whole UTC days, so that every bucket of
 * every level lies on one side: what has lost readings has them all in its roll-up.
 */
import { crc32 } from 'node:zlib';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { bucketOf, hourMs, levels, type RollupLevelMs } from './levels.ts';

/** Milliseconds; Infinity = for ever. */
export interface Retention {
  readonly rawMs: number;
  readonly levelMs: Readonly<Record<RollupLevelMs, number>>;
}

const ever = Number.POSITIVE_INFINITY;
export const keptForEver: Retention = {
  rawMs: ever,
  levelMs: { 10_000: ever, 60_000: ever, 900_000: ever, 86_400_000: ever },
};

export const defaultRetention: Retention = {
  rawMs: 30 * 86_400_000,
  levelMs: {
    10_000: 30 * 86_400_000,
    60_000: 400 * 86_400_000,
    900_000: ever,
    86_400_000: ever,
  },
};

/** What was kept before these times is gone: event time, ms; −Infinity = nothing is. */
export interface Expiry {
  readonly rawMs: number;
  readonly levelMs: Readonly<Record<RollupLevelMs, number>>;
}

/**
 * Before this time a level of a series is gone. 10 s rows of `held` streams stay as long as the coarsest: they are few, and they are the readings
 * that the time-weighted average is made of (decision 0010).
 */
export function horizonOf(expiry: Expiry, levelMs: RollupLevelMs, isHeld: boolean): number {
  return expiry.levelMs[isHeld && levelMs === levels[0] ? levels[3] : levelMs];
}

/** 0 = raw, else the level. */
type Kind = 0 | RollupLevelMs;
const dayMs = 86_400_000;

interface HorizonRow {
  readonly what: number;
  readonly ms: number;
  readonly checksum: number;
}

export class Horizons {
  readonly #all: Statement<HorizonRow>;
  readonly #put: Statement<never>;
  #expiry: Expiry = nothing();

  constructor(db: Database) {
    this.#all = db.prepare('SELECT what, ms, checksum FROM horizons');
    this.#put = db.prepare('INSERT OR REPLACE INTO horizons (what, ms, checksum) VALUES (?, ?, ?)');
    this.reset();
  }

  get expiry(): Expiry {
    return this.#expiry;
  }

  of(what: Kind): number {
    return what === 0 ? this.#expiry.rawMs : this.#expiry.levelMs[what];
  }

  advance(what: Kind, ms: number): void {
    if (!(ms > this.of(what))) return;
    this.#put.run(what, ms, checksumOf(what, ms));
    this.reset();
  }

  reset(): void {
    const expiry = nothing();
    for (const row of this.#all.all()) {
      if (!isSound(row)) continue;
      if (row.what === 0) expiry.rawMs = row.ms;
      else expiry.levelMs[row.what as RollupLevelMs] = row.ms;
    }
    this.#expiry = expiry;
  }
}

function nothing() {
  const none = Number.NEGATIVE_INFINITY;
  return { rawMs: none, levelMs: { 10_000: none, 60_000: none, 900_000: none, 86_400_000: none } };
}

/** What is older than `now − kept` and begins on the grain of its kind; −Infinity where it is kept for ever. */
export function horizonAt(what: Kind, retention: Retention, nowMs: number): number {
  const keptMs = what === 0 ? retention.rawMs : retention.levelMs[what];
  if (keptMs === Number.POSITIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  return bucketOf(nowMs - keptMs, what === 0 ? dayMs : Math.max(what, hourMs));
}

/** Whether a row of `horizons` is as it was written. */
export function isSound({ what, ms, checksum }: HorizonRow): boolean {
  const isKnown = what === 0 || levels.some((level) => level === what);
  return isKnown && Number.isSafeInteger(ms) && checksum === checksumOf(what, ms);
}

function checksumOf(what: number, ms: number): number {
  return crc32(Buffer.from(`${what} ${ms}`));
}
