/**
 * What is to be told to whom, in the hub's database: a row is written with the transition that it tells of, and leaves when that was told or
 * given up. Bounded: of one webhook the oldest leaves beyond `notificationsMax`.
 */
import { createHash } from 'node:crypto';
import type { Database, Statement } from '@fogline/shared/sqlite';
import type { Place } from './alarm-state.ts';
import type { AlarmRow } from './alarm-view.ts';
import type { Message } from './webhook-post.ts';

export const queueLimits = { notificationsMax: 10_000, expiresMs: 86_400_000 } as const;

export interface Notification extends Message {
  readonly row: number;
  readonly atMs: number;
}

interface NotificationSql {
  readonly row: number;
  readonly id: string;
  readonly body: string;
  readonly atMs: number;
}

export class NotificationQueue {
  readonly #insert: Statement<never>;
  readonly #trim: Statement<never>;
  readonly #next: Statement<NotificationSql>;
  readonly #remove: Statement<never>;
  readonly #expire: Statement<never>;
  readonly #waiting: Statement<{ webhook: string; count: number }>;
  readonly #forget: Statement<never>;

  constructor(db: Database) {
    this.#insert = db.prepare('INSERT INTO notifications (webhook, message, body, at) VALUES (?, ?, ?, ?)');
    this.#trim = db.prepare(
      `DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE webhook = ?
       ORDER BY id DESC LIMIT -1 OFFSET ${queueLimits.notificationsMax})`,
    );
    this.#next = db.prepare(
      'SELECT n.id AS row, n.message AS id, n.body, n.at AS atMs FROM notifications n WHERE n.webhook = ? ORDER BY n.id LIMIT 1',
    );
    this.#remove = db.prepare('DELETE FROM notifications WHERE id = ?');
    this.#expire = db.prepare('DELETE FROM notifications WHERE webhook = ? AND at <= ?');
    this.#waiting = db.prepare('SELECT webhook, count(*) AS count FROM notifications GROUP BY webhook');
    this.#forget = db.prepare('DELETE FROM notifications WHERE webhook = ?');
  }

  /** Returns how many were dropped to make room. */
  add(webhook: string, { id, body }: Message, nowMs: number): number {
    this.#insert.run(webhook, id, body, nowMs);
    return this.#trim.run(webhook).changes;
  }

  /** The oldest. */
  next(webhook: string): Notification | undefined {
    return this.#next.get(webhook);
  }

  remove(row: number): void {
    this.#remove.run(row);
  }

  /** Returns how many were given up. */
  expire(webhook: string, nowMs: number): number {
    return this.#expire.run(webhook, nowMs - queueLimits.expiresMs).changes;
  }

  waiting(): Record<string, number> {
    return Object.fromEntries(this.#waiting.all().map(({ webhook, count }) => [webhook, count]));
  }

  /** Returns how many waited for a webhook that is not configured any more. */
  forget(webhook: string): number {
    return this.#forget.run(webhook).changes;
  }
}

export function isExpired({ atMs }: Notification, nowMs: number): boolean {
  return atMs <= nowMs - queueLimits.expiresMs;
}

/** What a webhook is sent: the alarm as the API has it, under an id that is the same whenever this is decided again. */
export function messageOf(webhook: string, alarm: AlarmRow, place: Place): Message {
  const { origin, alarm: name, agent, device, metric, tags } = alarm;
  const identity = JSON.stringify([webhook, origin, name, agent, device, metric, tags, place, alarm.state]);
  const id = `msg_${createHash('sha256').update(identity).digest('base64url').slice(0, 27)}`;
  const timestamp = new Date(place[0]).toISOString();
  return { id, body: JSON.stringify({ type: `alarm.${alarm.state}`, timestamp, data: alarm }) };
}
