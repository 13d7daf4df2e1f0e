/**
 * Runs the upkeep of a HubCore on the event loop: some milliseconds at a time, and when nothing waits to be committed, as far as that can be
 * had. Orders are carried out at once; those that other processes left, within a second.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { Order } from '../store/orders.ts';
import { type HubCore, isStorageError } from './hub-core.ts';

const everyMs = 25;
/** Of each turn: about a tenth of the time, while there is something to do. */
const budgetMs = 3;
/** A turn that finds messages waiting is left out, but not for ever. */
const skippedMax = 20;
/** Between rounds. */
const pauseMs = 600_000;
const ordersMs = 500;

type Core = Pick<HubCore, 'upkeep' | 'order' | 'takeOrders' | 'queuedBytes'>;

export class UpkeepDriver {
  readonly #core: Core;
  readonly #clock: Clock;
  readonly #fail: (error: unknown) => void;
  readonly #onOrders: () => void;
  #timer: Timer;
  #orders: Timer;
  #skipped = 0;
  #isStopped = false;

  /** `fail`: the storage failed; nothing more is done. `onOrders`: orders were carried out. */
  constructor(core: Core, clock: Clock, fail: (error: unknown) => void, onOrders: () => void) {
    this.#onOrders = onOrders;
    this.#core = core;
    this.#clock = clock;
    this.#fail = fail;
    this.#timer = this.#after(everyMs);
    this.#orders = this.#afterOrders();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
    this.#orders.cancel();
  }

  /** Returns what was done, and committed. Throws `not_found`, `usage`; `unavailable` where the hub is stopping. */
  order(order: Order): string {
    if (this.#isStopped) throw new FoglineError('unavailable', 'the hub is stopping');
    let isDone = false;
    try {
      const answer = this.#core.order(order);
      isDone = true;
      this.#onOrders();
      return answer;
    } catch (error) {
      if (isDone || isStorageError(error)) this.#fail(error);
      throw error;
    }
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
