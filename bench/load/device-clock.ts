/**
 * Event times of the devices of one connection, as far apart as clocks of real sensors are: no two readings of a device share a
 * time, for the agent would take equal ones for a repeat.
 */
const stepMsMin = 1;
const stepMsMax = 4;

export class DeviceClock {
  #timeMs = 0;
  #jitter: number;

  constructor(seed: number) {
    this.#jitter = seed;
  }

  /** The next time, in ms; not before `wallMs`. */
  next(wallMs: number): number {
    this.#jitter = (Math.imul(this.#jitter, 1_664_525) + 1_013_904_223) | 0;
    const stepMs = stepMsMin + ((this.#jitter >>> 16) % (stepMsMax - stepMsMin + 1));
    this.#timeMs = Math.max(this.#timeMs + stepMs, wallMs);
    return this.#timeMs;
  }
}
