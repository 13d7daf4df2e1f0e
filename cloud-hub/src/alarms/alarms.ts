/** The room as the rest of the hub sees it, and its timers. */
import type { LookupFunction } from 'node:net';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import type { AppliedBatch, CommittedChange } from '../ingest/ports.ts';
import type { StoreRead } from '../store/read.ts';
import type { AlarmsConfig } from './alarm-config.ts';
import { AlarmDeeds } from './alarm-deeds.ts';
import { AlarmDesk, type Decision } from './alarm-desk.ts';
import type { StoredAlarm } from './alarm-table.ts';
import { AlarmView, countByState } from './alarm-view.ts';
import { MissingWatch } from './missing-watch.ts';
import { type RuleCounts, RuleRunner } from './rule-runner.ts';
import { Webhooks } from './webhooks.ts';

export interface AlarmsOptions {
  readonly db: Database;
  readonly store: StoreRead;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Logger, 'warn'>;
  readonly config: AlarmsConfig;
  /** Something waits to be committed: rules wait. */
  isBusy(): boolean;
  /** Of the disk: without it nothing is written here, until there is. */
  hasRoom(): boolean;
  /** How names of webhooks are resolved; default: by the system, and only to addresses that may be reached. */
  readonly lookup?: LookupFunction;
}

const tickMs = 1_000;
const lookMs = 5_000;
const tidyMs = 60_000;
/** Entries of the history that leave at once. */
const expiredAtOnceMax = 1_000;
/** Alarms whose series was merged into another that end at once. */
const mergedAtOnceMax = 16;

export class Alarms {
  readonly deeds: AlarmDeeds;
  readonly webhooks: Webhooks;
  readonly #options: AlarmsOptions;
  readonly #desk: AlarmDesk;
  #missing: MissingWatch | undefined;
  #rules: RuleRunner | undefined;
  #fail: (error: unknown) => void = () => undefined;
  #isTidy = false;
  #mayHaveRevoked = true;
  #timers: Timer[] = [];

  constructor(options: AlarmsOptions) {
    this.#options = options;
    this.deeds = new AlarmDeeds(options.db, () => options.hasRoom());
    this.webhooks = new Webhooks({ ...options, webhooks: options.config.webhooks });
    this.#desk = new AlarmDesk(options.db, {
      subjects: options.store,
      tell: (alarm, nowMs) => this.webhooks.tell(alarm, nowMs),
    });
  }

  /** Within the transaction that applies the batch. */
  applied(batch: AppliedBatch): void {
    this.#desk.applied(batch, this.#options.clock.now());
  }

  committed(change: CommittedChange): void {
    this.#missing?.committed(change);
  }

  /** Agents were revoked, perhaps. */
  credentialsChanged(): void {
    this.#mayHaveRevoked = true;
    this.#guarded(() => this.#tidy());
  }

  /** The alarms of agents of these sites; undefined = all. */
  seenBy(sites: readonly string[] | undefined): AlarmView {
    return new AlarmView(this.#options.db, sites);
  }

  countByState(): Readonly<Record<string, number>> {
    return countByState(this.#options.db);
  }

  get ruleCounts(): Readonly<Record<string, number>> {
    const none: RuleCounts = { evaluated: 0, series: 0, unanswerable: 0, skipped: 0 };
    return { ...(this.#rules?.counts ?? none) };
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
    this.#fail = fail;
    this.#guarded(() => this.#start(fail));
  }

  #start(fail: (error: unknown) => void): void {
    const { db, clock, config, store, log, isBusy, hasRoom } = this.#options;
    this.webhooks.start(fail);
    const { missing, rules } = config;
    if (missing !== undefined) {
      const watch = new MissingWatch(missing, this.#desk, store, clock);
      this.#missing = watch;
      this.#every('hub.missing-agents', lookMs, () => (hasRoom() ? watch.look() : watch.excuse()));
    }
    this.#tidy();
    if (rules.length > 0) {
      this.#rules = new RuleRunner(rules, { desk: this.#desk, store, clock, log, isBusy, hasRoom, fail });
      this.#rules.start();
    }
    this.#every('hub.alarms', tickMs, () => {
      this.#tidy();
      if (hasRoom()) this.#desk.tellDue(clock.now());
    });
    this.#every('hub.alarms-tidy', tidyMs, () => {
      if (!hasRoom()) return;
      this.#end(this.#desk.table.onMerged(mergedAtOnceMax));
      db.transaction(() => this.#desk.table.expire(clock.now() - config.keepMs, expiredAtOnceMax));
    });
  }

  stop(): void {
    this.webhooks.stop();
    this.#rules?.stop();
    this.#missing = undefined;
    for (const timer of this.#timers) timer.cancel();
  }

  /** As soon as there is room: ends and gives up what is waited for no more. */
  #tidy(): void {
    if (!this.#options.hasRoom()) return;
    if (!this.#isTidy) {
      this.webhooks.forgetOthers();
      this.#endUnconfigured();
    }
    this.#isTidy = true;
    if (this.#mayHaveRevoked) this.#missing?.credentialsChanged();
    this.#mayHaveRevoked = false;
  }

  /** What kept them is gone from the configuration. */
  #endUnconfigured(): void {
    const { config } = this.#options;
    const rules = new Set(config.rules.map(({ name }) => name));
    const { table } = this.#desk;
    const gone = [
      ...table.on('rule').filter(({ rule }) => !rules.has(rule)),
      ...(config.missing === undefined ? table.on('missing') : []),
    ];
    this.#end(gone);
  }

  #end(gone: readonly StoredAlarm[]): void {
    const nowMs = this.#options.clock.now();
    const ended = gone.map(({ severity, ...identity }): Decision => {
      return { identity, severity, word: 'ended', timeMs: nowMs };
    });
    this.#desk.decided(ended, nowMs);
  }

  #every(name: string, ms: number, work: () => void): void {
    const at = this.#timers.length;
    const arm = (): void => {
      this.#timers[at] = this.#options.clock.after(name, ms, () => {
        if (this.#guarded(work)) arm();
      });
    };
    arm();
  }

  /** False when the storage failed. */
  #guarded(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }
}
