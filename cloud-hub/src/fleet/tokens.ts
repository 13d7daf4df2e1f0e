/**
 * API tokens: 256 random bits, shown once; only their SHA-256 is stored. A token that was created or revoked counts from
 * the next `verify` on, whichever process wrote it.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { type Random, systemRandom } from '@fogline/shared/random';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { noteCredentialChange } from './credential-watch.ts';
import { checkName } from './names.ts';
import { hashSecret, newSecret } from './secret.ts';

/** What a token may do; `sites` undefined = with agents of any site. */
export interface TokenGrant {
  readonly scopes: readonly string[];
  readonly sites: readonly string[] | undefined;
}

export interface ApiToken extends TokenGrant {
  readonly name: string;
  readonly createdMs: number;
  readonly revokedMs: number | undefined;
}

interface TokenRow {
  readonly name: string;
  readonly hash: Uint8Array;
  readonly scopes: string;
  readonly sites: string | null;
  readonly created: number;
  readonly revoked: number | null;
}

/** With those that are revoked. */
const tokensMax = 10_000;

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

  /**
   * Returns the token, which cannot be read again. A revoked name may be used anew. Throws `usage` when the name is taken or malformed,
   * or the grant makes no sense.
   */
  create(name: string, { scopes, sites }: TokenGrant): string {
    checkName('token name', name);
    if (sites !== undefined) checkSites(sites, scopes);
    const token = newSecret(this.#random);
    this.#db.transaction(() => {
      this.#db.prepare('DELETE FROM api_tokens WHERE name = ? AND revoked IS NOT NULL').run(name);
      if (this.#count() >= tokensMax)
        throw new FoglineError('usage', `there are ${tokensMax} tokens; use a revoked name again`);
      const { changes } = this.#db
        .prepare('INSERT OR IGNORE INTO api_tokens (name, hash, scopes, sites, created) VALUES (?, ?, ?, ?, ?)')
        .run(
          name,
          hashSecret(token),
          JSON.stringify(scopes),
          sites === undefined ? null : JSON.stringify(sites),
          this.#clock.now(),
        );
      if (changes === 0)
        throw new FoglineError('usage', `a token named "${name}" exists; revoke it first or choose another name`);
      noteCredentialChange(this.#db);
    });
    return token;
  }

  verify(token: string): ({ readonly name: string } & TokenGrant) | undefined {
    const hash = hashSecret(token);
    const row = this.#byHash.get(hash);
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return undefined;
    return { name: row.name, ...grantOf(row) };
  }

  /** Throws `not_found` unless a token of this name is in force. */
  revoke(name: string): void {
    const { changes } = this.#db.transaction(() => {
      noteCredentialChange(this.#db);
      return this.#db
        .prepare('UPDATE api_tokens SET revoked = ? WHERE name = ? AND revoked IS NULL')
        .run(this.#clock.now(), name);
    });
    if (changes === 0) throw new FoglineError('not_found', `no token named "${name}" is in force`);
  }

  /** Ascending by name. */
  list(): ApiToken[] {
    return this.#db
      .prepare<TokenRow>('SELECT * FROM api_tokens ORDER BY name')
      .all()
      .map((row) => ({
        name: row.name,
        ...grantOf(row),
        createdMs: row.created,
        revokedMs: row.revoked ?? undefined,
      }));
  }

  /** Whether any token is in force: without one nothing may listen beyond loopback. */
  any(): boolean {
    return this.#db.prepare('SELECT 1 FROM api_tokens WHERE revoked IS NULL LIMIT 1').get() !== undefined;
  }

  /** For a hub that never had a token: makes one that may do everything. Undefined when there are some, in force or not. */
  createFirst(): string | undefined {
    return this.#count() === 0 ? this.create('admin', { scopes: ['admin'], sites: undefined }) : undefined;
  }

  #count(): number {
    return this.#db.prepare<{ count: number }>('SELECT count(*) AS count FROM api_tokens').get()?.count ?? 0;
  }
}

function grantOf({ scopes, sites }: TokenRow): TokenGrant {
  return {
    scopes: JSON.parse(scopes) as string[],
    sites: sites === null ? undefined : (JSON.parse(sites) as string[]),
  };
}

function checkSites(sites: readonly string[], scopes: readonly string[]): void {
  if (sites.length === 0) throw new FoglineError('usage', 'sites: name one, or leave sites out for all of them');
  for (const site of sites) checkName('site', site);
  if (scopes.includes('admin'))
    throw new FoglineError('usage', 'scope admin is for the whole hub; take other scopes, or leave sites out');
}
