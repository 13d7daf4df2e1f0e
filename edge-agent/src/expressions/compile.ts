/**
 * A tree to closures, one per node, each made for the kind of value that is needed of it; what gives another kind is refused. In
 * a number NaN stands for "no result", in everything else `undefined`; no step of a calculation is ever infinite or −0.
 */
import { type FunctionSpec, functions } from './functions.ts';
import { problemAt } from './problem.ts';
import type { ArithmeticOperator, Binary, Call, Choice, Node, OrderOperator, Variable } from './syntax.ts';
import { refuse, typeOf, type ValueKind, VariableUses } from './types.ts';

export type ExpressionValue = number | boolean | string | undefined;
type Values = readonly ExpressionValue[];

type Evaluate<T> = (values: Values) => T;
type NumberOf = Evaluate<number>;
type TruthOf = Evaluate<boolean | undefined>;
type TextOf = Evaluate<string | undefined>;

export function compile(root: Node, variables: readonly string[]): Evaluate<ExpressionValue> {
  return new Compiler(variables).whole(root);
}

class Compiler {
  readonly #slots: ReadonlyMap<string, number>;
  readonly #uses = new VariableUses();

  constructor(variables: readonly string[]) {
    this.#slots = new Map(variables.map((name, index) => [name, index]));
  }

  whole(node: Node): Evaluate<ExpressionValue> {
    switch (typeOf(node)) {
      case 'number': {
        const number = this.#number(node);
        return (values) => {
          const result = number(values);
          return Number.isNaN(result) ? undefined : result;
        };
      }
      case 'boolean':
        return this.#truth(node);
      case 'text':
        return this.#text(node);
      case 'any':
        return this.#any(node);
    }
  }

  #number(node: Node): NumberOf {
    switch (node.kind) {
      case 'constant': {
        const { value } = node;
        return typeof value === 'number' ? () => value : refuse(node, 'number');
      }
      case 'variable': {
        const slot = this.#slot(node, 'number');
        return (values) => numberFrom(values[slot]);
      }
      case 'choice': {
        const { condition, yes, no } = this.#choice(node, (branch) => this.#number(branch));
        return (values) => {
          const decided = condition(values);
          return decided === undefined ? Number.NaN : decided ? yes(values) : no(values);
        };
      }
      case 'call':
        return this.#numberCall(node);
      case 'unary': {
        if (node.operator !== '-') return refuse(node, 'number');
        const operand = this.#number(node.operand);
        return (values) => 0 - operand(values);
      }
      case 'binary':
        if (typeOf(node) !== 'number') return refuse(node, 'number');
        return arithmetic[node.operator as ArithmeticOperator](this.#number(node.left), this.#number(node.right));
    }
  }

