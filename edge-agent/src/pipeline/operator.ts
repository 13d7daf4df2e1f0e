/**
 * What an operator is. Operators are deterministic: they see the columns of one source in canonical order, commit by commit,
 * and the commit's `now`, and nothing else; so a replay of the journal rebuilds their state.
 */
import type { ReadingColumns, SeriesDefinition, WindowColumns } from '@fogline/shared/reading';

export type Items =
  | { readonly kind: 'readings'; readonly columns: ReadingColumns }
  | { readonly kind: 'windows'; readonly columns: WindowColumns };

/** Finds or makes durable series ids; ids of one definition never change. */
export interface SeriesRegistry {
  idOf(definition: SeriesDefinition): number;
  definitionOf(id: number): SeriesDefinition;
}

export interface Operator {
  process(columns: ReadingColumns, now: number): Items;
  /** Called once per commit after `process`, and at commits without input. Returns undefined when there is nothing to emit. */
  tick(now: number): Items | undefined;
  /** When `tick` has something to do, ms of wall time; undefined when never. */
  dueAt(): number | undefined;
  /** Ends everything that is open, for a change of configuration. */
  drain(): Items | undefined;
  save(): Uint8Array;
  restore(state: Uint8Array): void;
}
