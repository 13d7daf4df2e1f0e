/** A token bucket per caller: bounded in rate and in how many callers are remembered. */
import type { Clock } from '@fogline/shared/clock';

const rateLimits = { requestsPerSecond: 500, burst: 2_000, callersMax: 10_000 } as const;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** 0 when the request may go on, else seconds to wait. The caller that asked least recently is forgotten first. */
  retryAfterSeconds(caller: string): number {
    const nowMs = this.#clock.monotonic();
    const known = this.#buckets.get(caller);
    const earned = known === undefined ? 0 : ((nowMs - known.atMs) / 1000) * rateLimits.requestsPerSecond;
    const tokens = known === undefined ? rateLimits.burst : Math.min(rateLimits.burst, known.tokens + earned);
    const isAllowed = tokens >= 1;
    this.#buckets.delete(caller);
    this.#buckets.set(caller, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs });
    if (this.#buckets.size > rateLimits.callersMax) {
      const oldest = this.#buckets.keys().next().value;
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return isAllowed ? 0 : Math.ceil((1 - tokens) / rateLimits.requestsPerSecond);
  }
}
