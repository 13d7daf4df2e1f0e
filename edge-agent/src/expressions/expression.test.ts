import { FoglineError } from '@fogline/shared/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression, type ExpressionValue } from './expression.ts';
import { functions } from './functions.ts';
import { expected, trees, worlds, written } from './testing/reference.ts';

function evaluate(text: string, world: Readonly<Record<string, ExpressionValue>> = {}): ExpressionValue {
  const { variables, evaluate: run } = compileExpression(text);
  return run(variables.map((name) => (Object.hasOwn(world, name) ? world[name] : undefined)));
}

function problem(text: string): string {
  try {
    compileExpression(text);
  } catch (error) {
    if (error instanceof FoglineError && error.code === 'config_invalid') return error.message;
    throw error;
  }
  return 'compiles';
}

it('gives what the rules in words say, for any tree, spelling and world', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(trees, worlds, fc.nat(11), (tree, world, spelling) => {
      const text = written(tree, spelling);
      fc.pre(!/nested|parts|too long/.test(problem(text)));
      const { variables, type, evaluate: run } = compileExpression(text);
      const result = run(variables.map((name) => world.get(name)));
      expect(result, text).toBe(expected(tree, world));
      seen.add(`${type} ${typeof result}`);
      if (result !== undefined && type !== 'any')
        expect(type).toBe(typeof result === 'string' ? 'text' : typeof result);
    }),
    { numRuns: 5_000 },
  );
  // Names alone are of any type, and the rest came in every kind, with and without a result.
  for (const kind of ['number number', 'boolean boolean', 'text string', 'number undefined', 'boolean undefined']) {
    expect(seen).toContain(kind);
  }
});

