/**
 * A second, naive reading of the expression language: random trees, how they are written with as few parentheses as the precedences
 * allow, and what they give, straight from the rules in words. Shares nothing with the compiler.
 */
import fc from 'fast-check';
import type { ExpressionValue } from '../expression.ts';

export type Tree =
  | { readonly is: 'value'; readonly value: number | boolean | string }
  | { readonly is: 'name'; readonly name: string; readonly wants: 'number' | 'boolean' | 'text' }
  | { readonly is: 'op'; readonly op: string; readonly parts: readonly Tree[] }
  | { readonly is: 'call'; readonly fn: string; readonly parts: readonly Tree[] };

/** Names by what they hold; some need backticks. */
const names = {
  number: ['n', 'pm2.5', 'stats.temp.mean', 'été'],
  boolean: ['b', 'is_open', 'not'],
  text: ['t', 'the state', 'a-b'],
} as const;

const maybe = (some: fc.Arbitrary<ExpressionValue>): fc.Arbitrary<ExpressionValue> =>
  fc.option<ExpressionValue, undefined>(some, { nil: undefined, freq: 6 });

const someNumber = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom(1e308, -1e308, 0.5, -0),
);
const someText = fc.constantFrom('', 'on', 'ON', 'off', 'o', 'say "n"', "it's");

/** What the world may hand to an expression, including values of a kind it does not ask for. */
export const worlds: fc.Arbitrary<ReadonlyMap<string, ExpressionValue>> = fc
  .record({
    number: fc.array(maybe(fc.oneof(someNumber, someNumber, fc.boolean(), fc.constant(Number.NaN))), {
      minLength: 4,
      maxLength: 4,
    }),
    boolean: fc.array(maybe(fc.oneof(fc.boolean(), fc.constantFrom<ExpressionValue>(0, 1, 2, 'x'))), {
      minLength: 3,
      maxLength: 3,
    }),
    text: fc.array(maybe(fc.oneof(someText, someText, fc.constant(7))), { minLength: 3, maxLength: 3 }),
  })
  .map(
    (values) =>
      new Map(
        (['number', 'boolean', 'text'] as const).flatMap((kind) =>
          names[kind].map((name, index): [string, ExpressionValue] => [name, values[kind][index]]),
        ),
      ),
  );

const op = (name: string, ...parts: fc.Arbitrary<Tree>[]): fc.Arbitrary<Tree> =>
  fc.tuple(...parts).map((made): Tree => ({ is: 'op', op: name, parts: made }));
const call = (fn: string, ...parts: fc.Arbitrary<Tree>[]): fc.Arbitrary<Tree> =>
  fc.tuple(...parts).map((made): Tree => ({ is: 'call', fn, parts: made }));
const oneOp = (names: readonly string[], ...parts: fc.Arbitrary<Tree>[]): fc.Arbitrary<Tree> =>
  fc.constantFrom(...names).chain((name) => op(name, ...parts));
const named = (wants: 'number' | 'boolean' | 'text'): fc.Arbitrary<Tree> =>
  fc.constantFrom(...names[wants]).map((name): Tree => ({ is: 'name', name, wants }));
const literal = (value: fc.Arbitrary<number | boolean | string>): fc.Arbitrary<Tree> =>
  value.map((made): Tree => ({ is: 'value', value: made }));

const oneArgument = ['abs', 'round', 'floor', 'ceil', 'sqrt', 'ln', 'log10', 'exp', 'sin', 'cos'];

