/**
 * Who did what, when, and what came of it, in a database of its own beside the hub's: restoring a backup does not take it back, and writing
 * it never waits for ingest. What changed something is on disk before the answer leaves. Refusals are gathered for some seconds,
 * equal ones in one line with a count, and kept apart, so that knocking at the door pushes no change out of the log. A crash loses
 * the refusals of those seconds. A damaged log is set aside, and that is the first line of the new one.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { type Database, isDamage, openDatabase, type Statement } from '@fogline/shared/sqlite';

export interface AuditEntry {
  /** Name of a token, `local` (loopback without one), `nobody` (no valid token), or `shell:USER` for a command. */
  readonly who: string;
  /** Address; '' for a command. */
  readonly from: string;
  /** `DELETE /api/v1/tokens/:name`, `token revoke`. */
  readonly what: string;
  /** What it was done to: `name=grafana`. */
  readonly target: string;
  /** `ok`, or the kind of problem: `unauthorized`, `not_found` … */
  readonly outcome: string;
}

export interface AuditLine extends AuditEntry {
  readonly id: number;
  readonly atMs: number;
  /** Equal refusals in one line. */
  readonly times: number;
}

export const auditLimits = {
  changesMax: 100_000,
  refusalsMax: 10_000,
  /** Distinct refusals between two flushes; what is beyond is counted in one line. */
  gatheredMax: 200,
  flushMs: 5_000,
  textMax: 200,
} as const;

const schema = `
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  came_from TEXT NOT NULL,
  what TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  times INTEGER NOT NULL,
  is_refusal INTEGER NOT NULL
);
CREATE INDEX audit_class ON audit (is_refusal, id);
`;

/** 'FLAU' */
const database = { applicationId: 0x464c4155, schemaVersion: 1, schema, cacheKib: 256 } as const;

interface AuditRow extends Omit<AuditLine, 'atMs' | 'from'> {
  readonly at: number;
  readonly came_from: string;
}

interface Gathered {
  readonly entry: AuditEntry;
  readonly atMs: number;
  times: number;
}

export class AuditLog {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #open: { readonly db: Database; readonly insert: Statement<never> } | undefined;
  readonly #gathered = new Map<string, Gathered>();
  #flushing: Timer | undefined;

  /** `onFailure`: refusals could not be written; they are gone. Throws `storage_open`. */
  constructor(folder: string, clock: Clock, onFailure: (error: unknown) => void = () => undefined) {
    this.#path = folder === ':memory:' ? folder : join(folder, 'audit.db');
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#database();
  }

  /** On disk when this returns. Throws what the storage throws. */
  record(entry: AuditEntry): void {
    // What came before stands before it.
    this.#tryFlush();
    this.#write([{ entry, atMs: this.#clock.now(), times: 1 }], false);
  }

  /** On disk some seconds later. */
  refuse(entry: AuditEntry): void {
    const isFull = this.#gathered.size >= auditLimits.gatheredMax;
    const exact = JSON.stringify(entry);
    const isKnown = this.#gathered.has(exact);
    const noted = isFull && !isKnown ? { ...entry, from: '', target: 'from several addresses' } : entry;
    const key = noted === entry ? exact : JSON.stringify(noted);
    const known = this.#gathered.get(key);
    if (known === undefined) this.#gathered.set(key, { entry: noted, atMs: this.#clock.now(), times: 1 });
    else known.times++;
    this.#flushing ??= this.#clock.after('audit.flush', auditLimits.flushMs, () => this.#tryFlush());
  }

  /** Newest first, ids below `before`. */
  list({ before = Number.MAX_SAFE_INTEGER, limit = 100 }: { before?: number; limit?: number } = {}): AuditLine[] {
    this.#tryFlush();
    return this.#database()
      .db.prepare<AuditRow>('SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?')
      .all(before, limit)
      .map(({ id, at, who, came_from, what, target, outcome, times }) => {
        return { id, atMs: at, who, from: came_from, what, target, outcome, times };
      });
  }

  close(): void {
    this.#tryFlush();
    this.#open?.db.close();
    this.#open = undefined;
  }

  #tryFlush(): void {
    this.#flushing?.cancel();
    this.#flushing = undefined;
    if (this.#gathered.size === 0) return;
    const lines = [...this.#gathered.values()];
    this.#gathered.clear();
    try {
      this.#write(lines, true);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #write(lines: readonly Gathered[], isRefusal: boolean): void {
    const { db, insert } = this.#database();
    try {
      db.transaction(() => {
        for (const { entry, atMs, times } of lines) {
          const texts = [entry.who, entry.from, entry.what, entry.target, entry.outcome];
          insert.run(atMs, ...texts.map(shown), times, isRefusal ? 1 : 0);
        }
        trim(db, isRefusal ? 1 : 0, isRefusal ? auditLimits.refusalsMax : auditLimits.changesMax);
      });
    } catch (error) {
      // A connection that failed stays so; the next line begins with a new one.
      if (this.#path !== ':memory:') {
        db.close();
        this.#open = undefined;
      }
      throw error;
    }
  }

  #database(): { readonly db: Database; readonly insert: Statement<never> } {
    if (this.#open !== undefined) return this.#open;
    const { db, isAnew } = openSound(this.#path);
    const insert = db.prepare<never>(
      'INSERT INTO audit (at, who, came_from, what, target, outcome, times, is_refusal) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#open = { db, insert };
    if (isAnew) {
      const aside = `set aside as ${asideOf(this.#path)}`;
      this.record({ who: 'hub', from: '', what: 'audit log damaged', target: aside, outcome: 'ok' });
    }
    return this.#open;
  }
}

/** Whoever is refused chose some of it: it must not act on the terminal that shows it, or look like a line of its own. */
function shown(text: string): string {
  return text.slice(0, auditLimits.textMax).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

function trim(db: Database, isRefusal: number, linesMax: number): void {
  db.prepare(
    'DELETE FROM audit WHERE is_refusal = ?1 AND id <= (SELECT id FROM audit WHERE is_refusal = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)',
  ).run(isRefusal, linesMax);
}

function openSound(path: string): { db: Database; isAnew: boolean } {
  try {
    return { db: openChecked(path), isAnew: false };
  } catch (error) {
    if (!hasCode(error, 'storage_corrupt') && !isDamage(error)) throw error;
    for (const end of ['', '-wal']) {
      rmSync(`${asideOf(path)}${end}`, { force: true });
      if (existsSync(`${path}${end}`)) renameSync(`${path}${end}`, `${asideOf(path)}${end}`);
    }
    rmSync(`${path}-shm`, { force: true });
    return { db: openChecked(path), isAnew: true };
  }
}

function openChecked(path: string): Database {
  const db = openDatabase(path, database);
  const [problem] = db.quickCheck();
  if (problem === undefined) return db;
  db.close();
  throw new FoglineError('storage_corrupt', `${path}: ${problem}`);
}

function asideOf(path: string): string {
  return `${path}.damaged`;
}
