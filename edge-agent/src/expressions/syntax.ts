/** The syntax tree of an expression, and the limits that bound what compiling and evaluating one can cost. */

export const expressionLimits = {
  textCharsMax: 1_000,
  /** Of parentheses, calls, prefixes and `? :` inside each other. */
  nestingMax: 32,
  nodesMax: 256,
} as const;

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type OrderOperator = '<' | '<=' | '>' | '>=';
export type EqualityOperator = '==' | '!=';
export type LogicOperator = 'and' | 'or';
export type BinaryOperator = ArithmeticOperator | OrderOperator | EqualityOperator | LogicOperator;

export interface Constant {
  readonly kind: 'constant';
  readonly column: number;
  readonly value: number | boolean | string;
}

export interface Variable {
  readonly kind: 'variable';
  readonly column: number;
  readonly name: string;
}

export interface Unary {
  readonly kind: 'unary';
  readonly column: number;
  readonly operator: '-' | 'not';
  readonly operand: Node;
}

export interface Binary {
  readonly kind: 'binary';
  /** Of the operator. */
  readonly column: number;
  readonly operator: BinaryOperator;
  readonly left: Node;
  readonly right: Node;
}

export interface Choice {
  readonly kind: 'choice';
  /** Of the `?`. */
  readonly column: number;
  readonly condition: Node;
  readonly yes: Node;
  readonly no: Node;
}

export interface Call {
  readonly kind: 'call';
  readonly column: number;
  /** A name of the table of functions. */
  readonly name: string;
  readonly args: readonly Node[];
}

export type Node = Constant | Variable | Unary | Binary | Choice | Call;
