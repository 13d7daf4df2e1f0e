/** Operators between two vectors: which series meets which, in columns. */
import { type Binary, comparisonOperators, type Matching, type ValueOperator } from './ast.ts';
import { failed } from './errors.ts';
import { operators } from './instant-functions.ts';
import { keyOf, type Labels, labelsFrom, nameLabel, only, textOf, without, withoutName } from './labels.ts';
import { type Column, distinct, emptyColumn, hasAny } from './values.ts';

const byAll: Matching = { isOn: false, labels: [], many: undefined, include: [] };

function signatureOf({ isOn, labels: names }: Matching, labels: Labels): string {
  return keyOf(isOn ? only(labels, names) : without(labels, [...names, nameLabel]));
}

function bySignature(matching: Matching, columns: readonly Column[]): Map<string, Column[]> {
  return Map.groupBy(columns, ({ labels }) => signatureOf(matching, labels));
}

/** `and`, `or`, `unless`. */
export function setOperation(
  operator: 'and' | 'or' | 'unless',
  matching: Matching = byAll,
  left: readonly Column[],
  right: readonly Column[],
): Column[] {
  if (operator === 'or')
    return [...left, ...masked(right, bySignature(matching, left), matching, false)].filter(hasAny);
  return masked(left, bySignature(matching, right), matching, operator === 'and').filter(hasAny);
}

/** `columns` where a column of the same signature among `others` is there (or is not). */
function masked(
  columns: readonly Column[],
  others: ReadonlyMap<string, readonly Column[]>,
  matching: Matching,
  isKeptWhenThere: boolean,
): Column[] {
  return columns.map((column) => {
    const found = others.get(signatureOf(matching, column.labels)) ?? [];
    const has = column.has.map((one, step) => {
      const isThere = found.some((other) => other.has[step] === 1);
      return one === 1 && isThere === isKeptWhenThere ? 1 : 0;
    });
    return { ...column, has };
  });
}

/** Arithmetic and comparisons between vectors. Yields where others may run. Throws `limit_exceeded` where more than one series meets one. */
export function* vectorOperation(
  { operator, isBool, matching = byAll }: Pick<Binary, 'operator' | 'isBool' | 'matching'>,
  left: readonly Column[],
  right: readonly Column[],
  steps: number,
): Generator<void, Column[]> {
  const apply = applyOf(operator as ValueOperator, isBool);
  const isSwapped = matching.many === 'right';
  const many = isSwapped ? right : left;
  const one = bySignature(matching, isSwapped ? left : right);
  const somewhere = new Uint8Array(steps);
  for (const { has } of many) has.forEach((flag, step) => (flag === 1 ? (somewhere[step] = 1) : 0));
  const side = isSwapped ? 'left' : 'right';
  const partners = new Map([...one].map(([key, columns]) => [key, new Partner(columns, somewhere, matching, side)]));
  const results: Column[] = [];
  for (const [key, columns] of bySignature(matching, many)) {
    const partner = partners.get(key);
    if (partner === undefined) continue;
    const met: Column[] = [];
    for (const column of columns) {
      for (const { labels, other } of partner.meet(column, apply.dropsName, matching))
        met.push(combine(column, other, labels, apply, isSwapped));
      yield;
    }
    if (matching.many === undefined) refuseMany(met, steps);
    results.push(...met.filter(hasAny));
  }
  return unique(results);
}

/** One to one: of a match group one series at a step. */
function refuseMany(met: readonly Column[], steps: number): void {
  if (met.length < 2) return;
  for (let step = 0; step < steps; step++) {
    if (met.filter(({ has }) => has[step] === 1).length < 2) continue;
    throw failed('multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)');
  }
}

/** The "one" side of a match group; over time several series may take turns in it, but never at one step. */
class Partner {
  readonly #columns: readonly Column[];

  constructor(columns: readonly Column[], somewhere: Uint8Array, matching: Matching, side: 'left' | 'right') {
    this.#columns = columns;
    if (columns.length < 2) return;
    for (let step = 0; step < somewhere.length; step++) {
      const both = columns.filter(({ has }) => has[step] === 1);
      if (somewhere[step] === 0 || both.length < 2) continue;
      const group = matching.isOn
        ? only(both[0]?.labels ?? new Map(), matching.labels)
        : without(both[0]?.labels ?? new Map(), [...matching.labels, nameLabel]);
      const pair = both.slice(0, 2).map(({ labels }) => textOf(labels));
      throw failed(
        `found duplicate series for the match group ${textOf(group)} on the ${side} hand-side of the operation: [${pair.join(', ')}];many-to-many matching not allowed: matching labels must be unique on one side`,
      );
    }
  }

  meet({ labels }: Column, dropsName: boolean, matching: Matching): { labels: Labels; other: Column }[] {
    return this.#columns.map((other) => ({ labels: resultLabels(labels, other.labels, dropsName, matching), other }));
  }
}

function resultLabels(many: Labels, one: Labels, dropsName: boolean, matching: Matching): Labels {
  const base = dropsName ? withoutName(many) : many;
  if (matching.many === undefined) return matching.isOn ? only(base, matching.labels) : without(base, matching.labels);
  if (matching.include.length === 0) return base;
  const merged = new Map(base);
  for (const name of matching.include) merged.set(name, one.get(name) ?? '');
  return labelsFrom(merged);
}

interface Apply {
  readonly dropsName: boolean;
  /** undefined: filtered out. */
  readonly value: (left: number, right: number) => number | undefined;
}

function applyOf(operator: ValueOperator, isBool: boolean): Apply {
  const operate = operators[operator];
  const isFilter = comparisonOperators.some((known) => known === operator) && !isBool;
  if (!isFilter) return { dropsName: true, value: operate };
  return { dropsName: false, value: (left, right) => (operate(left, right) === 1 ? left : undefined) };
}

function combine(many: Column, one: Column, labels: Labels, { value }: Apply, isSwapped: boolean): Column {
  const steps = many.has.length;
  const result = emptyColumn(labels, steps);
  for (let step = 0; step < steps; step++) {
    if (many.has[step] === 0 || one.has[step] === 0) continue;
    const a = many.values[step] as number;
    const b = one.values[step] as number;
    const found = isSwapped ? value(b, a) : value(a, b);
    if (found === undefined) continue;
    result.has[step] = 1;
    result.values[step] = found;
  }
  return result;
}

function unique(columns: readonly Column[]): Column[] {
  try {
    return distinct(columns);
  } catch (error) {
    throw failed('multiple matches for labels: grouping labels must ensure unique matches', error);
  }
}

/**
 * Between a vector and a scalar. A comparison that filters keeps the value of the vector, whichever side it stands on. Yields where others
 * may run.
 */
export function* scalarOperation(
  operator: ValueOperator,
  isBool: boolean,
  columns: readonly Column[],
  scalar: Float64Array,
  isScalarLeft: boolean,
): Generator<void, Column[]> {
  const operate = operators[operator];
  const isFilter = comparisonOperators.some((known) => known === operator) && !isBool;
  const results: Column[] = [];
  for (const column of columns) {
    const steps = column.has.length;
    const result = emptyColumn(isFilter ? column.labels : withoutName(column.labels), steps);
    for (let step = 0; step < steps; step++) {
      if (column.has[step] === 0) continue;
      const own = column.values[step] as number;
      const other = scalar[step] as number;
      const found = isScalarLeft ? operate(other, own) : operate(own, other);
      if (isFilter && found === 0) continue;
      result.has[step] = 1;
      result.values[step] = isFilter ? own : found;
    }
    if (hasAny(result)) results.push(result);
    yield;
  }
  return distinct(results);
}
