/**
 * The registry of agents and their credentials. A token is 256 random bits, shown once; only its SHA-256 is stored. An agent that
 * the hub merely heard of (in a restored backup, say) has a row without a credential and cannot connect until enrolled.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { agentIdPattern } from '@fogline/shared/protocol/topics';
import { type Random, systemRandom } from '@fogline/shared/random';
import type { Database, Statement } from '@fogline/shared/sqlite';
import { noteCredentialChange } from './credential-watch.ts';
import { checkName } from './names.ts';
import { hashSecret, newSecret } from './secret.ts';

interface CredentialRow {
  readonly token_hash: Uint8Array | null;
  readonly revoked: number | null;
}

export class AgentRegistry {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #credential: Statement<CredentialRow>;

  constructor(db: Database, clock: Clock, random: Random = systemRandom) {
    this.#db = db;
    this.#clock = clock;
    this.#random = random;
    this.#credential = db.prepare<CredentialRow>('SELECT token_hash, revoked FROM agents WHERE name = ?');
  }

  /** Returns the token, which cannot be read again. Throws `usage` when the id is malformed or has a credential already. */
  create(agent: string): string {
    if (!agentIdPattern.test(agent)) {
      throw new FoglineError(
        'usage',
        `agent id "${agent}": 1 to 64 of letters, digits, ".", "_", "-", beginning with a letter or digit`,
      );
    }
    return this.#db.transaction(() => {
      const row = this.#credential.get(agent);
      if (row !== undefined && row.token_hash !== null && row.revoked === null) {
        throw new FoglineError('usage', `agent "${agent}" exists; rotate its token instead`);
      }
      this.#db.prepare('INSERT OR IGNORE INTO agents (name, created) VALUES (?, ?)').run(agent, this.#clock.now());
      return this.#issue(agent);
    });
  }

  /** Where it stands: what tokens may be limited to. '' = nowhere. Throws `usage`, `not_found`. */
  setSite(agent: string, site: string): void {
    if (site !== '') checkName('site', site);
    const { changes } = this.#db.transaction(() => {
      noteCredentialChange(this.#db, 'sites');
      return this.#db.prepare('UPDATE agents SET site = ? WHERE name = ?').run(site, agent);
    });
    if (changes === 0) throw new FoglineError('not_found', `no agent "${agent}"`);
  }

  /** A new token in place of the old, which stops working at once. Throws `not_found`. */
  rotate(agent: string): string {
    return this.#db.transaction(() => {
      if (this.#credential.get(agent) === undefined) throw new FoglineError('not_found', `no agent "${agent}"`);
      return this.#issue(agent);
    });
  }

  /** Its data stays; it can no longer connect. Throws `not_found`. */
  revoke(agent: string): void {
    this.#db.transaction(() => {
      const { changes } = this.#db
        .prepare('UPDATE agents SET revoked = ?, token_hash = NULL WHERE name = ?')
        .run(this.#clock.now(), agent);
      if (changes === 0) throw new FoglineError('not_found', `no agent "${agent}"`);
      noteCredentialChange(this.#db);
    });
  }

  isAuthentic(agent: string, token: string): boolean {
    const row = this.#credential.get(agent);
    const expected = row?.revoked === null ? row.token_hash : null;
    // An unknown agent costs the same as a wrong token.
    const isEqual = timingSafeEqual(expected ?? hashSecret(''), hashSecret(token));
    return isEqual && expected !== null;
  }

  #issue(agent: string): string {
    const token = newSecret(this.#random);
    this.#db.prepare('UPDATE agents SET token_hash = ?, revoked = NULL WHERE name = ?').run(hashSecret(token), agent);
    noteCredentialChange(this.#db);
    return token;
  }
}