export const trees = fc.letrec<{ number: Tree; boolean: Tree; text: Tree; any: Tree }>((tie) => {
  const number = tie('number');
  const boolean = tie('boolean');
  const text = tie('text');
  return {
    number: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      literal(fc.oneof(fc.nat(20), fc.double({ min: 0, max: 1e9, noNaN: true }), fc.constant(1e300))),
      named('number'),
      oneOp(['+', '-', '*', '/', '%'], number, number),
      op('neg', number),
      op('?', boolean, number, number),
      fc.constantFrom(...oneArgument).chain((fn) => call(fn, number)),
      fc.constantFrom('pow', 'atan2', 'min', 'max').chain((fn) => call(fn, number, number)),
      call('max', number, number, number),
      call('clamp', number, number, number),
      call('round', number, literal(fc.nat(17))),
    ),
    boolean: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      literal(fc.boolean()),
      named('boolean'),
      oneOp(['<', '<=', '>', '>=', '==', '!='], number, number),
      oneOp(['and', 'or', '==', '!='], boolean, boolean),
      oneOp(['==', '!='], text, text),
      op('not', boolean),
      op('?', boolean, boolean, boolean),
      fc.constantFrom('startsWith', 'endsWith', 'contains').chain((fn) => call(fn, text, text)),
      fc
        .constantFrom<'number' | 'boolean' | 'text'>('number', 'boolean', 'text')
        .chain((kind) => call('has', named(kind))),
    ),
    text: fc.oneof(
      { maxDepth: 5, depthSize: 'medium' },
      literal(someText),
      named('text'),
      op('?', boolean, text, text),
      call('lower', text),
    ),
    any: fc.oneof(number, boolean, text),
  };
}).any;

const tightness: Readonly<Record<string, number>> = {
  '?': 1,
  or: 2,
  and: 3,
  not: 4,
  '==': 5,
  '!=': 5,
  '<': 5,
  '<=': 5,
  '>': 5,
  '>=': 5,
  '+': 6,
  '-': 6,
  '*': 7,
  '/': 7,
  '%': 7,
  neg: 8,
};
const tightest = 9;

function tightnessOf(tree: Tree): number {
  return tree.is === 'op' ? (tightness[tree.op] ?? tightest) : tightest;
}

/** As a person might write it; `spelling` picks among the synonyms. */
export function written(tree: Tree, spelling = 0): string {
  const at = (part: Tree, least: number): string => {
    const text = written(part, spelling + 1);
    return tightnessOf(part) < least ? `(${text})` : text;
  };
  const pick = (...choices: readonly string[]) => choices[spelling % choices.length] as string;
  switch (tree.is) {
    case 'value':
      if (typeof tree.value !== 'string') return String(tree.value);
      return pick(`"${tree.value.replaceAll('"', '\\"')}"`, `'${tree.value.replaceAll("'", "\\'")}'`);
    case 'name':
      return /^[\p{L}_][\p{L}\p{N}_.]*$/u.test(tree.name) && tree.name !== 'not' ? tree.name : `\`${tree.name}\``;
    case 'call':
      return `${tree.fn}(${tree.parts.map((part) => written(part, spelling)).join(pick(', ', ',', ' ,\n '))})`;
    case 'op': {
      const [a, b, c] = tree.parts as [Tree, Tree, Tree];
      const own = tightnessOf(tree);
      if (tree.op === '?') return `${at(a, own + 1)} ? ${at(b, 0)} : ${at(c, own)}`;
      if (tree.op === 'neg') return `-${at(a, own)}`;
      if (tree.op === 'not') return spelling % 2 === 0 ? `not ${at(a, own)}` : `(!${at(a, tightness.neg as number)})`;
      const name = tree.op === 'and' ? pick('and', '&&') : tree.op === 'or' ? pick('or', '||') : tree.op;
      // Comparisons do not chain: on either side of one, another needs parentheses.
      return `${at(a, own === 5 ? own + 1 : own)} ${name} ${at(b, own + 1)}`;
    }
  }
}

/** Whether nothing says what kind of value it gives: a name, or a choice between such. */
function isOpen(tree: Tree): boolean {
  return tree.is === 'name' || (tree.is === 'op' && tree.op === '?' && tree.parts.slice(1).every(isOpen));
}

