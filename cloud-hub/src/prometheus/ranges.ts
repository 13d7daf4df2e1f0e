/** Functions over ranges of samples, series by series, step by step. */
import type { Budget } from './budget.ts';
import { badData } from './errors.ts';
import type { StepGrid } from './grid.ts';
import { textOf, withoutName } from './labels.ts';
import { keepsName, needsEveryReading, rangeFunctions, type Window } from './range-functions.ts';
import type { Samples } from './source.ts';
import { type Column, emptyColumn, hasAny } from './values.ts';

export interface RangeInput {
  readonly list: readonly Pick<Samples, 'labels' | 'times' | 'values' | 'sampling'>[];
  /** End of the range of each step, ascending. */
  readonly ends: Float64Array;
  readonly rangeMs: number;
}

const visitsPerTurn = 50_000;

/** One column per series that has a result at any step. Throws `query_invalid` where the result would mislead. */
export function* evaluateRanges(
  budget: Budget,
  name: string,
  { list, ends, rangeMs }: RangeInput,
  argument: Float64Array,
  { times: steps }: StepGrid,
): Generator<void, Column[]> {
  const apply = rangeFunctions.get(name);
  if (apply === undefined) throw new Error(`invariant violated: no range function ${name}`);
  budget.allocate(list.length, steps.length);
  const columns: Column[] = [];
  let visits = 0;
  for (const samples of list) {
    if (needsEveryReading.has(name)) refuseLossy(name, samples);
    const { times, values } = samples;
    const column = emptyColumn(keepsName.has(name) ? samples.labels : withoutName(samples.labels), steps.length);
    const window: Window = { times, values, low: 0, high: 0, startMs: 0, endMs: 0, stepMs: 0, argument: 0 };
    for (let step = 0; step < steps.length; step++) {
      slide(window, ends[step] as number, rangeMs);
      const count = window.high - window.low;
      if (count === 0) continue;
      window.stepMs = steps[step] as number;
      window.argument = argument[step] as number;
      const value = apply(window);
      visits += count;
      if (visits >= visitsPerTurn) {
        budget.visit(visits);
        visits = 0;
        yield;
      }
      if (value === undefined) continue;
      column.has[step] = 1;
      column.values[step] = value;
    }
    if (hasAny(column)) columns.push(column);
  }
  return columns;
}

/** To the samples after `endMs − rangeMs`, up to and with `endMs`. */
function slide(window: Window, endMs: number, rangeMs: number): void {
  const { times } = window;
  window.endMs = endMs;
  window.startMs = endMs - rangeMs;
  while (window.high < times.length && (times[window.high] as number) <= endMs) window.high++;
  while (window.low < window.high && (times[window.low] as number) <= window.startMs) window.low++;
}

function refuseLossy(name: string, { labels, sampling }: Pick<Samples, 'labels' | 'sampling'>): void {
  if (sampling === 'all') return;
  const why = `${name} would mislead over ${textOf(labels)}: readings were left out upstream (sampling "${sampling}")`;
  const fix =
    sampling === 'held'
      ? `ask the values as they stood at regular times: ${name}(…[5m:10s])`
      : 'ask a stream with sampling="all", or min_over_time, max_over_time, last_over_time';
  throw badData(`${why}; ${fix}`);
}
