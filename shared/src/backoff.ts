/**
 * Full-jitter exponential backoff (Marc Brooker, "Exponential Backoff And Jitter"): the delay is uniform in [0, min(max, base·2^n)).
 * It falls back to the base only after a spell of health, so a peer that accepts and dies at once is not hammered.
 */
import type { Random } from './random.ts';

export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** A connection that lived this long resets the backoff. */
  readonly healthyMs: number;
}

export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: Random;
  #attempt = 0;

  constructor(options: BackoffOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  /** Delay before the next attempt, given how long the last connection was healthy (0 = never). */
  nextDelayMs(healthyForMs: number): number {
    if (healthyForMs >= this.#options.healthyMs) this.#attempt = 0;
    const ceiling = Math.min(this.#options.maxMs, this.#options.baseMs * 2 ** Math.min(this.#attempt, 30));
    this.#attempt++;
    return Math.floor(this.#random.unit() * ceiling);
  }
}
