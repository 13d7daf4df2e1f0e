/** A query from its text to the `data` of Prometheus' answer. Yields where others may run. */
import { Budget, type QueryMemory, queryLimits } from './budget.ts';
import { typeOf } from './check.ts';
import { badData } from './errors.ts';
import { type EvaluationContext, evaluate, evaluateRange } from './evaluate.ts';
import { gridOf } from './grid.ts';
import { parseExpression } from './parser.ts';
import { renderInstant, renderMatrix, renderSeries } from './render.ts';
import type { SampleSource } from './source.ts';
import { byLabels, vectorOf } from './values.ts';

/** JSON text of `{"resultType": …, "result": …}`. */
export type Answer = Generator<void, string>;

type Sources = (budget: Budget) => SampleSource;

/** Throws `query_invalid`, `limit_exceeded`, and `unavailable` where others that share the `memory` hold too much of it. */
export function* answerInstant(source: Sources, text: string, timeMs: number, memory: QueryMemory): Answer {
  const expression = parseExpression(text);
  const type = typeOf(expression);
  const grid = gridOf(timeMs, timeMs, 1);
  return yield* within(memory, source, { startMs: timeMs, endMs: timeMs }, function* (context) {
    if (expression.kind === 'matrix' || expression.kind === 'subquery') {
      return yield* renderMatrix(yield* evaluateRange(context, expression, grid));
    }
    if (type === 'matrix') throw badData('a range vector cannot be shown');
    return renderInstant(yield* evaluate(context, expression, grid), timeMs);
  });
}

export interface RangeQuestion {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** Throws as `answerInstant`. */
export function* answerRange(
  source: Sources,
  text: string,
  { startMs, endMs, stepMs }: RangeQuestion,
  memory: QueryMemory,
): Answer {
  if (endMs < startMs) throw badData('end timestamp must not be before start time');
  if (stepMs <= 0) throw badData('zero or negative query resolution step widths are not accepted');
  if ((endMs - startMs) / stepMs > queryLimits.pointsMax) {
    throw badData(
      `exceeded maximum resolution of ${queryLimits.pointsMax.toLocaleString('en')} points per timeseries. Try decreasing the query resolution (?step=${Math.ceil((endMs - startMs) / queryLimits.pointsMax / 1000)})`,
    );
  }
  const expression = parseExpression(text);
  const type = typeOf(expression);
  if (type === 'matrix' || type === 'string') {
    throw badData(
      `invalid expression type "${type === 'matrix' ? 'range vector' : 'string'}" for range query, must be Scalar or instant Vector`,
    );
  }
  const grid = gridOf(startMs, endMs, stepMs);
  return yield* within(memory, source, { startMs, endMs }, function* (context) {
    const value = yield* evaluate(context, expression, grid);
    if (value.kind === 'string') throw new Error('invariant violated: a string passed the check of types');
    const { columns } =
      value.kind === 'vector'
        ? value
        : vectorOf([{ labels: new Map(), values: value.values, has: new Uint8Array(grid.times.length).fill(1) }]);
    return yield* renderSeries(byLabels(columns), grid.times);
  });
}

/** What the query holds of the memory is free when it ends, however it does. */
function* within(
  memory: QueryMemory,
  source: Sources,
  { startMs, endMs }: Pick<RangeQuestion, 'startMs' | 'endMs'>,
  answer: (context: EvaluationContext) => Answer,
): Answer {
  const budget = new Budget(memory);
  try {
    return yield* answer({ source: source(budget), budget, startMs, endMs });
  } finally {
    budget.close();
  }
}
