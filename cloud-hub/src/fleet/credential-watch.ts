/**
 * Notices that credentials changed, whichever process changed them: every change counts up one number of the database, in its own
 * transaction, and this looks at the number.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Database, Statement } from '@fogline/shared/sqlite';

/** Inside the transaction that changes agents or tokens. `sites`: agents moved too. */
export function noteCredentialChange(db: Database, what: 'credentials' | 'sites' = 'credentials'): void {
  db.prepare("UPDATE state SET value = value + 1 WHERE name = 'credentials' OR name = ?").run(what);
}

interface Numbers {
  readonly credentials: number;
  readonly sites: number;
}

const pollMs = 250;

export class CredentialWatch {
  readonly #clock: Clock;
  readonly #onChange: (haveSitesChanged: boolean) => void;
  readonly #statement: Statement<Numbers>;
  #seen: Numbers | undefined;
  #timer: Timer | undefined;

  /** `onChange` is called from `poll` alone, and from now on without being asked. */
  constructor(db: Database, clock: Clock, onChange: (haveSitesChanged: boolean) => void) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#statement = db.prepare(
      "SELECT c.value AS credentials, s.value AS sites FROM state c, state s WHERE c.name = 'credentials' AND s.name = 'sites'",
    );
    this.#seen = this.#statement.get();
    this.#arm();
  }

  /** What was revoked before this call has taken effect when it returns. */
  poll(): void {
    const before = this.#seen;
    const now = this.#statement.get();
    if (now?.credentials === before?.credentials) return;
    this.#seen = now;
    this.#onChange(now?.sites !== before?.sites);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.after('hub.credentials', pollMs, () => {
      this.#arm();
      this.poll();
    });
  }
}
