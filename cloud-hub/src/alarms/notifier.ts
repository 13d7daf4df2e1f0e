/**
 * Delivers what waits for one webhook: in order, one at a time, each until the receiver took it, refused it for good, or it expired. A row is removed
 * after that, in a transaction of its own: a crash in between sends it again under the same id. Nothing is sent that is not committed.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
import { isExpired, type Notification, type NotificationQueue } from './notification-queue.ts';
import type { Message, PostResult } from './webhook-post.ts';

/** `overflow`: the oldest left because too many waited; `unconfigured`: its webhook is gone from the configuration. */
export const notificationOutcomes = ['sent', 'refused', 'expired', 'overflow', 'unconfigured'] as const;
/** Since the start of this process; `attempt_failed` counts attempts, the others notifications. */
export type NotificationCounts = Record<(typeof notificationOutcomes)[number] | 'attempt_failed', number>;

export function newNotificationCounts(): NotificationCounts {
  return { sent: 0, refused: 0, expired: 0, overflow: 0, unconfigured: 0, attempt_failed: 0 };
}

export interface NotifierPorts {
  readonly db: Database;
  readonly queue: NotificationQueue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'warn'>;
  readonly counts: NotificationCounts;
  post(message: Message, signal: AbortSignal): Promise<PostResult>;
  /** What was sent can be noted. */
  hasRoom(): boolean;
  /** The storage failed. */
  fail(error: unknown): void;
}

/** Full jitter, while the breaker is closed. */
const retry = { baseMs: 1_000, maxMs: 60_000, healthyMs: 1 } as const;
/** On a disk without room. */
const fullMs = 5_000;

export class Notifier {
  readonly #webhook: string;
  readonly #ports: NotifierPorts;
  readonly #breaker = new CircuitBreaker();
  readonly #backoff: Backoff;
  #isBusy = false;
  /** The last attempt was taken. */
  #isHealthy = false;
  readonly #end = new AbortController();
  #timer: Timer | undefined;

  constructor(webhook: string, ports: NotifierPorts) {
    this.#webhook = webhook;
    this.#ports = ports;
    this.#backoff = new Backoff(retry, ports.random);
  }

  get breaker(): BreakerState {
    return this.#breaker.state(this.#ports.clock.monotonic());
  }

  /** There may be something to deliver. */
  poke(): void {
    if (this.#isBusy || this.#end.signal.aborted || this.#timer !== undefined) return;
    try {
      this.#next();
    } catch (error) {
      this.#ports.fail(error);
    }
  }

  stop(): void {
    this.#end.abort();
    this.#timer?.cancel();
  }

  #next(): void {
    const { queue, db, clock, counts, log, hasRoom } = this.#ports;
    const found = queue.next(this.#webhook);
    if (found === undefined) return;
    if (!hasRoom()) {
      this.#wait(fullMs);
      return;
    }
    if (isExpired(found, clock.now())) {
      const expired = db.transaction(() => queue.expire(this.#webhook, clock.now()));
      counts.expired += expired;
      log.warn({ webhook: this.#webhook, expired }, 'notifications were given up: nobody took them for a day');
      this.#next();
      return;
    }
    this.#isBusy = true;
    void this.#ports.post(found, this.#end.signal).then((result) => this.#settle(found, result));
  }

  #wait(ms: number): void {
    this.#timer = this.#ports.clock.after('hub.notifier', ms, () => {
      this.#timer = undefined;
      this.poke();
    });
  }

  #settle(notification: Notification, result: PostResult): void {
    this.#isBusy = false;
    if (this.#end.signal.aborted) return;
    const { clock, db, queue, counts, log } = this.#ports;
    const { id } = notification;
    if (result.kind === 'failed') {
      counts.attempt_failed++;
      this.#breaker.failed(clock.monotonic());
      const wait = Math.max(
        this.#breaker.waitMs(clock.monotonic()),
        this.#backoff.nextDelayMs(this.#isHealthy ? retry.healthyMs : 0),
      );
      this.#isHealthy = false;
      log.warn({ webhook: this.#webhook, id, why: result.why, breaker: this.breaker }, 'a notification was not taken');
      this.#wait(wait);
      return;
    }
    this.#breaker.succeeded();
    this.#isHealthy = true;
    try {
      db.transaction(() => queue.remove(notification.row));
    } catch (error) {
      this.#ports.fail(error);
      return;
    }
    if (result.kind === 'done') counts.sent++;
    else {
      counts.refused++;
      log.warn({ webhook: this.#webhook, id, why: result.why }, 'a notification was refused and is given up');
    }
    this.poke();
  }
}
