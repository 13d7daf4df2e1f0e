/**
 * The time by which rows age: wall time, except that a clock which is set forward makes nothing older than it is. For as long as a row
 * from before the step could still be young, all ages are reckoned as if there had been no step; longer ago, it does not matter.
 *
 * A gateway without a clock chip boots where it was shut down and learns the time minutes later. What it recorded meanwhile must
 * not count as expired.
 */
import type { Clock } from '@fogline/shared/clock';
import { ClockSteps } from '../clock-steps.ts';

export class AgeClock {
  readonly #clock: Clock;
  readonly #ageMsMax: number;
  readonly #steps: ClockSteps;
  #lagMs = 0;
  #lagsUntil = 0;

  constructor(clock: Clock, ageMsMax: number) {
    this.#clock = clock;
    this.#ageMsMax = ageMsMax;
    this.#steps = new ClockSteps(clock);
  }

  /** To be called often: a step is noticed between two calls. */
  now(): number {
    const [wall, monotonic] = [this.#clock.now(), this.#clock.monotonic()];
    const stepMs = this.#steps.take();
    if (stepMs > 0) this.#lagsUntil = monotonic + this.#ageMsMax;
    if (stepMs !== 0) this.#lagMs = Math.max(0, this.#lagMs + stepMs);
    if (monotonic >= this.#lagsUntil) this.#lagMs = 0;
    return wall - this.#lagMs;
  }
}
