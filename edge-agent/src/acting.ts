/**
 * The side of the core that acts: what alarms decided is carried out once it is durable, and what comes of it, from people and from the
 * clock goes back into the journal. Everything here starts anew with the process; what must not is in the log.
 */
import type { Action, ActionOutcome } from './actions/action.ts';
import { ActionRunner } from './actions/action-runner.ts';
import { controlSource } from './alarms/commands.ts';
import { AlarmDesk } from './alarms/desk.ts';
import { Urgency } from './alarms/urgency.ts';
import { ClockSteps } from './clock-steps.ts';
import type { CorePorts } from './core-ports.ts';
import { type Guard, guardedActuator, guardedClock } from './guarded.ts';
import type { Replayable } from './replayable.ts';
import type { SourceBatch } from './sources/batch-port.ts';

export interface ActingPorts extends Pick<CorePorts, 'clock' | 'random' | 'log' | 'actuator'> {
  readonly guard: Guard;
  readonly submit: (batch: SourceBatch) => void;
  /** An outcome waits for a commit. */
  readonly onOutcome: () => void;
}

export class Acting {
  readonly desk: AlarmDesk;
  readonly #replayable: Replayable;
  readonly #clock: CorePorts['clock'];
  readonly #runner: ActionRunner;
  readonly #urgency: Urgency;
  readonly #clockSteps: ClockSteps;
  readonly #hasAlarms: boolean;
  #isCommitUrgent = false;

  constructor(replayable: Replayable, ports: ActingPorts) {
    const { clock, random, log, guard, onOutcome } = ports;
    const { agent, pipelines, alarms } = replayable.config;
    this.#replayable = replayable;
    this.#clock = clock;
    this.#hasAlarms = alarms.length > 0;
    const actuator = guardedActuator(ports.actuator, guard);
    this.#runner = new ActionRunner({ clock: guardedClock(clock, guard), random, log, actuator, onOutcome });
    this.desk = new AlarmDesk(agent, replayable.alarms, clock, ports.submit);
    this.#urgency = new Urgency(pipelines, alarms, replayable.alarms);
    this.#clockSteps = new ClockSteps(clock);
  }

  /** Carries out what a process before this one decided and did not record as done. */
  start(): void {
    if (this.#hasAlarms) this.desk.started();
    const now = this.#clock.now();
    for (const action of this.#replayable.pending.values()) this.#runner.add(action, now - action.at);
  }

  stop(): void {
    this.#runner.stop();
  }

  /** Whether a batch that came in should be committed at once. */
  isUrgent(batch: SourceBatch): boolean {
    if (batch.source === controlSource) return true;
    const isUrgent = this.#urgency.isUrgent(batch, this.#clock.monotonic());
    this.#isCommitUrgent ||= isUrgent;
    return isUrgent;
  }

  learn(batch: SourceBatch): void {
    this.#urgency.learn(batch);
  }

  /** Before a commit takes what came in. */
  prepare(): void {
    const stepMs = this.#clockSteps.take();
    if (stepMs !== 0 && this.#hasAlarms) this.desk.clockStepped(stepMs);
  }

  takeOutcomes(): ActionOutcome[] {
    return this.#runner.takeOutcomes();
  }

  /** After a commit is durable. */
  carryOut(actions: readonly Action[], hasTold: boolean): void {
    if (this.#isCommitUrgent) this.#urgency.spent(this.#clock.monotonic(), hasTold);
    this.#isCommitUrgent = false;
    for (const action of actions) this.#runner.add(action, 0);
  }

  /** Ms until alarms have something to do without inputs. */
  dueInMs(): number {
    return this.#replayable.alarms.dueAt() - this.#clock.now();
  }
}
