/**
 * Carries out actions after the commit that decided them. Those of one output (alarm, device, step) go in order; each is tried until it is
 * done or expired, never after its expiry, which runs on the monotonic clock. What became of each is handed to a later commit. A crash
 * loses nothing: what no commit settled comes again with the next start.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Clock } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Action, ActionCall, ActionOutcome, Outcome } from './action.ts';

/** Who carries actions out. */
export interface Actuator {
  /**
   * Tries once, within `timeoutMs`, and calls `end` once, at once or later: true when a broker has taken it and somebody listens, or a
   * server has accepted it. Does not throw.
   */
  carryOut(call: ActionCall, timeoutMs: number, end: (isDone: boolean) => void): void;
}

export interface RunnerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly actuator: Actuator;
  /** `takeOutcomes` has something. */
  readonly onOutcome: () => void;
}

/** Actions that wait; beyond them the oldest is dropped. */
const actionsMax = 1000;
const attemptMsMax = 10_000;
/** A publish waits for its subscriber, who may come back any moment; a server that failed is given time. */
const retry = {
  publish: { baseMs: 100, maxMs: 1000, healthyMs: 1 },
  webhook: { baseMs: 500, maxMs: 10_000, healthyMs: 1 },
} as const;

interface Waiting {
  readonly action: Action;
  /** Monotonic. */
  readonly deadline: number;
  readonly backoff: Backoff;
}

interface Output {
  readonly key: string;
  readonly waiting: Waiting[];
  /** Its first is being tried, or waits to be tried again. */
  isBusy: boolean;
}

export class ActionRunner {
  readonly #ports: RunnerPorts;
  readonly #outputs = new Map<string, Output>();
  #outcomes: ActionOutcome[] = [];
  #count = 0;
  #isStopped = false;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  get hasOutcomes(): boolean {
    return this.#outcomes.length > 0;
  }

  /** An action that is durable. `age`: how long ago it was decided; negative when the wall clock was set back since. */
  add(action: Action, ageMs: number): void {
    const { clock, random } = this.#ports;
    const key = JSON.stringify([action.alarm, action.device, action.tags, action.step]);
    const output = this.#outputs.get(key) ?? { key, waiting: [], isBusy: false };
    this.#outputs.set(key, output);
    // Decided in a future that this clock has not reached: nobody knows how long ago that is.
    const leftMs = ageMs < 0 ? 0 : action.expiresAt - action.at - ageMs;
    const backoff = new Backoff(retry[action.call.kind], random);
    output.waiting.push({ action, deadline: clock.monotonic() + leftMs, backoff });
    this.#count++;
    if (this.#count > actionsMax) this.#dropOldest();
    this.#advance(output);
  }

  /** Since the last call. */
  takeOutcomes(): ActionOutcome[] {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    return outcomes;
  }

  stop(): void {
    this.#isStopped = true;
  }

  #advance(output: Output): void {
    for (let first = output.waiting[0]; !output.isBusy && !this.#isStopped; first = output.waiting[0]) {
      if (first === undefined) {
        this.#outputs.delete(output.key);
        return;
      }
      const leftMs = first.deadline - this.#ports.clock.monotonic();
      if (leftMs <= 0) this.#settle(output, first, 'expired');
      else this.#attempt(output, first, leftMs);
    }
  }

  #attempt(output: Output, waiting: Waiting, leftMs: number): void {
    output.isBusy = true;
    let isWithin = true;
    this.#ports.actuator.carryOut(waiting.action.call, Math.min(attemptMsMax, leftMs), (isDone) => {
      if (this.#isStopped) return;
      if (!isDone) {
        this.#again(output, waiting);
        return;
      }
      output.isBusy = false;
      this.#settle(output, waiting, 'done');
      if (!isWithin) this.#advance(output);
    });
    isWithin = false;
  }

  #again(output: Output, { deadline, backoff }: Waiting): void {
    const { clock } = this.#ports;
    const delayMs = Math.min(backoff.nextDelayMs(0), deadline - clock.monotonic());
    clock.after('agent.action', Math.max(1, delayMs), () => {
      output.isBusy = false;
      this.#advance(output);
    });
  }

  #settle(output: Output, waiting: Waiting, outcome: Outcome): void {
    const at = output.waiting.indexOf(waiting);
    // Dropped while it was tried.
    if (at < 0) return;
    output.waiting.splice(at, 1);
    this.#count--;
    const { id, alarm, device, step, phase } = waiting.action;
    if (outcome !== 'done')
      this.#ports.log.warn({ alarm, device, step, phase }, `an action was not carried out: ${outcome}`);
    this.#outcomes.push([id, outcome]);
    this.#ports.onOutcome();
  }

  #dropOldest(): void {
    let oldest: { output: Output; waiting: Waiting } | undefined;
    for (const output of this.#outputs.values()) {
      const waiting = output.waiting[0];
      if (waiting !== undefined && waiting.action.id < (oldest?.waiting.action.id ?? Number.POSITIVE_INFINITY))
        oldest = { output, waiting };
    }
    if (oldest !== undefined) this.#settle(oldest.output, oldest.waiting, 'dropped');
  }
}
