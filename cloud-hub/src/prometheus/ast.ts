/** What a PromQL expression is, once parsed: only what this hub evaluates. `at` is the offset of the node in the text of the query. */

export type Expression =
  | NumberLiteral
  | StringLiteral
  | VectorSelector
  | MatrixSelector
  | Subquery
  | Negation
  | Binary
  | Call
  | Aggregation;

export interface NumberLiteral {
  readonly kind: 'number';
  readonly at: number;
  readonly value: number;
}

export interface StringLiteral {
  readonly kind: 'string';
  readonly at: number;
  readonly value: string;
}

export type MatchOperator = '=' | '!=' | '=~' | '!~';

export interface LabelMatcher {
  /** `__name__` for the metric name. */
  readonly label: string;
  readonly operator: MatchOperator;
  readonly value: string;
}

/** `@ start()`, `@ end()` or a fixed time; undefined = the time of each step. */
export type AtModifier = { readonly timeMs: number } | 'start' | 'end' | undefined;

/** When a selector or subquery is evaluated, relative to the step. */
export interface Placement {
  /** Positive: into the past. */
  readonly offsetMs: number;
  readonly time: AtModifier;
}

export interface VectorSelector extends Placement {
  readonly kind: 'selector';
  readonly at: number;
  readonly matchers: readonly LabelMatcher[];
}

export interface MatrixSelector {
  readonly kind: 'matrix';
  readonly at: number;
  readonly selector: VectorSelector;
  readonly rangeMs: number;
}

export interface Subquery extends Placement {
  readonly kind: 'subquery';
  readonly at: number;
  readonly inner: Expression;
  readonly rangeMs: number;
  /** undefined = the default. */
  readonly stepMs: number | undefined;
}

export interface Negation {
  readonly kind: 'negation';
  readonly at: number;
  readonly inner: Expression;
}

export const arithmeticOperators = ['+', '-', '*', '/', '%', '^', 'atan2'] as const;
export const comparisonOperators = ['==', '!=', '<', '<=', '>', '>='] as const;
export const setOperators = ['and', 'or', 'unless'] as const;
export type SetOperator = (typeof setOperators)[number];
export type ValueOperator = (typeof arithmeticOperators)[number] | (typeof comparisonOperators)[number];
export type BinaryOperator = ValueOperator | SetOperator;

export interface Matching {
  /** `on(…)` matches by these labels only, `ignoring(…)` by all others. */
  readonly isOn: boolean;
  readonly labels: readonly string[];
  /** Side with many series for one of the other. */
  readonly many: 'left' | 'right' | undefined;
  /** Labels taken over from the other side. */
  readonly include: readonly string[];
}

export interface Binary {
  readonly kind: 'binary';
  readonly at: number;
  readonly operator: BinaryOperator;
  readonly isBool: boolean;
  /** undefined: by all labels. */
  readonly matching: Matching | undefined;
  readonly left: Expression;
  readonly right: Expression;
}

export interface Call {
  readonly kind: 'call';
  readonly at: number;
  readonly name: string;
  readonly args: readonly Expression[];
}

export const aggregationOperators = [
  'sum',
  'avg',
  'min',
  'max',
  'count',
  'group',
  'stddev',
  'stdvar',
  'quantile',
  'topk',
  'bottomk',
  'count_values',
] as const;
export type AggregationOperator = (typeof aggregationOperators)[number];

export interface Aggregation {
  readonly kind: 'aggregation';
  readonly at: number;
  readonly operator: AggregationOperator;
  readonly parameter: Expression | undefined;
  readonly inner: Expression;
  /** `without (…)`, else `by (…)`. */
  readonly isWithout: boolean;
  readonly labels: readonly string[];
}
