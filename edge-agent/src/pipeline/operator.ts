/**
 * What an operator is. Operators are deterministic: they see the columns of one source in canonical order, commit by commit,
 * and the commit's `now`, and nothing else; so a replay of the journal rebuilds their state.
 *
 * An operator keeps the ids of the series that come in. What it changes of them it tells by `describe`; only the end of a branch makes
 * durable series of its stream. Operators that make several series of one define virtual ids (decision 0003).
 */
import type { ReadingColumns, SeriesDefinition, WindowColumns } from '@fogline/shared/reading';

export type Items =
  | { readonly kind: 'readings'; readonly columns: ReadingColumns }
  | { readonly kind: 'windows'; readonly columns: WindowColumns };

/** Ids from here on are of series that live inside a branch only. */
export const virtualIdMin = 2 ** 31;

/** Finds or makes durable series ids; ids of one definition never change. */
export interface SeriesRegistry {
  /** `isLocal`: the series stays on the agent. */
  idOf(definition: SeriesDefinition, isLocal?: boolean): number;
  definitionOf(id: number): SeriesDefinition;
}

/** The series as they reach one operator, changed by those before it. */
export interface SeriesView {
  definitionOf(id: number): SeriesDefinition;
  /** A new virtual id: at least 2^31, the same for the same calls in the same order. The operator saves those it made and restores them. */
  define(definition: SeriesDefinition): number;
  /** Gives a saved virtual id its definition again. */
  redefine(id: number, definition: SeriesDefinition): void;
}

/** Rows that went no further, by reason, since the process started. */
export type Drops = ReadonlyMap<string, number>;

/** One step of a branch. What it hands out is its own and changes no more. */
export interface Operator {
  /** What becomes of a series that came in. Virtual ids are described by `define`. */
  describe(definition: SeriesDefinition): SeriesDefinition;
  process(columns: ReadingColumns, now: number): Items;
  /** Called once per commit after `process`, and at commits without input. Returns undefined when there is nothing to emit. */
  tick(now: number): Items | undefined;
  /** When `tick` has something to do, ms of wall time; undefined when never. */
  dueAt(now: number): number | undefined;
  /** Ends everything that is open, for a change of configuration. */
  drain(): Items | undefined;
  save(): Uint8Array;
  restore(state: Uint8Array): void;
  readonly drops: Drops;
}

/** An operator that hands on at once what it makes of its input. */
export abstract class Immediate {
  readonly drops = new Map<string, number>();

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}
}

/** One that remembers nothing that a restart must bring back. */
export abstract class Stateless extends Immediate {
  save(): Uint8Array {
    return new Uint8Array(0);
  }

  restore(): void {}
}
