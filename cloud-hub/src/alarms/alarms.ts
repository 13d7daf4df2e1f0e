/** The room as the rest of the hub sees it, and its timers. */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Database } from '@fogline/shared/sqlite';
import type { AppliedBatch } from '../ingest/ports.ts';
import type { AlarmsConfig } from './alarm-config.ts';
import { AlarmDeeds } from './alarm-deeds.ts';
import { AlarmDesk, type AlarmSubjects } from './alarm-desk.ts';
import { AlarmView, countByState } from './alarm-view.ts';

export interface AlarmsOptions {
  readonly db: Database;
  readonly subjects: AlarmSubjects;
  readonly clock: Clock;
  readonly config: AlarmsConfig;
}

const tickMs = 1_000;
const expireMs = 60_000;
/** Entries of the history that leave at once. */
const expiredAtOnceMax = 1_000;

export class Alarms {
  readonly deeds: AlarmDeeds;
  readonly #options: AlarmsOptions;
  readonly #desk: AlarmDesk;
  #timers: Timer[] = [];

  constructor(options: AlarmsOptions) {
    this.#options = options;
    this.deeds = new AlarmDeeds(options.db);
    this.#desk = new AlarmDesk(options.db, { subjects: options.subjects });
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

  /** Transitions since the start of this process, by what became of them. */
  get counts(): Readonly<Record<string, number>> {
    return { ...this.#desk.counts };
  }

  /** `fail`: the storage failed; nothing more is done. */
  start(fail: (error: unknown) => void): void {
    const { db, clock, config } = this.#options;
    this.#every('hub.alarms', tickMs, fail, () => this.#desk.tellDue(clock.now()));
    this.#every('hub.alarms-expiry', expireMs, fail, () => {
      db.transaction(() => this.#desk.table.expire(clock.now() - config.keepMs, expiredAtOnceMax));
    });
  }

  stop(): void {
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
