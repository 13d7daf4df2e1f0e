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

/** A timer that fires so much later than it was due fires in a process that was away. */
const lateMs = 200;

/**
 * A process that was away for a while (a busy machine, a slow disk) finds its timers due before it has read what came in meanwhile, and would
 * give up on peers that answered in time; giving up makes more work, which makes it later still. So a late timer lets one turn of the event
 * loop pass first, in which waiting input is handled and may cancel it.
 */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(_name, delayMs, fire) {
    const dueMs = performance.now() + delayMs;
    let deferred: NodeJS.Immediate | undefined;
    const handle = setTimeout(() => {
      if (performance.now() - dueMs < lateMs) fire();
      else deferred = setImmediate(fire);
    }, delayMs);
    return {
      cancel() {
        clearTimeout(handle);
        clearImmediate(deferred);
      },
    };
  },
};
