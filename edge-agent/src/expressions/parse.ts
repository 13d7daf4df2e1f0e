/**
 * Tokens to a tree, by precedence climbing. From loosest to tightest: `? :`, `or`, `and`, `not`, comparisons (which do not
 * chain), `+ -`, `* / %`, prefix `- !`. Nesting and size are bounded, so neither this nor what walks the tree can exhaust the stack.
 */
import { didYouMean } from '@fogline/shared/suggest';
import { functionHints, functions } from './functions.ts';
import { problemAt } from './problem.ts';
import { type BinaryOperator, expressionLimits, type Node } from './syntax.ts';
import { type Token, tokenize } from './tokens.ts';

const power = { choice: 1, not: 4, comparison: 5, prefix: 8 } as const;

const binaryPower: Readonly<Record<BinaryOperator, number>> = {
  or: 2,
  and: 3,
  '==': power.comparison,
  '!=': power.comparison,
  '<': power.comparison,
  '<=': power.comparison,
  '>': power.comparison,
  '>=': power.comparison,
  '+': 6,
  '-': 6,
  '*': 7,
  '/': 7,
  '%': 7,
};

export interface Parsed {
  readonly root: Node;
  /** Every name it reads, sorted. */
  readonly variables: readonly string[];
}

/** @throws FoglineError config_invalid that names the column. */
export function parseExpression(text: string): Parsed {
  const parser = new Parser(tokenize(text));
  const root = parser.parseAll();
  return { root, variables: [...parser.variables].sort() };
}

class Parser {
  readonly variables = new Set<string>();
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;
  #nodes = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parseAll(): Node {
    const first = this.#peek();
    if (first.kind === 'end') throw problemAt(first.column, 'the expression is empty');
    const root = this.#parse(0);
    const rest = this.#peek();
    if (rest.kind === 'end') return root;
    throw problemAt(rest.column, whatFollows(rest));
  }

  /** One operand and all that binds at least as tightly as `powerMin`. */
  #parse(powerMin: number): Node {
    this.#nesting++;
    if (this.#nesting > expressionLimits.nestingMax) {
      throw problemAt(
        this.#peek().column,
        `nested too deeply: at most ${expressionLimits.nestingMax} levels; derive a metric for a part of it`,
      );
    }
    let left = this.#operand();
    for (;;) {
      const token = this.#peek();
      if (isOperator(token, '?')) {
        if (power.choice < powerMin) break;
        left = this.#choice(left);
        continue;
      }
      const binding = bindingOf(token);
      if (binding === undefined || binding < powerMin) break;
      left = this.#binary(left, token, binding);
    }
    this.#nesting--;
    return left;
  }

  #binary(left: Node, token: Token, binding: number): Node {
    this.#at++;
    const right = this.#parse(binding + 1);
    const next = this.#peek();
    if (binding === power.comparison && bindingOf(next) === power.comparison) {
      throw problemAt(next.column, 'comparisons do not chain: write a < x and x < b');
    }
    return this.#node({ kind: 'binary', column: token.column, operator: token.text as BinaryOperator, left, right });
  }

  #choice(condition: Node): Node {
    const { column } = this.#next();
    const yes = this.#parse(0);
    const colon = this.#next();
    if (!isOperator(colon, ':')) {
      throw problemAt(colon.column, `the ? at column ${column} needs a ":" here, as in hot ? 1 : 0`);
    }
    const no = this.#parse(power.choice);
    return this.#node({ kind: 'choice', column, condition, yes, no });
  }

  #operand(): Node {
    const token = this.#next();
    const { kind, column, text } = token;
    switch (kind) {
      case 'number':
        return this.#node({ kind: 'constant', column, value: Number(text) });
      case 'text':
        return this.#node({ kind: 'constant', column, value: text });
      case 'name':
        if (isOperator(this.#peek(), '(')) return this.#call(token);
        return this.#variable(token);
      case 'quoted':
        return this.#variable(token);
      case 'word':
        if (text === 'true' || text === 'false')
          return this.#node({ kind: 'constant', column, value: text === 'true' });
        if (text === 'not') {
          return this.#node({ kind: 'unary', column, operator: 'not', operand: this.#parse(power.not) });
        }
        throw problemAt(column, `"${text}" needs something on its left`);
      case 'operator':
        return this.#prefix(token);
      case 'end':
        throw problemAt(column, 'the expression ends here, where a value is expected');
    }
  }

  #prefix({ column, text }: Token): Node {
    if (text === '-' || text === '!') {
      const operator = text === '-' ? '-' : 'not';
      return this.#node({ kind: 'unary', column, operator, operand: this.#parse(power.prefix) });
    }
    if (text !== '(') throw problemAt(column, `a value is expected here, not "${text}"`);
    const inside = this.#parse(0);
    this.#closeParenthesis(column);
    return inside;
  }

  #variable({ column, text }: Token): Node {
    this.variables.add(text);
    return this.#node({ kind: 'variable', column, name: text });
  }

  #call({ column, text: name }: Token): Node {
    const spec = functions.get(name);
    if (spec === undefined) {
      const hint = functionHints.get(name);
      const help = hint === undefined ? didYouMean(name, functions.keys()) : `: ${hint}`;
      throw problemAt(column, `there is no function "${name}"${help}`);
    }
    const open = this.#next();
    const args: Node[] = [];
    if (!isOperator(this.#peek(), ')')) {
      args.push(this.#parse(0));
      while (isOperator(this.#peek(), ',')) {
        this.#at++;
        args.push(this.#parse(0));
      }
    }
    this.#closeParenthesis(open.column);
    const { argsMin, argsMax } = spec;
    if (args.length < argsMin || args.length > argsMax) {
      const wanted = argsMin === argsMax ? `${argsMin}` : `${argsMin} to ${argsMax}`;
      throw problemAt(
        column,
        `${name} takes ${wanted} ${argsMax === 1 ? 'argument' : 'arguments'}, not ${args.length}`,
      );
    }
    return this.#node({ kind: 'call', column, name, args });
  }

  #closeParenthesis(opened: number): void {
    const token = this.#next();
    if (isOperator(token, ')')) return;
    const instead = token.kind === 'end' ? '' : `, not ${shown(token)}`;
    throw problemAt(token.column, `the "(" at column ${opened} needs a ")" here${instead}`);
  }

  #node(node: Node): Node {
    this.#nodes++;
    if (this.#nodes > expressionLimits.nodesMax) {
      throw problemAt(
        node.column,
        `the expression has more than ${expressionLimits.nodesMax} parts: derive a metric for some of them`,
      );
    }
    return node;
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }
}

function isOperator(token: Token, text: string): boolean {
  return token.kind === 'operator' && token.text === text;
}

function bindingOf({ kind, text }: Token): number | undefined {
  if (kind !== 'operator' && kind !== 'word') return undefined;
  return Object.hasOwn(binaryPower, text) ? binaryPower[text as BinaryOperator] : undefined;
}

function shown({ kind, text }: Token): string {
  return kind === 'text' ? `the text "${text}"` : `"${text}"`;
}

function whatFollows(token: Token): string {
  if (isOperator(token, ')')) return 'this ")" closes nothing';
  const guess = token.kind === 'name' ? didYouMean(token.text, ['and', 'or']) : '';
  return `${shown(token)} follows a complete expression: an operator is missing${guess}`;
}
