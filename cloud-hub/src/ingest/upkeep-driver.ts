/** Runs the upkeep of a HubCore on the event loop: some milliseconds at a time, and when nothing waits to be committed, as far as that can be had. */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { HubCore } from './hub-core.ts';

const everyMs = 25;
/** Of each turn: about a tenth of the time, while there is something to do. */
const budgetMs = 3;
/** A turn that finds messages waiting is left out, but not for ever. */
const skippedMax = 20;
/** Between rounds. */
const pauseMs = 60_000;

export class UpkeepDriver {
  readonly #core: Pick<HubCore, 'upkeep' | 'queuedBytes'>;
  readonly #clock: Clock;
  readonly #fail: (error: unknown) => void;
  #timer: Timer;
  #skipped = 0;

  /** `fail`: the storage failed; nothing more is done. */
  constructor(core: Pick<HubCore, 'upkeep' | 'queuedBytes'>, clock: Clock, fail: (error: unknown) => void) {
    this.#core = core;
    this.#clock = clock;
    this.#fail = fail;
    this.#timer = this.#after(everyMs);
  }

  stop(): void {
    this.#timer.cancel();
  }

  #after(ms: number): Timer {
    return this.#clock.after('hub.upkeep', ms, () => this.#turn());
  }

  #turn(): void {
    if (this.#core.queuedBytes() > 0 && this.#skipped < skippedMax) {
      this.#skipped++;
      this.#timer = this.#after(everyMs);
      return;
    }
    this.#skipped = 0;
    const endMs = this.#clock.monotonic() + budgetMs;
    let isMore = true;
    try {
      while (isMore && this.#clock.monotonic() < endMs) isMore = this.#core.upkeep();
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#timer = this.#after(isMore ? everyMs : pauseMs);
  }
}
