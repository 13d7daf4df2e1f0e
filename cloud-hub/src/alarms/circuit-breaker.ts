/**
 * A circuit breaker (Michael Nygard, "Release It!"): after several failures in a row nothing is tried for a while, each time longer; then one attempt decides.
 * Pure: monotonic time is an argument. Nothing survives a restart.
 */

export const breakerLimits = {
  failuresMax: 5,
  openMs: 30_000,
  openMsMax: 600_000,
} as const;

export type BreakerState = 'closed' | 'open' | 'half_open';

export class CircuitBreaker {
  #failures = 0;
  #openings = 0;
  #openUntilMs: number | undefined;

  /** `half_open`: the next attempt decides. */
  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === undefined) return 'closed';
    return nowMs < this.#openUntilMs ? 'open' : 'half_open';
  }

  /** Until the next attempt; 0 = now. */
  waitMs(nowMs: number): number {
    return this.#openUntilMs === undefined ? 0 : Math.max(0, this.#openUntilMs - nowMs);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#openUntilMs = undefined;
  }

  failed(nowMs: number): void {
    this.#failures++;
    if (this.#openUntilMs === undefined && this.#failures < breakerLimits.failuresMax) return;
    this.#openUntilMs =
      nowMs + Math.min(breakerLimits.openMsMax, breakerLimits.openMs * 2 ** Math.min(this.#openings, 30));
    this.#openings++;
  }
}
