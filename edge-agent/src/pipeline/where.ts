/**
 * Where: moments (a device's readings of one time, moments.ts) for which the expression is true go on whole, the others are dropped whole and
 * counted: `not_matched`, `missing` (a metric that the expression reads is not there), or `no_result`.
 */
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import type { ExpressionConfig } from '../core-config.ts';
import { type CompiledExpression, compileExpression, type ExpressionValue } from '../expressions/expression.ts';
import { addDrop } from './drops.ts';
import { Moments, type SavedMoments } from './moments.ts';
import { Immediate, type Items, type Operator, type SeriesView } from './operator.ts';
import { RowSelection } from './row-selection.ts';
import { packState, unpackState } from './state-bytes.ts';

const stateVersion = 1;

export class Where extends Immediate implements Operator {
  readonly #expression: CompiledExpression;
  /** It looks at the device alone, so a series passes whole or not at all. */
  readonly #isWhole: boolean;
  readonly #moments: Moments;
  readonly #args: ExpressionValue[] = [];
  readonly #selection = new RowSelection();

  /** Throws `config_invalid`. */
  constructor({ text, holdMs }: ExpressionConfig, view: SeriesView) {
    super();
    this.#expression = compileExpression(text);
    this.#isWhole = this.#expression.variables.every((name) => name === 'device');
    this.#moments = new Moments(this.#expression.variables, { holdMs, hasAllRows: true }, view);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return this.#isWhole ? definition : { ...definition, sampling: 'subset', holdMs: 0 };
  }

  process(columns: ReadingColumns): Items {
    const moments = this.#moments;
    const passed = new Uint8Array(columns.count);
    moments.begin(columns);
    while (moments.next()) {
      moments.load(this.#args);
      const result = this.#expression.evaluate(this.#args);
      if (result === true || result === 1) moments.markRows(passed);
      else addDrop(this.drops, this.#reasonOf(result), moments.rowCount);
    }
    this.#selection.begin(columns.count);
    for (let row = 0; row < columns.count; row++) if (passed[row] === 1) this.#selection.add(row);
    return { kind: 'readings', columns: this.#selection.take(columns) };
  }

  #reasonOf(result: ExpressionValue): string {
    if (result === false || result === 0) return 'not_matched';
    return this.#moments.isMissing ? 'missing' : 'no_result';
  }

  save(): Uint8Array {
    return packState(stateVersion, this.#moments.save());
  }

  restore(state: Uint8Array): void {
    const [moments] = unpackState(state, stateVersion) as [SavedMoments];
    this.#moments.restore(moments);
  }
}
