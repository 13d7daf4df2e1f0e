/** The room as the rest of the hub sees it, and its timers. */
import type { LookupFunction } from 'node:net';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import type { AppliedBatch } from '../ingest/ports.ts';
import type { AlarmsConfig } from './alarm-config.ts';
import { AlarmDeeds } from './alarm-deeds.ts';
import { AlarmDesk, type AlarmSubjects } from './alarm-desk.ts';
import { AlarmView, countByState } from './alarm-view.ts';
import { Webhooks } from './webhooks.ts';

export interface AlarmsOptions {
  readonly db: Database;
  readonly subjects: AlarmSubjects;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'warn'>;
  readonly config: AlarmsConfig;
  /** How names of webhooks are resolved; default: by the system, and only to addresses that may be reached. */
  readonly lookup?: LookupFunction;
}

const tickMs = 1_000;
const expireMs = 60_000;
/** Entries of the history that leave at once. */
const expiredAtOnceMax = 1_000;

export class Alarms {
  readonly deeds: AlarmDeeds;
  readonly webhooks: Webhooks;
  readonly #options: AlarmsOptions;
  readonly #desk: AlarmDesk;
  #timers: Timer[] = [];

  constructor(options: AlarmsOptions) {
    this.#options = options;
    this.deeds = new AlarmDeeds(options.db);
    this.webhooks = new Webhooks({ ...options, webhooks: options.config.webhooks });
    this.#desk = new AlarmDesk(options.db, {
      subjects: options.subjects,
      tell: (alarm, nowMs) => this.webhooks.tell(alarm, nowMs),
    });
  }

  /** Within the transaction that applies the batch. */
  applied(batch: AppliedBatch): void {
    this.#desk.applied(batch, this.#options.clock.now());
  }

  /** The alarms of agents of these sites; undefined = all. */
  seenBy(sites: readonly string[] | undefined): AlarmView {
    return new AlarmView(this.#options.db, sites);
  }

  countByState(): Readonly<Record<string, number>> {
    return countByState(this.#options.db);
  }

  /** By webhook: 0 closed, 1 half open, 2 open. */
  breakerLevels(): Readonly<Record<string, number>> {
    const levels = ['closed', 'half_open', 'open'];
    return Object.fromEntries(
      Object.entries(this.webhooks.breakers()).map(([name, state]) => [name, levels.indexOf(state)]),
    );
  }

  /** Transitions since the start of this process, by what became of them. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#desk.counts };
  }

  /** `fail`: the storage failed; nothing more is done. */
  start(fail: (error: unknown) => void): void {
    const { db, clock, config } = this.#options;
    this.webhooks.start(fail);
    this.#every('hub.alarms', tickMs, fail, () => this.#desk.tellDue(clock.now()));
    this.#every('hub.alarms-expiry', expireMs, fail, () => {
      db.transaction(() => this.#desk.table.expire(clock.now() - config.keepMs, expiredAtOnceMax));
    });
  }

  stop(): void {
    this.webhooks.stop();
    for (const timer of this.#timers) timer.cancel();
  }

  #every(name: string, ms: number, fail: (error: unknown) => void, work: () => void): void {
    const at = this.#timers.length;
    const arm = (): void => {
      this.#timers[at] = this.#options.clock.after(name, ms, () => {
        try {
          work();
        } catch (error) {
          fail(error);
          return;
        }
        arm();
      });
    };
    arm();
  }
}
