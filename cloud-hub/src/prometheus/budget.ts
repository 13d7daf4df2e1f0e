/** What one query may cost. Every limit is named in the error that it raises, with the way out. */
import { failed } from './errors.ts';

export const queryLimits = {
  /** Steps of a range query, as in Prometheus. */
  pointsMax: 11_000,
  /** Series that one selector may match. */
  seriesMax: 10_000,
  /** Samples read from the store, over all selectors. */
  readMax: 50_000_000,
  /** Samples held at once, over all selectors: what ranges need, of the others one a step. */
  samplesMax: 10_000_000,
  /** Series times steps of results and intermediate results. */
  cellsMax: 20_000_000,
  /** Samples looked at by functions over ranges; overlapping ranges count each time. */
  visitsMax: 500_000_000,
} as const;

export class Budget {
  #read = 0;
  #samples = 0;
  #cells = 0;
  #visits = 0;

  /** Throws `limit_exceeded`, as the others do. */
  read(samples: number): void {
    this.#read += samples;
    if (this.#read > queryLimits.readMax) throw tooMuch('samples read', queryLimits.readMax, 'readMax');
  }

  /** Fewer than before: negative. */
  hold(samples: number): void {
    this.#samples += samples;
    if (this.#samples > queryLimits.samplesMax) throw tooMuch('samples at once', queryLimits.samplesMax, 'samplesMax');
  }

  allocate(series: number, steps: number): void {
    this.#cells += series * steps;
    if (this.#cells > queryLimits.cellsMax) throw tooMuch('points in its results', queryLimits.cellsMax, 'cellsMax');
  }

  visit(samples: number): void {
    this.#visits += samples;
    if (this.#visits > queryLimits.visitsMax)
      throw tooMuch('samples over and over', queryLimits.visitsMax, 'visitsMax');
  }
}

function tooMuch(what: string, most: number, name: string): Error {
  return failed(
    `the query needs more than ${most.toLocaleString('en')} ${what} (${name}); narrow the selector or the time range, or enlarge the step`,
  );
}
