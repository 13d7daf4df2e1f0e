/** Checks the database of a running hub round and round, a few rows at a time and only when nothing waits for a commit (decision 0006). */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Database } from '@fogline/shared/sqlite';
import { checkRunning } from './store/running-check.ts';

const everyMs = 100;
/** Of each turn: a fiftieth of the time. */
const budgetMs = 2;
const rowsPerTurnMax = 64;
const restAfterRoundMs = 3_600_000;

export interface DamageWatchPorts {
  readonly db: Database;
  readonly clock: Clock;
  /** Something waits to be committed and acked. */
  isBusy(): boolean;
  /** Called once; nothing is checked afterwards. */
  onDamage(problem: string): void;
}

export class DamageWatch {
  readonly #ports: DamageWatchPorts;
  #steps: ReturnType<typeof checkRunning> | undefined;
  #timer: Timer | undefined;
  /** Since the start. */
  rowsChecked = 0;
  roundsDone = 0;

  constructor(ports: DamageWatchPorts) {
    this.#ports = ports;
    this.#arm(everyMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(delayMs: number): void {
    this.#timer = this.#ports.clock.after('hub.damage-watch', delayMs, () => this.#turn());
  }

  #turn(): void {
    const { db, clock, isBusy, onDamage } = this.#ports;
    if (isBusy()) return this.#arm(everyMs);
    this.#steps ??= checkRunning(db);
    const endMs = clock.monotonic() + budgetMs;
    for (let row = 0; row < rowsPerTurnMax && clock.monotonic() < endMs; row++) {
      const { value: problem, done } = this.#steps.next();
      if (problem !== undefined) return onDamage(problem);
      if (done === true) {
        this.#steps = undefined;
        this.roundsDone++;
        return this.#arm(restAfterRoundMs);
      }
      this.rowsChecked++;
    }
    this.#arm(everyMs);
  }
}
