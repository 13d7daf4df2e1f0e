/**
 * When to commit. `prompt`: a waiting token commits within milliseconds, and groups grow with load: the next commit waits four
 * times as long as the last one took, at most 50 ms; or as long as that one took, when all who could send more wait already. `flash`: the same while a token bucket of bytes lasts, else once a second,
 * never slower. The bucket is filled with the bytes a day that the medium is meant to bear.
 */
import type { Clock } from '@fogline/shared/clock';
import type { BufferConfig } from '../core-config.ts';

const promptDelayMinMs = 2;
const promptDelayMaxMs = 50;
const costFactor = 4;
const withoutCreditMs = 1000;
const pageBytes = 4096;
const msPerDay = 86_400_000;
/** Measured (`npm run bench -- flash`): what three minutes write beside their commits, which is the checkpoint and the pages that it empties from the log. */
const checkpointBytes = 200 * 1024;
/** Share of a day's bytes that may be saved up for a burst. */
const burstShare = 1 / 48;

export class CommitPacer {
  readonly #clock: Clock;
  readonly #config: BufferConfig;
  #credit: number;
  #filledAt: number;
  #lastCommitAt = Number.NEGATIVE_INFINITY;
  #lastTookMs = 0;

  constructor(config: BufferConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#credit = this.#burst;
    this.#filledAt = clock.monotonic();
  }

  /** How long what is urgent may wait, whatever the budget. */
  get promptMs(): number {
    return Math.min(promptDelayMaxMs, Math.max(promptDelayMinMs, this.#lastTookMs * costFactor));
  }

  /** How long whatever waits from now on may wait for its commit; `areAllIn`: nobody sends more before it. */
  delayMs(areAllIn = false): number {
    const promptMs = areAllIn ? Math.max(promptDelayMinMs, Math.min(this.promptMs, this.#lastTookMs)) : this.promptMs;
    if (this.#config.commit === 'prompt') return promptMs;
    this.#fill();
    if (this.#credit > 0) return promptMs;
    return Math.max(promptMs, withoutCreditMs - (this.#clock.monotonic() - this.#lastCommitAt));
  }

  /**
   * A commit of this body was written. Measured (`npm run bench -- flash`): the pages of the log it touches and one more file-system
   * block, because a WAL frame is a page and 24 bytes; and the body twice, once more when the WAL is checkpointed.
   */
  spent(bodyBytes: number, tookMs: number): void {
    this.#fill();
    const pages = 1 + Math.floor(bodyBytes / pageBytes);
    this.#credit -= (pages + 1) * pageBytes + 2 * bodyBytes;
    this.#lastCommitAt = this.#clock.monotonic();
    this.#lastTookMs = tookMs;
  }

  /** The tables were brought up to date. */
  checkpointed(): void {
    this.#fill();
    this.#credit -= checkpointBytes;
  }

  /** What may be written before commits come once a second; undefined where nobody counts. */
  get creditBytes(): number | undefined {
    if (this.#config.commit === 'prompt') return undefined;
    this.#fill();
    return Math.floor(this.#credit);
  }

  get #burst(): number {
    return this.#config.flashBytesPerDay * burstShare;
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#credit = Math.min(
      this.#burst,
      this.#credit + ((now - this.#filledAt) * this.#config.flashBytesPerDay) / msPerDay,
    );
    this.#filledAt = now;
  }
}