  #truth(node: Node): TruthOf {
    switch (node.kind) {
      case 'constant': {
        const { value } = node;
        return typeof value === 'boolean' ? () => value : refuse(node, 'boolean');
      }
      case 'variable': {
        const slot = this.#slot(node, 'boolean');
        return (values) => truthFrom(values[slot]);
      }
      case 'choice': {
        const { condition, yes, no } = this.#choice(node, (branch) => this.#truth(branch));
        return chosen(condition, yes, no);
      }
      case 'call':
        return this.#truthCall(node);
      case 'unary': {
        if (node.operator !== 'not') return refuse(node, 'boolean');
        const operand = this.#truth(node.operand);
        return (values) => {
          const value = operand(values);
          return value === undefined ? undefined : !value;
        };
      }
      case 'binary':
        return this.#truthBinary(node);
    }
  }

  #truthBinary(node: Binary): TruthOf {
    const { operator, left, right } = node;
    switch (operator) {
      case 'and':
        return both(this.#truth(left), this.#truth(right));
      case 'or':
        return either(this.#truth(left), this.#truth(right));
      case '==':
      case '!=':
        return this.#equality(node);
      case '<':
      case '<=':
      case '>':
      case '>=':
        return order[operator](this.#number(left), this.#number(right));
      default:
        return refuse(node, 'boolean');
    }
  }

  #equality({ operator, column, left, right }: Binary): TruthOf {
    const kinds = [typeOf(left), typeOf(right)] as const;
    const known = kinds[0] === 'any' ? kinds[1] : kinds[0];
    if (known !== kinds[1] && kinds[1] !== 'any') {
      const names = { number: 'a number', boolean: 'true or false', text: 'a text', any: 'anything' } as const;
      throw problemAt(
        column,
        `"${operator}" compares ${names[kinds[0]]} with ${names[kinds[1]]}: they are never equal`,
      );
    }
    const wantsEqual = operator === '==';
    if (known === 'any') {
      const [a, b] = [this.#any(left), this.#any(right)];
      return (values) => same(a(values), b(values), wantsEqual);
    }
    if (known === 'text') {
      const [a, b] = [this.#text(left), this.#text(right)];
      return (values) => same(a(values), b(values), wantsEqual);
    }
    if (known === 'boolean') {
      const [a, b] = [this.#truth(left), this.#truth(right)];
      return (values) => same(a(values), b(values), wantsEqual);
    }
    const [a, b] = [this.#number(left), this.#number(right)];
    return comparison(a, b, (x, y) => (x === y) === wantsEqual);
  }

  #text(node: Node): TextOf {
    switch (node.kind) {
      case 'constant': {
        const { value } = node;
        return typeof value === 'string' ? () => value : refuse(node, 'text');
      }
      case 'variable': {
        const slot = this.#slot(node, 'text');
        return (values) => textFrom(values[slot]);
      }
      case 'choice': {
        const { condition, yes, no } = this.#choice(node, (branch) => this.#text(branch));
        return chosen(condition, yes, no);
      }
      case 'call': {
        const spec = specOf(node);
        if (!('convert' in spec)) return refuse(node, 'text');
        const argument = this.#text(node.args[0] as Node);
        return (values) => {
          const value = argument(values);
          return value === undefined ? undefined : spec.convert(value);
        };
      }
      default:
        return refuse(node, 'text');
    }
  }

  /** Of nodes whose type is `any`: a variable, or a choice between such. */
  #any(node: Node): Evaluate<ExpressionValue> {
    if (node.kind === 'choice') {
      const { condition, yes, no } = this.#choice(node, (branch) => this.#any(branch));
      return chosen(condition, yes, no);
    }
    const slot = this.#slots.get((node as Variable).name) as number;
    return (values) => {
      const value = values[slot];
      if (typeof value !== 'number') return value;
      return Number.isFinite(value) ? value + 0 : undefined;
    };
  }

  #choice<T>(
    { condition, yes, no }: Choice,
    branch: (node: Node) => T,
  ): { readonly condition: TruthOf; readonly yes: T; readonly no: T } {
    return { condition: this.#truth(condition), yes: branch(yes), no: branch(no) };
  }

  #numberCall(node: Call): NumberOf {
    const spec = specOf(node);
    if (spec.gives !== 'number') return refuse(node, 'number');
    const args = node.args.map((argument) => this.#number(argument));
    if ('fold' in spec) {
      const [first, ...rest] = args as [NumberOf, ...NumberOf[]];
      return rest.reduce((folded, next) => combined(folded, next, spec.fold), first);
    }
    for (const value of (spec.defaults ?? []).slice(args.length - spec.argsMin)) args.push(() => value);
    const { apply } = spec;
    const [a, b, c] = args as [NumberOf, NumberOf | undefined, NumberOf | undefined];
    if (b === undefined) return (values) => finite(apply(a(values), 0, 0));
    if (c === undefined) return combined(a, b, (x, y) => apply(x, y, 0));
    return (values) => {
      const [x, y, z] = [a(values), b(values), c(values)];
      return Number.isNaN(x + y + z) ? Number.NaN : finite(apply(x, y, z));
    };
  }

  #truthCall(node: Call): TruthOf {
    const spec = specOf(node);
    if (spec.takes === 'variable') {
      const [argument] = node.args as [Node];
      if (argument.kind !== 'variable') {
        throw problemAt(argument.column, `${node.name} takes the name of a variable, as in ${node.name}(temperature)`);
      }
      const value = this.#any(argument);
      return (values) => value(values) !== undefined;
    }
    if (!('test' in spec)) return refuse(node, 'boolean');
    const [a, b] = node.args.map((argument) => this.#text(argument)) as [TextOf, TextOf];
    return (values) => {
      const [x, y] = [a(values), b(values)];
      return x === undefined || y === undefined ? undefined : spec.test(x, y);
    };
  }

  #slot({ name, column }: Variable, kind: ValueKind): number {
    this.#uses.note(name, kind, column);
    return this.#slots.get(name) as number;
  }
}

const arithmetic: Readonly<Record<ArithmeticOperator, (left: NumberOf, right: NumberOf) => NumberOf>> = {
  '+': (left, right) => (values) => finite(left(values) + right(values)),
  '-': (left, right) => (values) => finite(left(values) - right(values)),
  '*': (left, right) => (values) => finite(left(values) * right(values)),
  '/': (left, right) => (values) => finite(left(values) / right(values)),
  '%': (left, right) => (values) => finite(left(values) % right(values)),
};

const order: Readonly<Record<OrderOperator, (left: NumberOf, right: NumberOf) => TruthOf>> = {
  '<': (left, right) => comparison(left, right, (a, b) => a < b),
  '<=': (left, right) => comparison(left, right, (a, b) => a <= b),
  '>': (left, right) => comparison(left, right, (a, b) => a > b),
  '>=': (left, right) => comparison(left, right, (a, b) => a >= b),
};

function comparison(left: NumberOf, right: NumberOf, holds: (a: number, b: number) => boolean): TruthOf {
  return (values) => {
    const [a, b] = [left(values), right(values)];
    return Number.isNaN(a) || Number.isNaN(b) ? undefined : holds(a, b);
  };
}

function combined(left: NumberOf, right: NumberOf, apply: (a: number, b: number) => number): NumberOf {
  return (values) => {
    const [a, b] = [left(values), right(values)];
    return Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : finite(apply(a, b));
  };
}

function chosen<T>(condition: TruthOf, yes: Evaluate<T | undefined>, no: Evaluate<T | undefined>) {
  return (values: Values): T | undefined => {
    const decided = condition(values);
    return decided === undefined ? undefined : decided ? yes(values) : no(values);
  };
}

/** One side that is false decides, whether or not the other has a result. */
function both(left: TruthOf, right: TruthOf): TruthOf {
  return (values) => {
    const a = left(values);
    if (a === false) return false;
    const b = right(values);
    return b === false ? false : a === undefined ? undefined : b;
  };
}

/** One side that is true decides, whether or not the other has a result. */
function either(left: TruthOf, right: TruthOf): TruthOf {
  return (values) => {
    const a = left(values);
    if (a === true) return true;
    const b = right(values);
    return b === true ? true : a === undefined ? undefined : b;
  };
}

/** A text and a number have no common measure: no result rather than a quiet false. */
function same(a: ExpressionValue, b: ExpressionValue, wantsEqual: boolean): boolean | undefined {
  if (a === undefined || b === undefined || (typeof a === 'string') !== (typeof b === 'string')) return undefined;
  const isEqual = typeof a === 'string' ? a === b : Number(a) === Number(b);
  return isEqual === wantsEqual;
}

function numberFrom(value: ExpressionValue): number {
  if (typeof value === 'number') return finite(value);
  return typeof value === 'boolean' ? Number(value) : Number.NaN;
}

function truthFrom(value: ExpressionValue): boolean | undefined {
  if (typeof value === 'boolean') return value;
  return value === 1 ? true : value === 0 ? false : undefined;
}

function textFrom(value: ExpressionValue): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** With one zero only: `atan2` and `==` of the next stage must not tell 0 from -0. */
function finite(value: number): number {
  return Number.isFinite(value) ? value + 0 : Number.NaN;
}

function specOf({ name }: Call): FunctionSpec {
  return functions.get(name) as FunctionSpec;
}
