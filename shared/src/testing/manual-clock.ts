import type { Clock, Timer } from '../clock.ts';

interface Pending extends Timer {
  readonly name: string;
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
  isCancelled: boolean;
}

/** A clock that stands still until it is moved; timers fire in due order, ties in order of creation. */
export class ManualClock implements Clock {
  #wallMs: number;
  #monotonicMs = 0;
  #order = 0;
  #pending: Pending[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  after(name: string, delayMs: number, fire: () => void): Timer {
    const pending: Pending = {
      name,
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      order: this.#order++,
      fire,
      isCancelled: false,
      cancel() {
        pending.isCancelled = true;
      },
    };
    this.#pending.push(pending);
    return pending;
  }

  /** Monotonic ms until the next timer, undefined when none waits. */
  untilNextMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs;
  }

  /** Moves both times on by `ms`, firing every timer that comes due on the way, at its own instant. */
  advance(ms: number): void {
    const target = this.#monotonicMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= target; next = this.#next()) {
      this.#moveTo(next.dueMs);
      this.#pending.splice(this.#pending.indexOf(next), 1);
      next.fire();
    }
    this.#moveTo(target);
  }

  /** Sets the wall clock only, as an NTP step or a wrong boot time would. */
  jumpWall(toMs: number): void {
    this.#wallMs = toMs;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #next(): Pending | undefined {
    let best: Pending | undefined;
    this.#pending = this.#pending.filter((timer) => !timer.isCancelled);
    for (const timer of this.#pending) {
      if (best === undefined || timer.dueMs < best.dueMs || (timer.dueMs === best.dueMs && timer.order < best.order)) {
        best = timer;
      }
    }
    return best;
  }
}
