/**
 * Evaluates an expression at all steps at once: every intermediate result is one column of numbers per series. Pure but for its source
 * of samples; yields where others may run.
 */
import { counted, groupsOf, reduced, selected } from './aggregation.ts';
import {
  type Aggregation,
  type Binary,
  type Call,
  type Expression,
  type MatrixSelector,
  type Placement,
  type SetOperator,
  type Subquery,
  setOperators,
  type ValueOperator,
  type VectorSelector,
} from './ast.ts';
import { scalarOperation, setOperation, vectorOperation } from './binary.ts';
import type { Budget } from './budget.ts';
import { firstOf, gridOf, lastOf, type StepGrid } from './grid.ts';
import { dateFunctions, operators, valueFunctions } from './instant-functions.ts';
import { checkLabel, labelJoin, labelReplace, labelsOfAbsent } from './label-functions.ts';
import { compareLabels, withoutName } from './labels.ts';
import { compileMatchers } from './matchers.ts';
import { rangeFunctions } from './range-functions.ts';
import { evaluateRanges, type RangeInput } from './ranges.ts';
import type { SampleSource, Samples } from './source.ts';
import { type Column, distinct, emptyColumn, hasAny, type Value, type VectorValue, vectorOf } from './values.ts';

export interface EvaluationContext {
  readonly source: SampleSource;
  readonly budget: Budget;
  /** What `@ start()` and `@ end()` mean. */
  readonly startMs: number;
  readonly endMs: number;
}

type Evaluation = Generator<void, Value>;

/** The expression must have passed `typeOf`. Throws `query_invalid` and `limit_exceeded`. */
export function* evaluate(context: EvaluationContext, expression: Expression, grid: StepGrid): Evaluation {
  switch (expression.kind) {
    case 'number':
      return { kind: 'scalar', values: new Float64Array(grid.times.length).fill(expression.value) };
    case 'string':
      return { kind: 'string', value: expression.value };
    case 'selector':
      return yield* instant(context, expression, grid, 'value');
    case 'negation': {
      const inner = yield* evaluate(context, expression.inner, grid);
      if (inner.kind === 'scalar') return { kind: 'scalar', values: inner.values.map((value) => -value) };
      return vectorOf(distinct(mapped(columnsOf(inner), (value) => -value)));
    }
    case 'binary':
      return yield* binary(context, expression, grid);
    case 'aggregation':
      return yield* aggregate(context, expression, grid);
    case 'call':
      return yield* call(context, expression, grid);
    default:
      throw new Error(`invariant violated: a ${expression.kind} outside a function`);
  }
}

/** The time at which a selector stands for each step. */
function placedTimes(context: EvaluationContext, { offsetMs, time }: Placement, grid: StepGrid): Float64Array {
  const { startMs, endMs } = context;
  const fixed = time === undefined ? undefined : time === 'start' ? startMs : time === 'end' ? endMs : time.timeMs;
  return grid.times.map((step) => (fixed ?? step) - offsetMs);
}

/** The latest sample at each step, unless it is too old; its value, or its time in seconds. */
function* instant(
  context: EvaluationContext,
  selector: VectorSelector,
  grid: StepGrid,
  what: 'value' | 'time',
): Generator<void, VectorValue> {
  const times = placedTimes(context, selector, grid);
  const list = yield* context.source.latest(compileMatchers(selector), times);
  context.budget.allocate(list.length, times.length);
  const columns: Column[] = [];
  for (const samples of list) {
    const column = latestAt(samples, times, what);
    if (hasAny(column)) columns.push(column);
    yield;
  }
  return vectorOf(columns);
}

function latestAt(samples: Samples, times: Float64Array, what: 'value' | 'time'): Column {
  const column = emptyColumn(what === 'time' ? withoutName(samples.labels) : samples.labels, times.length);
  let next = 0;
  for (let step = 0; step < times.length; step++) {
    const now = times[step] as number;
    while (next < samples.times.length && (samples.times[next] as number) <= now) next++;
    if (next === 0) continue;
    const found = samples.times[next - 1] as number;
    if (found <= now - samples.lookBackMs) continue;
    column.has[step] = 1;
    column.values[step] = what === 'time' ? found / 1000 : (samples.values[next - 1] as number);
  }
  return column;
}

function columnsOf(value: Value): readonly Column[] {
  if (value.kind !== 'vector') throw new Error(`invariant violated: a ${value.kind} where a vector was checked for`);
  return value.columns;
}

function scalarOf(value: Value): Float64Array {
  if (value.kind !== 'scalar') throw new Error(`invariant violated: a ${value.kind} where a scalar was checked for`);
  return value.values;
}

