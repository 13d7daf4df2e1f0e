/**
 * What a replay gives again: the pipeline, the alarms behind it and the actions that wait. One commit is one call of `run`, live and in a
 * replay alike, with the same inputs in the same order, the same outcomes and the same `now`; whatever it returns is a function of these.
 */
import type { ReadingColumns } from '@fogline/shared/reading';
import type { Action, ActionOutcome } from './actions/action.ts';
import { PendingActions, pendingKey } from './actions/pending-actions.ts';
import type { AlarmConfig } from './alarms/alarm-config.ts';
import { Alarms } from './alarms/alarms.ts';
import { controlSource } from './alarms/commands.ts';
import type { PipelineConfig } from './core-config.ts';
import type { OperatorState, StreamItems } from './pipeline/branch.ts';
import type { SeriesRegistry } from './pipeline/operator.ts';
import { Pipeline } from './pipeline/pipeline.ts';

/** What the database keeps as its active configuration. */
export interface ReplayConfig {
  readonly agent: string;
  readonly pipelines: readonly PipelineConfig[];
  readonly alarms: readonly AlarmConfig[];
}

export interface CommitInputs {
  readonly now: number;
  readonly inputs: readonly { readonly source: string; readonly columns: ReadingColumns }[];
  readonly outcomes: readonly ActionOutcome[];
}

export interface CommitResults {
  /** By input, what became of it at once. */
  readonly ofInputs: readonly (readonly StreamItems[])[];
  /** What timers and alarms added. */
  readonly further: readonly StreamItems[];
  /** A transition is among them. */
  readonly hasTold: boolean;
  readonly actions: readonly Action[];
  /** What happened, by name. */
  readonly counted: readonly (readonly [name: string, count: number])[];
}

export class Replayable {
  readonly config: ReplayConfig;
  readonly pipeline: Pipeline;
  readonly alarms: Alarms;
  readonly pending = new PendingActions();
  readonly #filtered = new Map<string, number>();

  constructor(config: ReplayConfig, registry: SeriesRegistry) {
    this.config = config;
    this.pipeline = new Pipeline(config.pipelines, registry);
    this.alarms = new Alarms(config.agent, config.alarms, registry);
  }

  run({ now, inputs, outcomes }: CommitInputs): CommitResults {
    const ofInputs = inputs.map(({ source, columns }) => {
      if (source !== controlSource) return this.#watch(this.pipeline.process(source, columns, now), now);
      this.alarms.takeControl(columns, now);
      return [];
    });
    const ticked = this.#watch(this.pipeline.tick(now), now);
    for (const [id, outcome] of outcomes) {
      const action = this.pending.settle(id);
      if (action !== undefined) this.alarms.takeOutcome(action, outcome, now);
    }
    this.alarms.tick(now);
    return { ofInputs, ...this.#results(ticked) };
  }

  /** When `run` has something to do without inputs, ms of wall time; Infinity when never. */
  dueAt(now: number): number {
    return Math.min(this.pipeline.dueAt(now) ?? Number.POSITIVE_INFINITY, this.alarms.dueAt());
  }

  keys(): Set<string> {
    return new Set([...this.pipeline.keys(), ...this.alarms.keys(), pendingKey]);
  }

  /** Ends what is not kept, under the configuration that made it. What still waits to be carried out stays with `pending`. */
  drain(kept: ReadonlySet<string>, now: number): Omit<CommitResults, 'ofInputs'> {
    const streams = this.#watch(this.pipeline.drain(kept, now), now);
    this.alarms.drain(kept, now);
    return this.#results(streams);
  }

  save(): OperatorState[] {
    return [...this.pipeline.save(), ...this.alarms.save(), this.pending.save()];
  }

  /** Restores what is found; the rest is new. */
  restore(states: readonly OperatorState[]): void {
    this.pipeline.restore(states);
    this.alarms.restore(states);
    this.pending.restore(states);
  }

  #watch(streams: StreamItems[], now: number): StreamItems[] {
    for (const items of streams) this.alarms.take(items, now);
    return streams;
  }

  #results(streams: readonly StreamItems[]): Omit<CommitResults, 'ofInputs'> {
    const transitions = this.alarms.takeTransitions();
    const actions = this.alarms.takeActions();
    this.pending.add(actions);
    const further = transitions === undefined ? streams : [...streams, transitions];
    const counted = [...this.alarms.takeCounted(), ...this.#takeFiltered()];
    return { further, hasTold: transitions !== undefined, actions, counted };
  }

  /** What pipelines held back since the last call. */
  *#takeFiltered(): Generator<[string, number]> {
    for (const [name, count] of this.pipeline.drops()) {
      const since = count - (this.#filtered.get(name) ?? 0);
      if (since > 0) yield [`filtered.${name}`, since];
      this.#filtered.set(name, count);
    }
  }
}
