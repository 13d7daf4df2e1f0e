/**
 * Runs the upkeep of a HubCore on the event loop: some milliseconds at a time, and when nothing waits to be committed, as far as that can be
 * had. Orders are carried out at once; those that other processes left, within a second. On a full disk both wait: a write that finds no room
 * ends the hub, and what waits in the database would end it at each start.
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
/** On a disk without room. */
const fullMs = 5_000;

type Core = Pick<HubCore, 'upkeep' | 'order' | 'takeOrders' | 'queuedBytes'>;

export interface UpkeepPorts {
  readonly clock: Clock;
  readonly room: {
    hasRoom(): boolean;
    /** For a step that makes room. */
    mayTidy(): boolean;
  };
  /** The storage failed; nothing more is done. */
  fail(error: unknown): void;
  /** Orders were carried out. */
  onOrders(): void;
}

export class UpkeepDriver {
  readonly #core: Core;
  readonly #ports: UpkeepPorts;
  #timer: Timer;
  #orders: Timer;
  #skipped = 0;
  #isStopped = false;

  constructor(core: Core, ports: UpkeepPorts) {
    this.#core = core;
    this.#ports = ports;
    this.#timer = this.#after(everyMs);
    this.#orders = this.#afterOrders();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer.cancel();
    this.#orders.cancel();
  }

  /** Returns what was done, and committed. Throws `not_found`, `usage`; `unavailable` where the hub is stopping or its disk is full. */
  order(order: Order): string {
    if (this.#isStopped) throw new FoglineError('unavailable', 'the hub is stopping');
    if (!this.#ports.room.hasRoom())
      throw new FoglineError('unavailable', 'the disk of the hub is full: nothing is changed until there is room');
    let isDone = false;
    try {
      const answer = this.#core.order(order);
      isDone = true;
      this.#ports.onOrders();
      return answer;
    } catch (error) {
      if (isDone || isStorageError(error)) this.#ports.fail(error);
      throw error;
    }
  }

  #after(ms: number): Timer {
    return this.#ports.clock.after('hub.upkeep', ms, () => this.#turn());
  }

  #afterOrders(): Timer {
    return this.#ports.clock.after('hub.orders', ordersMs, () => {
      try {
        if (this.#ports.room.hasRoom() && this.#core.takeOrders()) this.#ports.onOrders();
      } catch (error) {
        this.#ports.fail(error);
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
    const { clock, room } = this.#ports;
    const endMs = clock.monotonic() + budgetMs;
    let isMore = true;
    try {
      if (!room.mayTidy()) {
        this.#timer = this.#after(fullMs);
        return;
      }
      while (isMore && clock.monotonic() < endMs) isMore = this.#core.upkeep();
    } catch (error) {
      this.#ports.fail(error);
      return;
    }
    this.#timer = this.#after(isMore ? everyMs : pauseMs);
  }
}
