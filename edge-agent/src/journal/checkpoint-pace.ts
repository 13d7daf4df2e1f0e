/** When a checkpoint is due: after so many commits or bytes, which bound the replay of a start, or after so long. */
import type { Clock } from '@fogline/shared/clock';
import type { BufferConfig } from '../core-config.ts';

const commitsMax = 1024;
const bytesMax = 8 * 1024 * 1024;
/** A checkpoint writes some 200 KB beside the commits: once a minute 0.3 GB a day, a third of what `flash` may write by default. */
const everyMs = { prompt: 10_000, flash: 180_000 } as const;

export class CheckpointPace {
  readonly #clock: Clock;
  readonly #everyMs: number;
  #commits = 0;
  #bytes = 0;
  #at: number;

  constructor({ commit }: BufferConfig, clock: Clock) {
    this.#clock = clock;
    this.#everyMs = everyMs[commit];
    this.#at = clock.monotonic();
  }

  get hasCommits(): boolean {
    return this.#commits > 0;
  }

  /** The replay of a start would be long. */
  get isFull(): boolean {
    return this.#commits >= commitsMax || this.#bytes >= bytesMax;
  }

  get isOld(): boolean {
    return this.#clock.monotonic() - this.#at >= this.#everyMs;
  }

  committed(bytes: number): void {
    this.#commits++;
    this.#bytes += bytes;
  }

  /** A checkpoint was made. */
  restart(): void {
    this.#commits = 0;
    this.#bytes = 0;
    this.#at = this.#clock.monotonic();
  }
}
