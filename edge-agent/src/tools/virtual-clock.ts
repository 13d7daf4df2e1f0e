/** A clock that is moved by hand and fires nothing: whoever moves it does what is due. */
import type { Clock, Timer } from '@fogline/shared/clock';

const nothing: Timer = { cancel: () => undefined };

export class VirtualClock implements Clock {
  readonly #startMs: number;
  #nowMs: number;

  constructor(startMs: number) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonic(): number {
    return this.#nowMs - this.#startMs;
  }

  after(): Timer {
    return nothing;
  }

  /** Never back. */
  moveTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }
}
