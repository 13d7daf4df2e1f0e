/**
 * One branch: the operators of one pipeline in their order, from the columns that come in to the items of its stream. What an operator
 * emits by a timer goes through those after it, as what it emits at once does.
 */
import type { Lane } from '@fogline/shared/protocol/limits';
import type { ReadingColumns } from '@fogline/shared/reading';
import type { PipelineConfig } from '../core-config.ts';
import type { Items, Operator, SeriesRegistry } from './operator.ts';
import { SeriesSpace } from './series-space.ts';
import { stepsOf } from './steps.ts';

/** Items of one stream. */
export type StreamItems = Items & {
  /** Name of the pipeline. */
  readonly stream: string;
  readonly lane: Lane;
  /** They are the source's own columns, unchanged, and need not be stored again. */
  readonly isInput: boolean;
  /** False: they stay on the agent. */
  readonly isSent: boolean;
};

/** State of one operator, kept under a key that changes with its configuration and with everything before it. */
export interface OperatorState {
  readonly key: string;
  readonly state: Uint8Array;
}

/** Hears what each operator made of what came to it. Columns are valid until it returns. */
export type PipelineObserver = (seen: {
  readonly pipeline: string;
  readonly step: string;
  readonly before: ReadingColumns;
  readonly after: Items;
  /** Series of both, as they are at this step. */
  readonly definitionOf: (id: number) => ReturnType<SeriesRegistry['definitionOf']>;
}) => void;

export interface Step {
  readonly name: string;
  readonly key: string;
  readonly operator: Operator;
}

export class Branch {
  readonly config: PipelineConfig;
  /** Stands for the whole branch in the keys of those that take from it. */
  readonly key: string;
  readonly steps: readonly Step[];
  readonly #space: SeriesSpace;
  readonly #isInput: boolean;

  /** `upstream` is the key of what it takes from; `isInput`: its stream is the source's own columns. */
  constructor(config: PipelineConfig, upstream: string, isInput: boolean, registry: SeriesRegistry) {
    this.config = config;
    this.#isInput = isInput;
    this.#space = new SeriesSpace(config.name, registry);
    let key = JSON.stringify([upstream, config.name]);
    this.steps = stepsOf(config).map((step) => {
      key = JSON.stringify([key, step.name, step.config]);
      return { name: step.name, key, operator: this.#space.add(step.create) };
    });
    this.key = key;
  }

  process(columns: ReadingColumns, now: number, observer?: PipelineObserver): StreamItems[] {
    return this.#finish(this.#through({ kind: 'readings', columns }, 0, now, observer));
  }

  tick(now: number, observer?: PipelineObserver): StreamItems[] {
    return this.steps.flatMap(({ operator }, index) => {
      const items = operator.tick(now);
      return items === undefined ? [] : this.#finish(this.#through(items, index + 1, now, observer));
    });
  }

  /** Ends what those operators hold open whose keys are not kept; the rest of the branch takes it as it stands. */
  drain(kept: ReadonlySet<string>, now: number): StreamItems[] {
    return this.steps.flatMap(({ key, operator }, index) => {
      const items = kept.has(key) ? undefined : operator.drain();
      return items === undefined ? [] : this.#finish(this.#through(items, index + 1, now));
    });
  }

  #through(items: Items, from: number, now: number, observer?: PipelineObserver): Items {
    let current = items;
    for (let index = from; index < this.steps.length; index++) {
      const step = this.steps[index];
      if (step === undefined || current.kind !== 'readings') break;
      const before = current.columns;
      current = step.operator.process(before, now);
      observer?.({
        pipeline: this.config.name,
        step: step.name,
        before,
        after: current,
        definitionOf: (id) => this.#space.definitionAfter(id, index),
      });
    }
    return current;
  }

  #finish(items: Items): StreamItems[] {
    if (items.columns.count === 0) return [];
    const { name: stream, lane, isLocal } = this.config;
    const own = this.#isInput ? items : this.#space.toStream(items);
    return [{ ...own, stream, lane, isSent: isLocal !== true, isInput: this.#isInput }];
  }
}
