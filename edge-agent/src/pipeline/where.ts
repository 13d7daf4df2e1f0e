/**
 * `where`: the moments for which the expression is true go on, whole; the others are counted, and so are those for which it has no result,
 * because a metric is missing or something was divided by zero.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { ExpressionConfig } from '../core-config.ts';
import { compileExpression } from '../expressions/expression.ts';
import { addDrop } from './drops.ts';
import { type HeldRow, Moments } from './moments.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { lossiest } from './sampling.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

export class Where implements Operator {
  readonly #moments: Moments;
  /** It looks at the device alone, so a series passes whole or not at all. */
  readonly #isWhole: boolean;
  readonly #rows = new RowSelection();
  readonly drops = new Map<string, number>();

  /** Throws `config_invalid`. */
  constructor({ text, holdMs }: ExpressionConfig, view: SeriesView) {
    const expression = compileExpression(text);
    this.#moments = new Moments(expression, holdMs, view);
    this.#isWhole = expression.variables.every((name) => name === 'device');
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return this.#isWhole ? definition : { ...definition, ...lossiest(definition, { sampling: 'subset', holdMs: 0 }) };
  }

  process(columns: ReadingColumns): Items {
    const { time, count } = columns;
    const passes = new Uint8Array(count);
    const verdicts = new Map<number, 'passes' | 'not_matched' | 'no_result'>();
    for (const device of this.#moments.group(columns)) {
      verdicts.clear();
      for (const { from, to } of device.all) {
        for (let row = from; row < to; row++) {
          const at = time[row] ?? 0;
          let verdict = verdicts.get(at);
          if (verdict === undefined) {
            const result = this.#moments.evaluate(device, at);
            verdict = result === true ? 'passes' : result === undefined ? 'no_result' : 'not_matched';
            verdicts.set(at, verdict);
          }
          if (verdict === 'passes') passes[row] = 1;
          else addDrop(this.drops, verdict);
        }
      }
      this.#moments.remember(device);
    }
    this.#rows.begin(count);
    for (let row = 0; row < count; row++) if (passes[row] === 1) this.#rows.add(row);
    return { kind: 'readings', columns: this.#rows.take(columns) };
  }

  tick(): undefined {}

  dueAt(): undefined {}

  drain(): undefined {}

  save(): Uint8Array {
    return packState(stateVersion, this.#moments.save());
  }

  restore(saved: Uint8Array): void {
    this.#moments.restore((unpackState(saved, stateVersion) as [HeldRow[]])[0]);
  }
}
