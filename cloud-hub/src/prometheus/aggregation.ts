/**
 * Aggregation over series, step by step in columns. Streams never mix (DESIGN §3): a group that holds one quantity of one device from
 * two streams is refused, because each of them tells the whole of it.
 */
import { CompensatedSum, quantileOf, Variance } from './arithmetic.ts';
import type { Aggregation, AggregationOperator } from './ast.ts';
import { badData } from './errors.ts';
import { keyOf, type Labels, nameLabel, only, textOf, withLabel, without } from './labels.ts';
import { formatValue } from './literals.ts';
import { type Column, emptyColumn, hasAny } from './values.ts';

export interface Group {
  readonly labels: Labels;
  readonly members: readonly Column[];
}

const streamLabels = ['stream', 'kind', 'sampling'] as const;

/** These choose or count among series and mix no values. */
const mayMix: ReadonlySet<AggregationOperator> = new Set(['topk', 'bottomk', 'group']);

/** Throws `query_invalid` when a group would mix streams. */
export function groupsOf(aggregation: Omit<Aggregation, 'parameter' | 'inner'>, columns: readonly Column[]): Group[] {
  const { operator, isWithout, labels: names } = aggregation;
  const groups = new Map<string, { labels: Labels; members: Column[] }>();
  for (const column of columns) {
    const labels = isWithout ? without(column.labels, [...names, nameLabel]) : only(column.labels, names);
    const key = keyOf(labels);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { labels, members: [column] });
    else group.members.push(column);
  }
  if (!mayMix.has(operator)) for (const { members } of groups.values()) refuseMixture(operator, members);
  return [...groups.values()];
}

function refuseMixture(operator: AggregationOperator, members: readonly Column[]): void {
  if (members.length < 2) return;
  const seen = new Map<string, Labels>();
  for (const { labels } of members) {
    const stream = labels.get('stream');
    if (stream === undefined) continue;
    const key = keyOf(without(labels, streamLabels));
    const other = seen.get(key);
    if (other === undefined) seen.set(key, labels);
    else if (other.get('stream') !== stream) {
      const pair = `"${other.get('stream') ?? ''}" and "${stream}"`;
      throw badData(
        `${operator} would mix the streams ${pair}, which both carry ${textOf(without(labels, streamLabels))}; choose one with {stream="${stream}"}, or keep them apart with by (stream)`,
      );
    }
  }
}

const cellsPerTurn = 100_000;
/** A cell that is sorted or counted costs so many that are added up. */
const sortingCost = 10;

/** Of every so many steps one is a turn for others. */
function isTurn(step: number, members: readonly Column[]): boolean {
  return step % Math.max(1, Math.floor(cellsPerTurn / members.length)) === 0;
}

/** One column per group. Yields where others may run, as the others here. */
export function* reduced(
  operator: AggregationOperator,
  group: Group,
  parameter: Float64Array,
  steps: number,
): Generator<void, Column> {
  const { labels, members } = group;
  const result = emptyColumn(labels, steps);
  const present = new Float64Array(members.length);
  for (let step = 0; step < steps; step++) {
    if (isTurn(step, members)) yield;
    let count = 0;
    for (const { has, values } of members) if (has[step] === 1) present[count++] = values[step] as number;
    if (count === 0) continue;
    result.has[step] = 1;
    result.values[step] = reduce(operator, present.subarray(0, count), parameter[step] as number);
  }
  return result;
}

function reduce(operator: AggregationOperator, values: Float64Array, parameter: number): number {
  switch (operator) {
    case 'sum':
      return sumOf(values);
    case 'avg':
      return sumOf(values) / values.length;
    case 'count':
      return values.length;
    case 'min':
      return values.reduce((best, value) => (value < best || Number.isNaN(best) ? value : best));
    case 'max':
      return values.reduce((best, value) => (value > best || Number.isNaN(best) ? value : best));
    case 'stdvar':
      return varianceOf(values);
    case 'stddev':
      return Math.sqrt(varianceOf(values));
    case 'quantile':
      return quantileOf(parameter, values);
    default:
      return 1;
  }
}

function sumOf(values: Float64Array): number {
  const sum = new CompensatedSum();
  for (const value of values) sum.add(value);
  return sum.value;
}

function varianceOf(values: Float64Array): number {
  const variance = new Variance();
  for (const value of values) variance.add(value);
  return variance.value;
}

/** The k greatest (or least) of a group at each step, with their own labels; in that order by the first step. */
export function* selected(
  isTop: boolean,
  { members }: Group,
  k: Float64Array,
  steps: number,
): Generator<void, Column[]> {
  const results = members.map(({ labels, values }): Column => ({ labels, values, has: new Uint8Array(steps) }));
  const valueOf = (index: number, step: number): number => members[index]?.values[step] ?? Number.NaN;
  const better = (a: number, b: number): number => (isTop ? b - a : a - b);
  const order = (step: number): ((a: number, b: number) => number) => {
    return (a, b) => {
      const left = valueOf(a, step);
      const right = valueOf(b, step);
      // NaN comes last, whichever way.
      if (Number.isNaN(left) || Number.isNaN(right)) return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
      return left === right ? 0 : better(left, right);
    };
  };
  for (let step = 0; step < steps; step++) {
    if (isTurn(step * sortingCost, members)) yield;
    const wanted = k[step] as number;
    if (Number.isNaN(wanted)) throw badData('the parameter of topk and bottomk must be a number, it is NaN');
    const present = members.flatMap(({ has }, index) => (has[step] === 1 ? [index] : []));
    for (const index of present.sort(order(step)).slice(0, Math.max(0, Math.trunc(wanted)))) {
      const result = results[index];
      if (result !== undefined) result.has[step] = 1;
    }
  }
  const ranks = results.map((_, index) => index).sort(order(0));
  return ranks.flatMap((index) => results[index] ?? []).filter(hasAny);
}

const distinctMax = 10_000;

/** How many members have each value, with the value as label `name`. */
export function* counted(name: string, { labels, members }: Group, steps: number): Generator<void, Column[]> {
  const byValue = new Map<string, Column>();
  for (let step = 0; step < steps; step++) {
    if (isTurn(step * sortingCost, members)) yield;
    for (const { has, values } of members) {
      if (has[step] === 0) continue;
      const text = formatValue(values[step] as number);
      let column = byValue.get(text);
      if (column === undefined) {
        if (byValue.size === distinctMax) throw badData(`count_values found more than ${distinctMax} values`);
        column = emptyColumn(withLabel(labels, name, text), steps);
        byValue.set(text, column);
      }
      column.has[step] = 1;
      column.values[step] = (column.values[step] as number) + 1;
    }
  }
  return [...byValue.values()];
}
