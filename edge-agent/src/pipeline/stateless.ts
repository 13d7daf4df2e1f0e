/** What operators without timers and without state have in common. */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { Items, Operator } from './operator.ts';

const nothing = new Uint8Array(0);

/** An operator that looks at the columns at hand and remembers nothing. */
export abstract class StatelessOperator implements Operator {
  readonly drops = new Map<string, number>();

  abstract describe(definition: SeriesDefinition): SeriesDefinition;
  abstract process(columns: ReadingColumns, now: number): Items;

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  save(): Uint8Array {
    return nothing;
  }

  restore(): void {}
}