/** Each value by itself; the name goes, for it is no longer that metric. */
function mapped(columns: readonly Column[], valueOf: (value: number, step: number) => number | undefined): Column[] {
  return columns.map((column) => {
    const result = emptyColumn(withoutName(column.labels), column.has.length);
    for (let step = 0; step < column.has.length; step++) {
      if (column.has[step] === 0) continue;
      const value = valueOf(column.values[step] as number, step);
      if (value === undefined) continue;
      result.has[step] = 1;
      result.values[step] = value;
    }
    return result;
  });
}

function* binary(context: EvaluationContext, expression: Binary, grid: StepGrid): Evaluation {
  const { operator, isBool, matching } = expression;
  const steps = grid.times.length;
  const left = yield* evaluate(context, expression.left, grid);
  const right = yield* evaluate(context, expression.right, grid);
  yield;
  const set = setOperators.find((known): known is SetOperator => known === operator);
  if (set !== undefined) return vectorOf(setOperation(set, matching, columnsOf(left), columnsOf(right)));
  const operate = operators[operator as ValueOperator];
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    return { kind: 'scalar', values: left.values.map((value, step) => operate(value, right.values[step] as number)) };
  }
  if (left.kind === 'vector' && right.kind === 'vector') {
    context.budget.allocate(Math.max(left.columns.length, right.columns.length), steps);
    return vectorOf(yield* vectorOperation(expression, left.columns, right.columns, steps));
  }
  const vector = left.kind === 'vector' ? left : right;
  const scalar = scalarOf(left.kind === 'vector' ? right : left);
  context.budget.allocate(columnsOf(vector).length, steps);
  return vectorOf(
    yield* scalarOperation(operator as ValueOperator, isBool, columnsOf(vector), scalar, left.kind === 'scalar'),
  );
}

function* aggregate(context: EvaluationContext, expression: Aggregation, grid: StepGrid): Evaluation {
  const { operator } = expression;
  const steps = grid.times.length;
  const parameter =
    expression.parameter === undefined ? undefined : yield* evaluate(context, expression.parameter, grid);
  if (parameter?.kind === 'string') checkLabel(operator, parameter.value);
  const columns = columnsOf(yield* evaluate(context, expression.inner, grid));
  const groups = groupsOf(expression, columns);
  const scalar = parameter?.kind === 'scalar' ? parameter.values : new Float64Array(steps);
  const results: Column[] = [];
  for (const group of groups) {
    if (operator === 'topk' || operator === 'bottomk') {
      results.push(...(yield* selected(operator === 'topk', group, scalar, steps)));
    } else if (parameter?.kind === 'string') results.push(...(yield* counted(parameter.value, group, steps)));
    else results.push(yield* reduced(operator, group, scalar, steps));
  }
  context.budget.allocate(results.length, steps);
  return vectorOf(results.filter(hasAny), operator === 'topk' || operator === 'bottomk');
}

function* call(context: EvaluationContext, expression: Call, grid: StepGrid): Evaluation {
  const { name, args } = expression;
  const rangeIndex = args.findIndex(({ kind }) => kind === 'matrix' || kind === 'subquery');
  if (rangeIndex >= 0) return yield* overRange(context, expression, rangeIndex, grid);
  const steps = grid.times.length;
  const seconds = grid.times.map((time) => time / 1000);
  const [first] = args;
  if (name === 'time') return { kind: 'scalar', values: seconds };
  if (name === 'pi') return { kind: 'scalar', values: new Float64Array(steps).fill(Math.PI) };
  if (name === 'timestamp' && first?.kind === 'selector') return yield* instant(context, first, grid, 'time');
  const values: Value[] = [];
  for (const arg of args) values.push(yield* evaluate(context, arg, grid));
  yield;
  const value = values[0] ?? vectorOf([{ labels: new Map(), values: seconds, has: new Uint8Array(steps).fill(1) }]);
  const strings = values.flatMap((one) => (one.kind === 'string' ? [one.value] : []));
  switch (name) {
    case 'vector':
      return vectorOf([{ labels: new Map(), values: scalarOf(value), has: new Uint8Array(steps).fill(1) }]);
    case 'scalar':
      return { kind: 'scalar', values: onlyValue(columnsOf(value), steps) };
    case 'absent':
      return vectorOf(absent(columnsOf(value), first, steps));
    case 'timestamp':
      return vectorOf(distinct(mapped(columnsOf(value), (_, step) => seconds[step])));
    case 'sort':
    case 'sort_desc':
      return vectorOf(sorted(columnsOf(value), name === 'sort'), true);
    case 'label_replace':
      return vectorOf(yield* labelReplace(columnsOf(value), strings));
    case 'label_join':
      return vectorOf(labelJoin(columnsOf(value), strings));
  }
  context.budget.allocate(columnsOf(value).length, steps);
  return vectorOf(distinct(elementwise(name, columnsOf(value), values.slice(1).map(scalarOf)).filter(hasAny)));
}

