/**
 * Runs a query in slices, so that ingest goes on beside it: after each slice the event loop gets its turn. Bounded in how many
 * queries run at once; one whose client has gone away is given up.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '@fogline/shared/clock';
import { HttpError } from './problems.ts';

const sliceMs = 5;
const queriesAtOnceMax = 32;

export class QueryRunner {
  readonly #clock: Clock;
  #running = 0;
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

  async run<Result>(query: Generator<void, Result>, isAbandoned: () => boolean): Promise<Result> {
    if (this.#running >= queriesAtOnceMax) {
      throw new HttpError('unavailable', `${queriesAtOnceMax} queries are running already; try again in a second`, {
        'retry-after': '1',
      });
    }
    this.#running++;
    try {
      for (let sliceStart = this.#clock.monotonic(); ; ) {
        const step = query.next();
        if (step.done === true) return step.value;
        if (this.#clock.monotonic() - sliceStart < sliceMs) continue;
        await nextTurn();
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
