/**
 * Evaluates the rules of this hub, some milliseconds at a time: each rule once for each of its buckets, when that has settled. Nothing of it must
 * survive a crash: what is decided is in the database, and the next process looks at the last buckets again.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { bucketOf } from '../store/levels.ts';
import type { StoreRead } from '../store/read.ts';
import type { AlarmDesk, Decision } from './alarm-desk.ts';
import type { OnOfRule } from './alarm-table.ts';
import { type Evaluated, evaluateRule, type RuleStore } from './evaluate-rule.ts';
import { decide, type RuleConfig } from './rule.ts';

export interface RuleRunnerPorts {
  readonly desk: AlarmDesk;
  readonly store: RuleStore & Pick<StoreRead, 'agent'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  /** Something waits to be committed: rules wait. */
  isBusy(): boolean;
  /** On a full disk nothing can be decided. */
  hasRoom(): boolean;
  /** The storage failed. */
  fail(error: unknown): void;
}

/** Since the start of this process. `skipped`: buckets that were not looked at, because a rule was still busy with an older one. */
export interface RuleCounts {
  evaluated: number;
  series: number;
  unanswerable: number;
  skipped: number;
}

/** Agents that come back after a restart of the hub bring what they hold; only then is it looked at. */
const graceMs = 120_000;
const idleMs = 1_000;
const everyMs = 25;
/** Of each turn: about a tenth of the time, while there is something to do. */
const budgetMs = 3;
/** Of each turn: they are written when its time is over. */
const decisionsMax = 16;
/** A turn that finds messages waiting is left out, but not for ever. */
const postponedMax = 20;

interface Job {
  readonly rule: RuleConfig;
  readonly endMs: number;
  readonly evaluation: Generator<Evaluated | undefined>;
  /** Its alarms that were on when it began and were not looked at yet, by agent and series. */
  readonly on: Map<string, OnOfRule>;
}

export class RuleRunner {
  readonly counts: RuleCounts = { evaluated: 0, series: 0, unanswerable: 0, skipped: 0 };
  readonly #rules: readonly RuleConfig[];
  readonly #ports: RuleRunnerPorts;
  readonly #lastEndMs = new Map<string, number>();
  readonly #complaints = new Map<string, string>();
  #job: Job | undefined;
  #timer: Timer | undefined;
  #postponed = 0;

  constructor(rules: readonly RuleConfig[], ports: RuleRunnerPorts) {
    this.#rules = rules;
    this.#ports = ports;
  }

  start(): void {
    this.#arm(graceMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #arm(ms: number): void {
    this.#timer = this.#ports.clock.after('hub.rules', ms, () => {
      try {
        this.#turn();
      } catch (error) {
        this.#ports.fail(error);
        return;
      }
      this.#arm(this.#job === undefined ? idleMs : everyMs);
    });
  }

  #turn(): void {
    const { clock, desk, isBusy, hasRoom } = this.#ports;
    if (!hasRoom()) return;
    if (isBusy() && this.#postponed < postponedMax) {
      this.#postponed++;
      return;
    }
    this.#postponed = 0;
    const stopMs = clock.monotonic() + budgetMs;
    const decisions: Decision[] = [];
    do {
      this.#job ??= this.#nextJob();
      if (this.#job === undefined) break;
      this.#step(this.#job, decisions);
    } while (clock.monotonic() < stopMs && decisions.length < decisionsMax);
    desk.decided(decisions, clock.now());
  }

  /** The rule whose settled bucket has waited longest. */
  #nextJob(): Job | undefined {
    const { clock, store, desk } = this.#ports;
    const nowMs = clock.now();
    const due = this.#rules
      .map((rule) => ({ rule, endMs: bucketOf(nowMs - rule.settleMs, rule.everyMs) }))
      .filter(({ rule, endMs }) => this.#isNew(rule, endMs))
      .sort((a, b) => a.endMs - b.endMs);
    const [first] = due;
    if (first === undefined) return undefined;
    const { rule, endMs } = first;
    const before = this.#lastEndMs.get(rule.name);
    if (before !== undefined && before < endMs) this.counts.skipped += (endMs - before) / rule.everyMs - 1;
    this.#lastEndMs.set(rule.name, endMs);
    const on = new Map(desk.table.onOfRule(rule.name).map((alarm) => [`${alarm.agent}/${alarm.series}`, alarm]));
    return { rule, endMs, evaluation: evaluateRule(store, rule, endMs, nowMs), on };
  }

  /** A clock that was set back by a bucket or more was wrong before: its time counts now. */
  #isNew({ name, everyMs }: RuleConfig, endMs: number): boolean {
    const before = this.#lastEndMs.get(name);
    return before === undefined || endMs > before || before - endMs > everyMs;
  }

  #step(job: Job, decisions: Decision[]): void {
    const step = this.#next(job);
    if (step === 'end') {
      const [gone] = job.on;
      if (gone === undefined) {
        this.#job = undefined;
        this.counts.evaluated++;
        return;
      }
      const [key, { agent, series }] = gone;
      job.on.delete(key);
      decisions.push(decisionOf(job, agent, series, 'ended'));
      return;
    }
    if (step === undefined) return;
    const { series, values } = step;
    const agent = this.#ports.store.agent(series.agent)?.id ?? 0;
    const key = `${agent}/${series.id}`;
    const word = job.on.get(key)?.word ?? 'cleared';
    job.on.delete(key);
    this.counts.series++;
    if (values instanceof FoglineError) {
      this.counts.unanswerable++;
      this.#complain(job.rule, values.message);
      return;
    }
    const decided = decide(job.rule, values, word);
    if (decided !== undefined) decisions.push(decisionOf(job, agent, series.id, decided));
  }

  /** A rule that matches too much decides nothing. */
  #next(job: Job): Evaluated | undefined | 'end' {
    try {
      const step = job.evaluation.next();
      return step.done === true ? 'end' : step.value;
    } catch (error) {
      if (!hasCode(error, 'query_invalid')) throw error;
      this.#complain(job.rule, error.message);
      job.on.clear();
      return 'end';
    }
  }

  /** Once, until it is another. */
  #complain({ name }: RuleConfig, problem: string): void {
    if (this.#complaints.get(name) === problem) return;
    this.#complaints.set(name, problem);
    this.#ports.log.warn({ rule: name, problem }, 'a rule cannot look at all that it matches');
  }
}

function decisionOf({ rule, endMs }: Job, agent: number, series: number, word: Decision['word']): Decision {
  const identity = { origin: 'rule', rule: rule.name, agent, series } as const;
  return { identity, severity: rule.severity, word, timeMs: endMs };
}
