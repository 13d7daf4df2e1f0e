/**
 * Runs the upkeep of a HubCore on the event loop: some milliseconds at a time, and when nothing waits to be committed, as far as that can be
 * had. Orders that other processes left are carried out within a second.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { HubCore } from './hub-core.ts';

const everyMs = 25;
/** Of each turn: about a tenth of the time, while there is something to do. */
const budgetMs = 3;
/** A turn that finds messages waiting is left out, but not for ever. */
const skippedMax = 20;
/** Between rounds. */
const pauseMs = 600_000;
const ordersMs = 500;

type Core = Pick<HubCore, 'upkeep' | 'takeOrders' | 'queuedBytes'>;

export class UpkeepDriver {
  readonly #core: Core;
  readonly #clock: Clock;
  readonly #fail: (error: unknown) => void;
  readonly #onOrders: () => void;
  #timer: Timer;
  #orders: Timer;
  #skipped = 0;

  /** `fail`: the storage failed; nothing more is done. `onOrders`: orders of other processes were carried out. */
  constructor(core: Core, clock: Clock, fail: (error: unknown) => void, onOrders: () => void) {
    this.#onOrders = onOrders;
    this.#core = core;
    this.#clock = clock;
    this.#fail = fail;
    this.#timer = this.#after(everyMs);
    this.#orders = this.#afterOrders();
  }

  stop(): void {
    this.#timer.cancel();
    this.#orders.cancel();
  }

  #after(ms: number): Timer {
    return this.#clock.after('hub.upkeep', ms, () => this.#turn());
  }

  #afterOrders(): Timer {
    return this.#clock.after('hub.orders', ordersMs, () => {
      try {
        if (this.#core.takeOrders()) this.#onOrders();
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#orders = this.#afterOrders();
    });
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
