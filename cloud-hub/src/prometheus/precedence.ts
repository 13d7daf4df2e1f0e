/**
 * The order in which operators bind, by precedence climbing over a row of operands, signs, operators and modifiers as they stand in the
 * text. (To the grammar `offset`, `@` and ranges take hold of everything before them; in PromQL they bind tightest.)
 */
import type { BinaryOperator, Expression } from './ast.ts';

export type Token =
  | { readonly kind: 'operand'; readonly expression: Expression }
  | { readonly kind: 'sign'; readonly at: number; readonly isMinus: boolean }
  | { readonly kind: 'modifier'; readonly apply: (inner: Expression) => Expression }
  | {
      readonly kind: 'operator';
      readonly operator: BinaryOperator;
      readonly build: (left: Expression, right: Expression) => Expression;
    };

const levels: readonly (readonly BinaryOperator[])[] = [
  ['or'],
  ['and', 'unless'],
  ['==', '!=', '<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%', 'atan2'],
  ['^'],
];

const powerLevel = levels.length - 1;

/** `tokens` are of one well-formed expression. */
export function ordered(tokens: readonly Token[]): Expression {
  let next = 0;

  const operand = (): Expression => {
    const token = tokens[next++];
    if (token?.kind === 'sign') {
      // −a·b is (−a)·b, −a^b is −(a^b).
      const inner = climb(powerLevel);
      return token.isMinus ? { kind: 'negation', at: token.at, inner } : inner;
    }
    if (token?.kind !== 'operand') throw new Error('invariant violated: the grammar promises an operand');
    let { expression } = token;
    for (let after = tokens[next]; after?.kind === 'modifier'; after = tokens[++next])
      expression = after.apply(expression);
    return expression;
  };

  const climb = (least: number): Expression => {
    let left = operand();
    for (;;) {
      const token = tokens[next];
      if (token?.kind !== 'operator') return left;
      const level = levels.findIndex((operators) => operators.includes(token.operator));
      if (level < least) return left;
      next++;
      // Powers bind to the right: 2^3^2 is 2^(3^2).
      left = token.build(left, climb(level === powerLevel ? level : level + 1));
    }
  };

  return climb(0);
}
