/**
 * Runs queries in slices, so that ingest goes on beside them: one slice of one query, then the event loop gets its turn, however many queries
 * there are. Bounded in how many run at once; one whose client has gone away is given up.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@fogline/shared/clock';
import { HttpError } from './problems.ts';

/** A message waits for two of them at most: one before it is read, one before it is committed. */
const sliceMs = 2;
const queriesAtOnceMax = 32;

export class QueryRunner {
  readonly #clock: Clock;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Running queries are given up at their next slice. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Resolves when no query runs. */
  async settled(): Promise<void> {
    while (this.#running > 0) await nextTurn();
  }

  /** Resolves in a turn of the event loop that no other query has; first come, first served. */
  #turn(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) setImmediate(() => this.#pass());
    });
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (this.#waiting.length > 0) setImmediate(() => this.#pass());
    next?.();
  }

  async run<Result>(query: Generator<void, Result>, isAbandoned: () => boolean): Promise<Result> {
    if (this.#running >= queriesAtOnceMax) {
      throw new HttpError('unavailable', `${queriesAtOnceMax} queries are running already; try again in a second`, {
        'retry-after': '1',
      });
    }
    this.#running++;
    try {
      await this.#turn();
      for (let sliceStart = this.#clock.monotonic(); ; ) {
        const step = query.next();
        if (step.done === true) return step.value;
        if (this.#clock.monotonic() - sliceStart < sliceMs) continue;
        await this.#turn();
        if (this.#isStopped) throw new HttpError('unavailable', 'the hub is stopping');
        if (isAbandoned()) throw new HttpError('unavailable', 'the client went away');
        sliceStart = this.#clock.monotonic();
      }
    } finally {
      // What it scans is free again, also where it was given up.
      query.return(undefined as Result);
      this.#running--;
    }
  }
}
