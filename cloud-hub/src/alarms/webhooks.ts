/** All webhooks of this hub: writes what each is to be told, within the transaction of the alarm, and delivers it afterwards. */
import type { LookupFunction } from 'node:net';
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import type { WebhookConfig } from './alarm-config.ts';
import type { StoredAlarm } from './alarm-table.ts';
import { AlarmView } from './alarm-view.ts';
import type { BreakerState } from './circuit-breaker.ts';
import { messageOf, NotificationQueue } from './notification-queue.ts';
import { type NotificationCounts, Notifier, newNotificationCounts } from './notifier.ts';
import { postMessage } from './webhook-post.ts';

export interface WebhooksOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'warn'>;
  readonly webhooks: readonly WebhookConfig[];
  readonly lookup?: LookupFunction;
  hasRoom(): boolean;
}

/** So long after a transaction it is committed. */
const afterCommitMs = 0;

export class Webhooks {
  readonly counts: NotificationCounts = newNotificationCounts();
  readonly #options: WebhooksOptions;
  readonly #queue: NotificationQueue;
  readonly #view: AlarmView;
  readonly #notifiers = new Map<string, Notifier>();

  constructor(options: WebhooksOptions) {
    this.#options = options;
    this.#queue = new NotificationQueue(options.db);
    this.#view = new AlarmView(options.db, undefined);
  }

  /** Within the transaction that changed the alarm, after that was written. */
  tell({ id, severity, state: { word, place } }: StoredAlarm, nowMs: number): void {
    const { webhooks, clock, log } = this.#options;
    const wanting = webhooks.filter(
      ({ states, severities }) => states.includes(word) && severities.includes(severity ?? 'unknown'),
    );
    if (wanting.length === 0 || place === null) return;
    const [alarm] = this.#view.list({ id, hasMerged: true, limit: 1 }, nowMs);
    if (alarm === undefined) return;
    for (const { name } of wanting) {
      const dropped = this.#queue.add(name, messageOf(name, alarm, place), nowMs);
      this.counts.overflow += dropped;
      if (dropped > 0) log.warn({ webhook: name, dropped }, 'too many notifications wait: the oldest were given up');
      clock.after('hub.notify', afterCommitMs, () => this.#notifiers.get(name)?.poke());
    }
  }

  /** Begins to deliver, what an earlier process left too. `fail`: the storage failed. */
  start(fail: (error: unknown) => void): void {
    const { db, clock, random, log, webhooks, lookup, hasRoom } = this.#options;
    const ports = { clock, ...(lookup === undefined ? {} : { lookup }) };
    for (const target of webhooks) {
      const notifier = new Notifier(target.name, {
        db,
        queue: this.#queue,
        clock,
        random,
        log,
        counts: this.counts,
        hasRoom,
        fail,
        post: (message, signal) => postMessage(target, message, signal, ports),
      });
      this.#notifiers.set(target.name, notifier);
      notifier.poke();
    }
  }

  stop(): void {
    for (const notifier of this.#notifiers.values()) notifier.stop();
    this.#notifiers.clear();
  }

  /** Gives up what waits for webhooks that are not configured any more. */
  forgetOthers(): void {
    const { db, log, webhooks } = this.#options;
    const known = new Set(webhooks.map(({ name }) => name));
    for (const [webhook, count] of Object.entries(this.#queue.waiting())) {
      if (known.has(webhook)) continue;
      this.counts.unconfigured += db.transaction(() => this.#queue.forget(webhook));
      log.warn({ webhook, count }, 'notifications were given up: their webhook is not configured any more');
    }
  }

  waiting(): Readonly<Record<string, number>> {
    return this.#queue.waiting();
  }

  breakers(): Readonly<Record<string, BreakerState>> {
    return Object.fromEntries([...this.#notifiers].map(([name, notifier]) => [name, notifier.breaker]));
  }
}