describe('whatever is typed, it compiles or is refused with a column of the text', () => {
  const words = 'a b.c 1 2.5e3 true and or not ( ) , ? : = == != < <= + - * / % ! && || . [ { $ ; ^ ** <> ===';
  const hosts = 'constructor __proto__ toString( round( if( 𝛼';
  const pieces = words.split(' ').concat(
    hosts.split(' '),
    [' ', '\n', '"', '`', "'", '\\', '\ud800', '`x y`', '"t"', "'t'"],
    [...functions.keys()].map((name) => `${name}(`),
  );
  const garbage = fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join('')),
    fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((parts) => parts.join(' ')),
    fc.string({ maxLength: 60, unit: 'binary' }),
    fc.tuple(trees, fc.nat(), fc.constantFrom(...pieces)).map(([tree, at, piece]) => {
      const text = written(tree);
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + piece + text.slice(cut + (at % 3));
    }),
  );

  it('and evaluating it never throws', () => {
    let refused = 0;
    fc.assert(
      fc.property(garbage, worlds, (text, world) => {
        try {
          const { variables, evaluate: run } = compileExpression(text);
          const result = run(variables.map((name) => world.get(name)));
          if (typeof result === 'number') expect(Number.isFinite(result)).toBe(true);
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(FoglineError);
          const { code, message, details } = error as FoglineError;
          expect(code).toBe('config_invalid');
          expect(message.startsWith(`column ${String(details.column)}: `)).toBe(true);
          expect(details.column).toBeGreaterThanOrEqual(1);
          expect(details.column).toBeLessThanOrEqual(text.length + 1);
        }
      }),
      { numRuns: 5_000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it.each([
    ['(', 40_000],
    ['-', 900],
    ['not ', 240],
    ['a ? b : ', 100],
    ['a ? ', 200],
    ['min(', 240],
    ['a + ', 240],
    ['a < ', 100],
  ])('bounded: %s many times', (piece, times) => {
    expect(problem(`${piece.repeat(times)}a`)).toMatch(/^column \d+: /);
  });
});

describe('a mistake is named with its column and the way out', () => {
  it.each([
    ['', 'column 1: the expression is empty'],
    ['a +', 'column 4: the expression ends here, where a value is expected'],
    ['a = 1', 'column 3: "=" is not part of an expression: write == to compare'],
    ['a ** 2', 'column 3: "**" is not part of an expression: write pow(x, y) for a power'],
    ['1 < a < 5', 'column 7: comparisons do not chain: write a < x and x < b'],
    ['temp and > 3', 'column 10: a value is expected here, not ">"'],
    [
      '25C > a',
      'column 3: "C" follows the number 25 directly: numbers carry no units here, and a name that begins with a digit goes in backticks',
    ],
    ['rond(a)', 'column 1: there is no function "rond" (did you mean "round"?)'],
    ['2 * log(a)', 'column 5: there is no function "log": write ln(x) or log10(x)'],
    ['if(a, 1, 2)', 'column 1: there is no function "if": write condition ? this : that'],
    ['constructor(a)', 'column 1: there is no function "constructor"'],
    ['pow(a)', 'column 1: pow takes 2 arguments, not 1'],
    ['a AND b', 'column 3: "AND" follows a complete expression: an operator is missing (did you mean "and"?)'],
    ['(a + 1', 'column 7: the "(" at column 1 needs a ")" here'],
    ['a)', 'column 2: this ")" closes nothing'],
    ['a ? 1', 'column 6: the ? at column 3 needs a ":" here, as in hot ? 1 : 0'],
    ['state == "on', `column 10: the " that opens here is never closed`],
    ['a and 1', 'column 7: 1 gives a number, where true or false is needed: compare it, as in x > 0'],
    ['(a > 1) * 2', 'column 4: ">" gives true or false, where a number is needed: write … ? 1 : 0'],
    ['"x" + a', 'column 1: the text "x" gives a text, where a number is needed: texts are compared with == and !='],
    ['a > 1 and a == "x"', 'column 11: "a" is used as a text here, and as a number at column 1: it cannot be both'],
    ['1 == "x"', 'column 3: "==" compares a number with a text: they are never equal'],
    ['has(1)', 'column 5: has takes the name of a variable, as in has(temperature)'],
    ['a[0]', 'column 2: "[" is not part of an expression: write a path with dots, or an odd name in backticks'],
    ['a # b', 'column 3: the character "#" means nothing here'],
  ])('%s', (text, message) => {
    expect(problem(text)).toBe(message);
  });
});

describe('values', () => {
  const world = { temperature: 21.5, humidity: 40, door: true, fan: 1, state: 'ON', 'my metric': 3, 'pm2.5': 9 };
  it.each<[string, ExpressionValue]>([
    ['temperature * 2', 43],
    ['temperature > 20 and humidity < 50', true],
    ['temperature > 20 && !(humidity < 50)', false],
    ['`my metric` + pm2.5', 12],
    ['lower(state) == "on" ? 1 : 0', 1],
    ['fan and door', true],
    ['door * 10', 10],
    ['fan == 1 and fan == door', true],
    ['state', 'ON'],
    ['-2 % 3', -2],
    ['2 + 3 * 4 - -1', 15],
    ['not door or fan', true],
    ['round(-2.5) + round(2.346, 1) * 10', 20],
    ['clamp(temperature, 0, 20)', 20],
    ['1 / 0', undefined],
    ['1 / (1 / 0)', undefined],
    ['sqrt(-1)', undefined],
    ['exp(1000) > 1', undefined],
    ['-(temperature - temperature)', 0],
    // What is missing has no result, unless the rest decides.
    ['missing + 1', undefined],
    ['missing > 1 or temperature > 20', true],
    ['missing > 1 and temperature > 20', undefined],
    ['missing > 1 and temperature < 20', false],
    ['has(missing) ? missing : 7', 7],
    ['pow(missing, 0)', undefined],
    // A text where a number is needed, seen only when it comes.
    ['state > 1', undefined],
    ['state == fan', undefined],
  ])('%s', (text, value) => {
    expect(evaluate(text, world)).toBe(value);
  });

  it('the host is out of reach: its names are variables like any other', () => {
    for (const name of ['constructor', '__proto__', 'process', 'toString', 'globalThis.process']) {
      expect(compileExpression(name).variables).toEqual([name]);
      expect(evaluate(name)).toBe(undefined);
    }
  });

  it('names its variables once each, sorted', () => {
    expect(compileExpression('b + a.c * b - max(`Z z`, a.c)').variables).toEqual(['Z z', 'a.c', 'b']);
  });
});
