/**
 * The expressions of `derive`, `where` and alarms: numbers, booleans and texts, compiled once and evaluated often. An expression reads its
 * variables and nothing else, has no loops and no patterns, and is bounded in length, depth and size, so its cost is bounded too.
 * Whatever it meets, evaluating gives a finite value or no result, and never throws.
 */
import { compile, type ExpressionValue } from './compile.ts';
import { parseExpression } from './parse.ts';
import { type ExpressionType, typeOf } from './types.ts';

export type { ExpressionValue } from './compile.ts';

export interface CompiledExpression {
  /** The names it reads, sorted. */
  readonly variables: readonly string[];
  /** Of its result; `any` = that of the variable it names. */
  readonly type: ExpressionType;
  /** `values` in the order of `variables`, undefined where one is missing. Undefined = no result. */
  evaluate(values: readonly ExpressionValue[]): ExpressionValue;
}

/** @throws FoglineError config_invalid whose message begins with the column, 1 being the first, and whose `details.column` is it. */
export function compileExpression(text: string): CompiledExpression {
  const { root, variables } = parseExpression(text);
  return { variables, type: typeOf(root), evaluate: compile(root, variables) };
}
