/**
 * The time port. Everything that reads time or waits takes a Clock, so that a test or a simulation can own time.
 * Wall time may jump in both directions; monotonic time never does. Intervals and time-outs use monotonic time.
 */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time, integer milliseconds since the epoch, UTC. */
  now(): number;
  /** Monotonic milliseconds from an arbitrary origin. */
  monotonic(): number;
  /** Calls `fire` once after `delayMs` of monotonic time. `name` identifies the timer in diagnostics. */
  after(name: string, delayMs: number, fire: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(_name, delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