/** What it gives in a world; undefined = no result. */
export function expected(
  tree: Tree,
  world: ReadonlyMap<string, ExpressionValue>,
  takesAny = isOpen(tree),
): ExpressionValue {
  switch (tree.is) {
    case 'value':
      return tree.value;
    case 'name':
      return asKind(world.get(tree.name), takesAny ? 'any' : tree.wants);
    case 'call': {
      if (tree.fn === 'has') return hasValue(tree.parts[0] as Tree, world);
      return called(
        tree.fn,
        tree.parts.map((part) => expected(part, world, false)),
      );
    }
    case 'op': {
      const [a, b, c] = tree.parts as [Tree, Tree, Tree];
      if (tree.op === '?') {
        const condition = expected(a, world, false);
        return condition === undefined ? undefined : expected(condition === true ? b : c, world, takesAny);
      }
      const isOpenOp = (tree.op === '==' || tree.op === '!=') && tree.parts.every(isOpen);
      const [x, y] = tree.parts.map((part) => expected(part, world, isOpenOp));
      return operated(tree.op, x, y);
    }
  }
}

function hasValue(tree: Tree, world: ReadonlyMap<string, ExpressionValue>): boolean {
  const value = tree.is === 'name' ? world.get(tree.name) : undefined;
  return value !== undefined && !Number.isNaN(value);
}

function asKind(value: ExpressionValue, wants: 'number' | 'boolean' | 'text' | 'any'): ExpressionValue {
  if (wants === 'any') return typeof value === 'number' ? real(value) : value;
  if (wants === 'text') return typeof value === 'string' ? value : undefined;
  if (typeof value === 'string' || value === undefined || Number.isNaN(value)) return undefined;
  if (wants === 'number') return real(Number(value));
  return value === true || value === 1 ? true : value === false || value === 0 ? false : undefined;
}

function operated(name: string, a: ExpressionValue, b: ExpressionValue): ExpressionValue {
  if (name === 'and') return a === false || b === false ? false : a === undefined || b === undefined ? undefined : true;
  if (name === 'or') return a === true || b === true ? true : a === undefined || b === undefined ? undefined : false;
  if (name === 'not') return a === undefined ? undefined : a === false;
  if (name === 'neg') return a === undefined ? undefined : real(-(a as number));
  if (a === undefined || b === undefined) return undefined;
  const [x, y] = [a as number, b as number];
  if (name === '==' || name === '!=') {
    if ((typeof a === 'string') !== (typeof b === 'string')) return undefined;
    const isEqual = typeof a === 'string' ? a === b : Number(a) === Number(b);
    return isEqual === (name === '==');
  }
  switch (name) {
    case '<':
      return x < y;
    case '<=':
      return x <= y;
    case '>':
      return x > y;
    case '>=':
      return x >= y;
    case '+':
      return real(x + y);
    case '-':
      return real(x - y);
    case '*':
      return real(x * y);
    case '/':
      return real(x / y);
    case '%':
      return real(x % y);
    default:
      throw new Error(`no operator ${name}`);
  }
}

function called(fn: string, args: readonly ExpressionValue[]): ExpressionValue {
  if (args.includes(undefined)) return undefined;
  if (fn === 'lower') return String(args[0]).toLowerCase();
  const [s = '', part = ''] = args as readonly string[];
  if (fn === 'startsWith') return s.slice(0, part.length) === part;
  if (fn === 'endsWith') return part === '' || s.slice(-part.length) === part;
  if (fn === 'contains') return s.split(part).length > 1 || part === '';
  return real(calculated(fn, args as readonly number[]));
}

function calculated(fn: string, args: readonly number[]): number {
  const [x = 0, y = 0, z = 0] = args;
  switch (fn) {
    case 'round':
      if (y > 15) return Number.NaN;
      return y === 0 ? Math.sign(x) * Math.round(Math.abs(x)) : Number(x.toFixed(y));
    case 'ln':
      return Math.log(x);
    case 'clamp':
      return y > z ? Number.NaN : x < y ? y : x > z ? z : x;
    case 'max':
      return args.toSorted((a, b) => b - a)[0] as number;
    case 'min':
      return args.toSorted((a, b) => a - b)[0] as number;
    default:
      return (Math as unknown as Record<string, (...numbers: readonly number[]) => number>)[fn]?.(...args) ?? 0;
  }
}

function real(value: number): number | undefined {
  return Number.isFinite(value) ? (value === 0 ? 0 : value) : undefined;
}
