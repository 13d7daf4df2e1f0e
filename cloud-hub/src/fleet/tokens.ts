/**
 * API tokens: 256 random bits, shown once; only their SHA-256 is stored. A token that was created or revoked counts from
 * the next `verify` on, whichever process wrote it.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { type Random, systemRandom } from '@fogline/shared/random';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { hashSecret, newSecret } from './secret.ts';

export interface ApiToken {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdMs: number;
  readonly isRevoked: boolean;
}

interface TokenRow {
  readonly name: string;
  readonly hash: Uint8Array;
  readonly scopes: string;
  readonly created: number;
  readonly revoked: number | null;
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export class ApiTokens {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #byHash: Statement<TokenRow>;

  constructor(db: Database, clock: Clock, random: Random = systemRandom) {
    this.#db = db;
    this.#clock = clock;
    this.#random = random;
    this.#byHash = db.prepare<TokenRow>('SELECT * FROM api_tokens WHERE hash = ? AND revoked IS NULL');
  }

  /** Returns the token, which cannot be read again. A revoked name may be used anew. Throws `usage` when the name is taken or malformed. */
  create(name: string, scopes: readonly string[]): string {
    if (!namePattern.test(name))
      throw new FoglineError('usage', `token name "${name}": 1 to 64 of letters, digits, ".", "_", "-"`);
    const token = newSecret(this.#random);
    this.#db.transaction(() => {
      this.#db.prepare('DELETE FROM api_tokens WHERE name = ? AND revoked IS NOT NULL').run(name);
      const { changes } = this.#db
        .prepare('INSERT OR IGNORE INTO api_tokens (name, hash, scopes, created) VALUES (?, ?, ?, ?)')
        .run(name, hashSecret(token), JSON.stringify(scopes), this.#clock.now());
      if (changes === 0)
        throw new FoglineError('usage', `a token named "${name}" exists; revoke it first or choose another name`);
    });
    return token;
  }

  verify(token: string): { name: string; scopes: readonly string[] } | undefined {
    const hash = hashSecret(token);
    const row = this.#byHash.get(hash);
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return undefined;
    return { name: row.name, scopes: JSON.parse(row.scopes) as string[] };
  }

  /** Throws `not_found` unless a token of this name is in force. */
  revoke(name: string): void {
    const { changes } = this.#db.transaction(() =>
      this.#db
        .prepare('UPDATE api_tokens SET revoked = ? WHERE name = ? AND revoked IS NULL')
        .run(this.#clock.now(), name),
    );
    if (changes === 0) throw new FoglineError('not_found', `no token named "${name}" is in force`);
  }

  /** Ascending by name. */
  list(): ApiToken[] {
    return this.#db
      .prepare<TokenRow>('SELECT * FROM api_tokens ORDER BY name')
      .all()
      .map((row) => ({
        name: row.name,
        scopes: JSON.parse(row.scopes) as string[],
        createdMs: row.created,
        isRevoked: row.revoked !== null,
      }));
  }

  /** Whether any token is in force: without one nothing may listen beyond loopback. */
  any(): boolean {
    return this.#db.prepare('SELECT 1 FROM api_tokens WHERE revoked IS NULL LIMIT 1').get() !== undefined;
  }
}
