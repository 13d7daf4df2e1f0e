/** Text to tokens, in one pass over it. What other languages would write here is refused with what to write instead. */
import { problemAt } from './problem.ts';
import { expressionLimits } from './syntax.ts';

export interface Token {
  /** `name` is a variable or function, `quoted` a variable in backticks, `word` one of `and or not true false`. */
  readonly kind: 'number' | 'text' | 'name' | 'quoted' | 'word' | 'operator' | 'end';
  readonly column: number;
  /** The value of a text or name; what was written of anything else, with `&&` as `and` and `||` as `or`. */
  readonly text: string;
}

const words: ReadonlySet<string> = new Set(['and', 'or', 'not', 'true', 'false']);
const spelledOut: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or' };

const space = /[ \t\r\n]+/y;
const number = /(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
/** `pm2.5` and `stats.temperature.p99.9` are names. */
const name = /[\p{L}_][\p{L}\p{N}_]*(?:\.[\p{L}\p{N}_]+)*/uy;
const operator = /&&|\|\||[=!<>]=|[-+*/%<>!?:(),]/y;
const quoted = /(["'])(?:\\.|(?!\1)[^\\])*\1|`[^`]*`/suy;
const wordCharacter = /[\p{L}\p{N}_.]/uy;

const foreign = /===|!==|<>|\*\*|=(?!=)|\^|&(?!&)|\|(?!\|)|[[{$;]/y;
const insteadOf: Readonly<Record<string, string>> = {
  '===': 'write == to compare',
  '!==': 'write != to compare',
  '<>': 'write != to compare',
  '=': 'write == to compare',
  '**': 'write pow(x, y) for a power',
  '^': 'write pow(x, y) for a power',
  '&': 'write "and"',
  '|': 'write "or"',
  '[': 'write a path with dots, or an odd name in backticks',
  '{': 'variables are named without braces',
  $: 'variables are named without it; an odd name goes in backticks',
  ';': 'an expression is one value',
};

export function tokenize(text: string): Token[] {
  if (text.length > expressionLimits.textCharsMax) {
    throw problemAt(
      expressionLimits.textCharsMax + 1,
      `the expression is too long: at most ${expressionLimits.textCharsMax} characters; split it into several metrics`,
    );
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const blank = matchAt(space, text, at);
    if (blank === undefined) {
      const token = nextToken(text, at);
      tokens.push(token.token);
      at = token.end;
    } else at += blank.length;
  }
  return [...tokens, { kind: 'end', column: text.length + 1, text: '' }];
}

function nextToken(text: string, at: number): { readonly token: Token; readonly end: number } {
  const column = at + 1;
  const refused = matchAt(foreign, text, at);
  if (refused !== undefined)
    throw problemAt(column, `"${refused}" is not part of an expression: ${insteadOf[refused]}`);
  const digits = matchAt(number, text, at);
  if (digits !== undefined) return { token: numberToken(text, digits, column), end: at + digits.length };
  const word = matchAt(name, text, at);
  if (word !== undefined) {
    return { token: { kind: words.has(word) ? 'word' : 'name', column, text: word }, end: at + word.length };
  }
  const symbol = matchAt(operator, text, at);
  if (symbol !== undefined) {
    const spelling = spelledOut[symbol];
    const kind = spelling === undefined ? 'operator' : 'word';
    return { token: { kind, column, text: spelling ?? symbol }, end: at + symbol.length };
  }
  const literal = matchAt(quoted, text, at);
  if (literal !== undefined) return { token: quotedToken(literal, column), end: at + literal.length };
  const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
  if (`"'\``.includes(character)) throw problemAt(column, `the ${character} that opens here is never closed`);
  throw problemAt(column, `the character ${JSON.stringify(character)} means nothing here`);
}

function numberToken(text: string, digits: string, column: number): Token {
  const next = matchAt(wordCharacter, text, column - 1 + digits.length);
  if (next !== undefined) {
    throw problemAt(
      column + digits.length,
      `"${next}" follows the number ${digits} directly: numbers carry no units here, and a name that begins with a digit goes in backticks`,
    );
  }
  if (!Number.isFinite(Number(digits))) throw problemAt(column, `the number ${digits} is too large`);
  return { kind: 'number', column, text: digits };
}

function quotedToken(literal: string, column: number): Token {
  const inside = literal.slice(1, -1);
  if (literal.startsWith('`')) {
    if (inside === '') throw problemAt(column, 'the name between the backticks is empty');
    return { kind: 'quoted', column, text: inside };
  }
  return { kind: 'text', column, text: inside.replaceAll(/\\(.)/gsu, '$1') };
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
