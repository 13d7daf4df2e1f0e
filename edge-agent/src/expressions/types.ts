/**
 * What kind of value a part of an expression gives, and what a variable must be. A variable's type is what its uses ask for; to be
 * a number here and a text there is a mistake. Number and boolean agree in a variable, since sensors send 0 and 1 for false and true.
 */
import { functions } from './functions.ts';
import { problemAt } from './problem.ts';
import type { Node } from './syntax.ts';

export type ValueKind = 'number' | 'boolean' | 'text';
/** `any` = that of a variable nothing else is known of. */
export type ExpressionType = ValueKind | 'any';

export function typeOf(node: Node): ExpressionType {
  switch (node.kind) {
    case 'constant':
      return kindOf(node.value);
    case 'variable':
      return 'any';
    case 'unary':
      return node.operator === '-' ? 'number' : 'boolean';
    case 'binary':
      return '+-*/%'.includes(node.operator) ? 'number' : 'boolean';
    case 'choice': {
      const yes = typeOf(node.yes);
      return yes === 'any' ? typeOf(node.no) : yes;
    }
    case 'call':
      return functions.get(node.name)?.gives ?? 'any';
  }
}

function kindOf(value: number | boolean | string): ValueKind {
  return typeof value === 'string' ? 'text' : (typeof value as 'number' | 'boolean');
}

const kindNames: Readonly<Record<ValueKind, string>> = { number: 'a number', boolean: 'true or false', text: 'a text' };

/** Remembers what every variable is used as. */
export class VariableUses {
  readonly #first = new Map<string, { readonly isText: boolean; readonly kind: ValueKind; readonly column: number }>();

  note(name: string, kind: ValueKind, column: number): void {
    const isText = kind === 'text';
    const first = this.#first.get(name);
    if (first === undefined) this.#first.set(name, { isText, kind, column });
    else if (first.isText !== isText) {
      const before = `${kindNames[first.kind]} at column ${first.column}`;
      throw problemAt(column, `"${name}" is used as ${kindNames[kind]} here, and as ${before}: it cannot be both`);
    }
  }
}

/** Throws what is wrong with `node` where `wanted` is needed. */
export function refuse(node: Node, wanted: ValueKind): never {
  const given = typeOf(node);
  const gives = given === 'any' ? 'something else' : kindNames[given];
  throw problemAt(
    node.column,
    `${shown(node)} gives ${gives}, where ${kindNames[wanted]} is needed${fix(given, wanted)}`,
  );
}

function fix(given: ExpressionType, wanted: ValueKind): string {
  if (wanted === 'boolean') return given === 'number' ? ': compare it, as in x > 0' : ': compare it, as in x == "on"';
  if (wanted === 'number' && given === 'boolean') return ': write … ? 1 : 0';
  if (wanted === 'number') return ': texts are compared with == and !=';
  return '';
}

function shown(node: Node): string {
  switch (node.kind) {
    case 'constant':
      return typeof node.value === 'string' ? `the text ${JSON.stringify(node.value)}` : String(node.value);
    case 'variable':
      return `"${node.name}"`;
    case 'choice':
      return '"? :"';
    case 'call':
      return `${node.name}(…)`;
    default:
      return `"${node.operator}"`;
  }
}
