/**
 * One branch: the operators of one pipeline in their order, from the columns that come in to the items of its stream. What an operator
 * emits by a timer goes through those after it, as what it emits at once does.
 */
import { createHash } from 'node:crypto';
import type { Lane } from '@fogline/shared/protocol/limits';
import type { ReadingColumns } from '@fogline/shared/reading';
import type { PipelineConfig } from '../core-config.ts';
import { noReadings } from './columns.ts';
import type { Drops, Items, Operator, SeriesRegistry } from './operator.ts';
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

/** Hears what each operator made of what came to it, and of what it emitted by a timer (nothing came then). */
export type PipelineObserver = (seen: {
  readonly pipeline: string;
  readonly step: string;
  readonly before: ReadingColumns;
  readonly after: Items;
  /** Of the step, since the process started. */
  readonly drops: Drops;
  /** Series as they come to this step. */
  readonly definitionBefore: SeriesRegistry['definitionOf'];
  /** Series as they leave this step. */
  readonly definitionAfter: SeriesRegistry['definitionOf'];
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
    this.#space = new SeriesSpace(config.name, config.isLocal === true, registry);
    let key = keyOf([upstream, config.name]);
    this.steps = stepsOf(config).map((step) => {
      key = keyOf([key, step.name, step.config]);
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
      if (items === undefined) return [];
      if (observer !== undefined) this.#show(observer, index, noReadings, items);
      return this.#finish(this.#through(items, index + 1, now, observer));
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
      if (observer !== undefined) this.#show(observer, index, before, current);
    }
    return current;
  }

  #show(observer: PipelineObserver, index: number, before: ReadingColumns, after: Items): void {
    const step = this.steps[index];
    if (step === undefined) return;
    observer({
      pipeline: this.config.name,
      step: step.name,
      before,
      after,
      drops: step.operator.drops,
      definitionBefore: (id) => this.#space.definitionAfter(id, index - 1),
      definitionAfter: (id) => this.#space.definitionAfter(id, index),
    });
  }

  #finish(items: Items): StreamItems[] {
    if (items.columns.count === 0) return [];
    const { name: stream, lane, isLocal } = this.config;
    const own = this.#isInput ? items : this.#space.toStream(items);
    return [{ ...own, stream, lane, isSent: isLocal !== true, isInput: this.#isInput }];
  }
}

/** A hash: what stands upstream would otherwise be quoted within quotes, and double at every step. */
function keyOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
