/** Tells when the wall clock was set, as NTP does some time after a gateway without a clock chip has booted. */
import type { Clock } from '@fogline/shared/clock';

/** Slewing and the pauses of a busy machine are no steps. */
const stepMsMin = 10_000;

export class ClockSteps {
  readonly #clock: Clock;
  /** Wall time less monotonic time, as last seen. */
  #offsetMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#offsetMs = clock.now() - clock.monotonic();
  }

  /** By how much it was set since the last call, whole ms; 0 when it was not. To be called often. */
  take(): number {
    const offsetMs = this.#clock.now() - this.#clock.monotonic();
    const stepMs = Math.round(offsetMs - this.#offsetMs);
    this.#offsetMs = offsetMs;
    return Math.abs(stepMs) >= stepMsMin ? stepMs : 0;
  }
}
