/** `label_replace`, `label_join`, and the labels of what is absent. */
import type { Expression } from './ast.ts';
import { badData } from './errors.ts';
import { type Labels, labelsFrom, nameLabel, withLabel } from './labels.ts';
import { compileExpression } from './regular-expression.ts';
import { type Column, distinct } from './values.ts';

/** Yields where others may run. */
export function* labelReplace(columns: readonly Column[], args: readonly string[]): Generator<void, Column[]> {
  const [target = '', replacement = '', source = '', pattern = ''] = args;
  checkLabel('label_replace', target);
  const expression = compileExpression(pattern);
  const results: Column[] = [];
  for (const [index, column] of columns.entries()) {
    if (index % columnsPerTurn === 0) yield;
    const value = expression.expand(column.labels.get(source) ?? '', replacement);
    results.push(value === undefined ? column : { ...column, labels: withLabel(column.labels, target, value) });
  }
  return distinct(results);
}

const columnsPerTurn = 100;

export function labelJoin(columns: readonly Column[], args: readonly string[]): Column[] {
  const [target = '', separator = '', ...sources] = args;
  checkLabel('label_join', target);
  for (const source of sources) checkLabel('label_join', source);
  return distinct(
    columns.map((column) => {
      const value = sources.map((source) => column.labels.get(source) ?? '').join(separator);
      return { ...column, labels: withLabel(column.labels, target, value) };
    }),
  );
}

/** Throws `query_invalid`. */
export function checkLabel(where: string, name: string): void {
  if (!/^[A-Za-z_]\w*$/.test(name)) throw badData(`invalid label name ${JSON.stringify(name)} in ${where}()`);
}

/** What a selector says about the labels of a series that is not there: those it demands to be equal, once. */
export function labelsOfAbsent(expression: Expression): Labels {
  const selector = expression.kind === 'matrix' ? expression.selector : expression;
  if (selector.kind !== 'selector') return new Map();
  const found = new Map<string, string>();
  const set = new Set<string>();
  for (const { label, operator, value } of selector.matchers) {
    if (operator !== '=' || set.has(label)) found.delete(label);
    else {
      found.set(label, value);
      set.add(label);
    }
  }
  found.delete(nameLabel);
  return labelsFrom(found);
}
