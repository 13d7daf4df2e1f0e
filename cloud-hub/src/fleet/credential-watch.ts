/**
 * Notices that credentials changed, whichever process changed them: every change counts up one number of the database, in its own
 * transaction, and this looks at the number.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Database, Statement } from '@fogline/shared/sqlite';

/** Inside the transaction that changes agents or tokens. */
export function noteCredentialChange(db: Database): void {
  db.prepare("UPDATE state SET value = value + 1 WHERE name = 'credentials'").run();
}

const pollMs = 250;

export class CredentialWatch {
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #statement: Statement<{ value: number }>;
  #seen: number | undefined;
  #timer: Timer | undefined;

  /** `onChange` is called from `poll` alone, and from now on without being asked. */
  constructor(db: Database, clock: Clock, onChange: () => void) {
    this.#clock = clock;
    this.#onChange = onChange;
    this.#statement = db.prepare("SELECT value FROM state WHERE name = 'credentials'");
    this.#seen = this.#statement.get()?.value;
    this.#arm();
  }

  /** What was revoked before this call has taken effect when it returns. */
  poll(): void {
    const value = this.#statement.get()?.value;
    if (value === this.#seen) return;
    this.#seen = value;
    this.#onChange();
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
