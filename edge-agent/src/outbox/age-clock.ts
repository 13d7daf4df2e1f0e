/**
 * The time by which rows age: wall time, except that a clock which is set forward makes nothing older than it is. For as long as a row
 * from before the step could still be young, all ages are reckoned as if there had been no step; longer ago, it does not matter.
 *
 * A gateway without a clock chip boots where it was shut down and learns the time minutes later. What it recorded meanwhile must
 * not count as expired.
 */
import type { Clock } from '@fogline/shared/clock';

/** Slewing and the pauses of a busy machine are no steps. */
const stepMsMin = 10_000;

export class AgeClock {
  readonly #clock: Clock;
  readonly #ageMsMax: number;
  /** Wall time less monotonic time, as last seen. */
  #offsetMs: number;
  #lagMs = 0;
  #lagsUntil = 0;

  constructor(clock: Clock, ageMsMax: number) {
    this.#clock = clock;
    this.#ageMsMax = ageMsMax;
    this.#offsetMs = clock.now() - clock.monotonic();
  }

  /** To be called often: a step is noticed between two calls. */
  now(): number {
    const [wall, monotonic] = [this.#clock.now(), this.#clock.monotonic()];
    const stepMs = wall - monotonic - this.#offsetMs;
    this.#offsetMs = wall - monotonic;
    if (stepMs >= stepMsMin) this.#lagsUntil = monotonic + this.#ageMsMax;
    if (Math.abs(stepMs) >= stepMsMin) this.#lagMs = Math.max(0, this.#lagMs + stepMs);
    if (monotonic >= this.#lagsUntil) this.#lagMs = 0;
    return wall - this.#lagMs;
  }
}