function elementwise(name: string, columns: readonly Column[], scalars: readonly Float64Array[]): Column[] {
  const ofDate = dateFunctions.get(name);
  if (ofDate !== undefined) {
    return mapped(columns, (value) =>
      Math.abs(value) <= dateSecondsMax ? ofDate(new Date(Math.trunc(value) * 1000)) : Number.NaN,
    );
  }
  const ofValue = valueFunctions.get(name);
  if (ofValue === undefined)
    throw new Error(`invariant violated: the function ${name} is declared, but nowhere defined`);
  const [first, second] = scalars;
  // `round` alone may be called without its scalar, which is then 1.
  return mapped(columns, (value, step) => ofValue(value, first?.[step] ?? 1, second?.[step] ?? 1));
}

const dateSecondsMax = 8_640_000_000_000;

function onlyValue(columns: readonly Column[], steps: number): Float64Array {
  return Float64Array.from({ length: steps }, (_, step) => {
    const present = columns.filter(({ has }) => has[step] === 1);
    return present.length === 1 ? (present[0]?.values[step] ?? Number.NaN) : Number.NaN;
  });
}

function absent(columns: readonly Column[], selector: Expression | undefined, steps: number): Column[] {
  const column = emptyColumn(selector === undefined ? new Map() : labelsOfAbsent(selector), steps);
  for (let step = 0; step < steps; step++) {
    if (columns.some(({ has }) => has[step] === 1)) continue;
    column.has[step] = 1;
    column.values[step] = 1;
  }
  return hasAny(column) ? [column] : [];
}

/** By the value of the first step: for instant queries, where there is no other. */
function sorted(columns: readonly Column[], isAscending: boolean): Column[] {
  const valueOf = ({ values }: Column): number => values[0] ?? Number.NaN;
  return [...columns].sort((a, b) => {
    const isNaNs = Number(Number.isNaN(valueOf(a))) - Number(Number.isNaN(valueOf(b)));
    return isNaNs || (isAscending ? valueOf(a) - valueOf(b) : valueOf(b) - valueOf(a)) || 0;
  });
}

function* overRange(context: EvaluationContext, { name, args }: Call, index: number, grid: StepGrid): Evaluation {
  const range = args[index];
  if (range?.kind !== 'matrix' && range?.kind !== 'subquery')
    throw new Error('invariant violated: a range was checked for');
  let argument = new Float64Array(grid.times.length);
  for (const [other, arg] of args.entries()) {
    if (other !== index) argument = Float64Array.from(scalarOf(yield* evaluate(context, arg, grid)));
  }
  const input: RangeInput = yield* rangesOver(context, range, grid);
  if (name === 'absent_over_time') {
    const present = yield* evaluateRanges(context.budget, 'present_over_time', input, argument, grid);
    return vectorOf(absent(present, range, grid.times.length));
  }
  if (!rangeFunctions.has(name))
    throw new Error(`invariant violated: the function ${name} is declared, but nowhere defined`);
  return vectorOf(distinct(yield* evaluateRanges(context.budget, name, input, argument, grid)));
}

const subqueryStepMs = 60_000;

function* rangesOver(
  context: EvaluationContext,
  range: MatrixSelector | Subquery,
  grid: StepGrid,
): Generator<void, RangeInput> {
  const { rangeMs } = range;
  const ends = placedTimes(context, range.kind === 'matrix' ? range.selector : range, grid);
  const afterMs = firstOf({ times: ends }) - rangeMs;
  const untilMs = lastOf({ times: ends });
  if (range.kind === 'matrix') {
    const list = yield* context.source.range(compileMatchers(range.selector), afterMs, untilMs);
    return { list, ends, rangeMs };
  }
  const stepMs = range.stepMs ?? subqueryStepMs;
  // Multiples of the step, so that the same instants count wherever the query begins.
  const inner = gridOf((Math.floor(afterMs / stepMs) + 1) * stepMs, untilMs, stepMs);
  context.budget.allocate(1, inner.times.length);
  const value = inner.times.length === 0 ? undefined : yield* evaluate(context, range.inner, inner);
  const columns = value?.kind === 'vector' ? value.columns : [];
  return { list: columns.map((column) => samplesOf(column, inner)), ends, rangeMs };
}

function samplesOf({ labels, values, has }: Column, { times }: StepGrid): RangeInput['list'][number] {
  const isThere = (_: number, step: number): boolean => has[step] === 1;
  return { labels, times: times.filter(isThere), values: values.filter(isThere), sampling: 'all' };
}

/** The samples of a range or subquery by themselves, ordered by labels: for an instant query that asks for just that. */
export function* evaluateRange(
  context: EvaluationContext,
  range: MatrixSelector | Subquery,
  grid: StepGrid,
): Generator<void, RangeInput['list']> {
  const { list } = yield* rangesOver(context, range, grid);
  return [...list].sort((a, b) => compareLabels(a.labels, b.labels));
}
