/** What one query may cost, and what all that run may hold together. Every limit is named in the error that it raises, with the way out. */
import { FoglineError } from '@fogline/shared/errors';
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

/** A time and a value. */
const sampleBytes = 16;
/** A value, and whether there is one. */
const cellBytes = 9;
/** Of all queries that run: room for the largest one, and for many as they usually are. */
const memoryBytesMax = 512 * 1024 * 1024;

/** Samples and results of the queries of one process. */
export class QueryMemory {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = memoryBytesMax) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Less than before: negative. Throws `unavailable` where others hold too much; nothing is taken then. */
  take(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#bytesMax) {
      const most = Math.ceil(this.#bytesMax / (1024 * 1024));
      throw new FoglineError(
        'unavailable',
        `the queries that run hold ${most} MiB together (memoryBytesMax); try again in a second, or ask for less at once`,
      );
    }
    this.#bytes += bytes;
  }
}

export class Budget {
  readonly #memory: QueryMemory;
  #bytes = 0;
  #read = 0;
  #samples = 0;
  #cells = 0;
  #visits = 0;

  constructor(memory: QueryMemory) {
    this.#memory = memory;
  }

  /** What it held is free for others. */
  close(): void {
    this.#take(-this.#bytes);
  }

  /** Throws `limit_exceeded`, as the others do; those that hold memory also `unavailable`. */
  read(samples: number): void {
    this.#read += samples;
    if (this.#read > queryLimits.readMax) throw tooMuch('samples read', queryLimits.readMax, 'readMax');
  }

  /** Fewer than before: negative. */
  hold(samples: number): void {
    this.#samples += samples;
    if (this.#samples > queryLimits.samplesMax) throw tooMuch('samples at once', queryLimits.samplesMax, 'samplesMax');
    this.#take(samples * sampleBytes);
  }

  allocate(series: number, steps: number): void {
    this.#cells += series * steps;
    if (this.#cells > queryLimits.cellsMax) throw tooMuch('points in its results', queryLimits.cellsMax, 'cellsMax');
    this.#take(series * steps * cellBytes);
  }

  visit(samples: number): void {
    this.#visits += samples;
    if (this.#visits > queryLimits.visitsMax)
      throw tooMuch('samples over and over', queryLimits.visitsMax, 'visitsMax');
  }

  #take(bytes: number): void {
    this.#memory.take(bytes);
    this.#bytes += bytes;
  }
}

function tooMuch(what: string, most: number, name: string): Error {
  return failed(
    `the query needs more than ${most.toLocaleString('en')} ${what} (${name}); narrow the selector or the time range, or enlarge the step`,
  );
}
