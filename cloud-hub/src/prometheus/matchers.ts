/** Label matchers, ready to match. A label that a series lacks is the empty string. */
import type { LabelMatcher, VectorSelector } from './ast.ts';
import { badData } from './errors.ts';
import { type Labels, nameLabel } from './labels.ts';
import { compileExpression } from './regular-expression.ts';

export interface Matchers {
  /** The same for the same matchers. */
  readonly key: string;
  readonly list: readonly LabelMatcher[];
  isMatch(labels: Labels): boolean;
  /** Of the metric name alone: cheaper, and never stricter. */
  isNameMatch(name: string): boolean;
}

const matchersMax = 32;

/** Throws `query_invalid`. */
export function compileMatchers({ matchers }: Pick<VectorSelector, 'matchers'>): Matchers {
  if (matchers.length > matchersMax) throw badData(`more than ${matchersMax} matchers in one selector`);
  const tests = matchers.map(({ label, operator, value }) => ({ label, test: testOf(operator, value) }));
  if (tests.every(({ test }) => test('')))
    throw badData('vector selector must contain at least one non-empty matcher, such as {__name__!=""}');
  return {
    key: JSON.stringify(matchers.map(({ label, operator, value }) => [label, operator, value])),
    list: matchers,
    isMatch: (labels) => tests.every(({ label, test }) => test(labels.get(label) ?? '')),
    isNameMatch: (name) => tests.every(({ label, test }) => label !== nameLabel || test(name)),
  };
}

function testOf(operator: LabelMatcher['operator'], value: string): (text: string) => boolean {
  switch (operator) {
    case '=':
      return (text) => text === value;
    case '!=':
      return (text) => text !== value;
    case '=~': {
      const expression = compileExpression(value);
      return (text) => expression.isMatch(text);
    }
    case '!~': {
      const expression = compileExpression(value);
      return (text) => !expression.isMatch(text);
    }
  }
}
