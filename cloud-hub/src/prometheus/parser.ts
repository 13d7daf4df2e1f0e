/**
 * PromQL text → expression, by Prometheus' own grammar (the only file that knows it). What the grammar has and this hub does not evaluate is
 * refused by name; a mistake in the text is told with line and column.
 */

import { didYouMean } from '@fogline/shared/suggest';
import { parser } from '@prometheus-io/lezer-promql';
import {
  type AggregationOperator,
  type AtModifier,
  aggregationOperators,
  type BinaryOperator,
  type Expression,
  type LabelMatcher,
  type Matching,
  type MatchOperator,
  type VectorSelector,
} from './ast.ts';
import { badData } from './errors.ts';
import { functionNames } from './function-table.ts';
import { nameLabel } from './labels.ts';
import { parseDuration, parseNumber, unquote } from './literals.ts';
import { ordered, type Token } from './precedence.ts';

type Node = ReturnType<typeof parser.parse>['topNode'];

const limits = { charactersMax: 16_384, depthMax: 200 } as const;

/** Throws `query_invalid`. */
export function parseExpression(text: string): Expression {
  if (text.length > limits.charactersMax) {
    throw badData(`a query of ${text.length} characters; at most ${limits.charactersMax} are accepted`);
  }
  return new Reader(text).read();
}

/** A selector as `match[]` has it. Throws `query_invalid`. */
export function parseSeriesSelector(text: string): VectorSelector {
  const expression = parseExpression(text);
  if (expression.kind !== 'selector' || expression.offsetMs !== 0 || expression.time !== undefined) {
    throw badData(
      `match[]: ${JSON.stringify(text.slice(0, 200))} is no series selector such as temperature{device="d1"}`,
    );
  }
  return expression;
}

/** Node names of the grammar that are refused, with what to say. */
const refusals: Readonly<Record<string, string>> = {
  AnchoredExpr: 'the modifier "anchored" is not supported',
  SmoothedExpr: 'the modifier "smoothed" is not supported',
  FillModifier: 'fill modifiers are not supported; write "or" with a default',
  LimitK: 'the aggregation "limitk" is not supported; topk is',
  LimitRatio: 'the aggregation "limit_ratio" is not supported; topk is',
};

class Reader {
  readonly #text: string;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Expression {
    const tree = parser.parse(this.#text);
    this.#refuseErrors(tree);
    const [root] = childrenOf(tree.topNode);
    if (root === undefined) throw this.#wrong(0, 'no expression found in input');
    return this.#expression(root);
  }

  #refuseErrors(tree: ReturnType<typeof parser.parse>): void {
    tree.iterate({
      enter: (node) => {
        if (!node.type.isError) return;
        const rest = this.#text.slice(node.from);
        const name = /(?:^|[^\w:])([A-Za-z_]\w*)\s*$/.exec(this.#text.slice(0, node.from))?.[1];
        if (name !== undefined && /^\s*\(/.test(rest)) {
          throw this.#wrong(
            node.from - name.length,
            `unknown function with name "${name}"${didYouMean(name, functionNames)}`,
          );
        }
        const found =
          rest.trim() === '' ? 'unexpected end of input' : `unexpected ${JSON.stringify(rest.slice(0, 20))}`;
        throw this.#wrong(node.from, found);
      },
    });
  }

  /** With everything that binds to it, in the order in which it binds. */
  #expression(node: Node): Expression {
    const tokens: Token[] = [];
    this.#flatten(node, tokens);
    return ordered(tokens);
  }

  /** The row of operands and operators as it stands in the text, up to parentheses. */
  #flatten(node: Node, tokens: Token[]): void {
    if (++this.#depth > limits.depthMax) throw badData(`the query is nested more than ${limits.depthMax} deep`);
    const children = childrenOf(node);
    const first = children[0];
    const at = node.from;
    switch (node.name) {
      case 'BinaryExpr': {
        this.#flatten(some(first), tokens);
        tokens.push(this.#operator(node, children));
        this.#flatten(some(children.at(-1)), tokens);
        break;
      }
      case 'UnaryExpr':
        tokens.push({ kind: 'sign', at, isMinus: this.#of(some(first)) === '-' });
        this.#flatten(some(children[1]), tokens);
        break;
      case 'NumberDurationLiteral': {
        const sign = /^[-+]/.exec(this.#of(node))?.[0];
        if (sign !== undefined) tokens.push({ kind: 'sign', at, isMinus: sign === '-' });
        tokens.push({ kind: 'operand', expression: { kind: 'number', at, value: Math.abs(this.#number(node)) } });
        break;
      }
      case 'MatrixSelector':
      case 'SubqueryExpr':
      case 'OffsetExpr':
      case 'StepInvariantExpr':
        this.#flatten(some(first), tokens);
        tokens.push({ kind: 'modifier', apply: this.#modifier(node, children) });
        break;
      default:
        tokens.push({ kind: 'operand', expression: this.#operand(node, children) });
    }
    this.#depth--;
  }

  #operand(node: Node, children: readonly Node[]): Expression {
    const at = node.from;
    switch (node.name) {
      case 'ParenExpr':
        return this.#expression(some(children[0]));
      case 'StringLiteral':
        return { kind: 'string', at, value: unquote(this.#of(node)) };
      case 'VectorSelector':
        return { kind: 'selector', at, matchers: this.#matchers(node), offsetMs: 0, time: undefined };
      case 'AggregateExpr':
        return this.#aggregation(node);
      case 'FunctionCall': {
        const args = childrenOf(some(children[1])).map((child) => this.#expression(child));
        return { kind: 'call', at, name: this.#of(some(children[0])), args };
      }
      default:
        throw this.#wrong(at, refusals[node.name] ?? `${node.name} is not supported`);
    }
  }

  #modifier(node: Node, children: readonly Node[]): (inner: Expression) => Expression {
    const second = some(children[1]);
    switch (node.name) {
      case 'MatrixSelector': {
        const rangeMs = this.#duration(second);
        return (inner) => this.#matrix(node, inner, rangeMs);
      }
      case 'SubqueryExpr': {
        const rangeMs = this.#duration(second);
        const stepMs = children[2] === undefined ? undefined : this.#duration(children[2]);
        return (inner) => ({ kind: 'subquery', at: inner.at, inner, rangeMs, stepMs, offsetMs: 0, time: undefined });
      }
      case 'OffsetExpr': {
        const offsetMs = this.#duration(some(children[2]), isSigned);
        return (inner) => this.#placed(node, inner, { offsetMs });
      }
      default: {
        const time = this.#atTime(some(children[2]));
        return (inner) => this.#placed(node, inner, { time });
      }
    }
  }

  #matrix(node: Node, selector: Expression, rangeMs: number): Expression {
    if (selector.kind !== 'selector') throw this.#wrong(node.from, 'ranges only allowed for vector selectors');
    if (selector.offsetMs !== 0 || selector.time !== undefined)
      throw this.#wrong(node.from, 'the range comes before offset and @: x[5m] offset 1h');
    return { kind: 'matrix', at: selector.at, selector, rangeMs };
  }

  #placed(
    node: Node,
    inner: Expression,
    placement: { readonly offsetMs: number } | { readonly time: AtModifier },
  ): Expression {
    const target = inner.kind === 'matrix' ? inner.selector : inner;
    if (target.kind !== 'selector' && target.kind !== 'subquery') {
      throw this.#wrong(node.from, 'offset and @ follow a selector or a subquery: x offset 1h, rate(x[5m] offset 1h)');
    }
    const isSecond = 'offsetMs' in placement ? target.offsetMs !== 0 : target.time !== undefined;
    if (isSecond) throw this.#wrong(node.from, 'offset and @ may each be given once');
    const placed = { ...target, ...placement };
    return inner.kind === 'matrix' ? { ...inner, selector: placed as VectorSelector } : placed;
  }

  #atTime(node: Node): AtModifier {
    if (node.name === 'AtModifierPreprocessors') return this.#of(node).startsWith('s') ? 'start' : 'end';
    const seconds = this.#number(node);
    if (!Number.isFinite(seconds)) throw this.#wrong(node.from, 'after @ comes a time in seconds since the epoch');
    return { timeMs: Math.round(seconds * 1000) };
  }

  #operator(node: Node, children: readonly Node[]): Token {
    const modifiers = children.slice(2, -1);
    const operator = this.#of(some(children[1])).toLowerCase();
    const refused = modifiers.find((child) => refusals[child.name] !== undefined);
    if (refused !== undefined) throw this.#wrong(refused.from, refusals[refused.name] ?? '');
    if (operator === '</' || operator === '>/') {
      throw this.#wrong(some(children[1]).from, `the operator "${operator}" trims histograms and is not supported`);
    }
    const clause = modifiers.find((child) => child.name === 'MatchingModifierClause');
    const parts = {
      kind: 'binary',
      at: node.from,
      operator: operator as BinaryOperator,
      isBool: modifiers.some((child) => child.name === 'BoolModifier'),
      matching: clause === undefined ? undefined : this.#matching(clause),
    } as const;
    return {
      kind: 'operator',
      operator: parts.operator,
      build: (left, right) => ({ ...parts, left, right }),
    };
  }

  #matching(clause: Node): Matching {
    const children = childrenOf(clause);
    const group = children.find((child) => child.name === 'GroupLeft' || child.name === 'GroupRight');
    const lists = children.filter((child) => child.name === 'GroupingLabels').map((child) => this.#labels(child));
    return {
      isOn: children[0]?.name === 'On',
      labels: lists[0] ?? [],
      many: group === undefined ? undefined : group.name === 'GroupLeft' ? 'left' : 'right',
      include: lists[1] ?? [],
    };
  }

  #aggregation(node: Node): Expression {
    const children = childrenOf(node);
    const operatorNode = some(children[0]);
    const refused = refusals[some(operatorNode.firstChild).name];
    if (refused !== undefined) throw this.#wrong(node.from, refused);
    const operator = this.#of(operatorNode).toLowerCase() as AggregationOperator;
    if (!aggregationOperators.includes(operator))
      throw this.#wrong(node.from, `the aggregation "${operator}" is not supported`);
    const modifier = children.find((child) => child.name === 'AggregateModifier');
    const body = some(children.find((child) => child.name === 'FunctionCallBody'));
    const args = childrenOf(body).map((child) => this.#expression(child));
    const needed = takesParameter(operator) ? 2 : 1;
    const inner = args.at(-1);
    if (args.length !== needed || inner === undefined) {
      throw this.#wrong(
        node.from,
        `wrong number of arguments for aggregate expression provided, expected ${needed}, got ${args.length}`,
      );
    }
    return {
      kind: 'aggregation',
      at: node.from,
      operator,
      parameter: needed === 2 ? args[0] : undefined,
      inner,
      isWithout: modifier?.firstChild?.name === 'Without',
      labels: modifier === undefined ? [] : this.#labels(some(childrenOf(modifier)[1])),
    };
  }

  #labels(node: Node): string[] {
    return childrenOf(node).map((child) =>
      child.name === 'QuotedLabelName' ? unquote(this.#of(child)) : this.#of(child),
    );
  }

  #matchers(node: Node): LabelMatcher[] {
    const matchers: LabelMatcher[] = [];
    for (const child of childrenOf(node)) {
      if (child.name === 'Identifier') matchers.push({ label: nameLabel, operator: '=', value: this.#of(child) });
      else matchers.push(...childrenOf(child).map((matcher) => this.#matcher(matcher)));
    }
    const names = matchers.filter(({ label, operator }) => label === nameLabel && operator === '=');
    if (names.length > 1) throw this.#wrong(node.from, 'metric name must not be set twice');
    const isNarrowed = matchers.some(({ operator, value }) => value !== '' && !(operator === '=~' && value === '.*'));
    if (!isNarrowed && matchers.length === 0)
      throw this.#wrong(node.from, 'vector selector must contain at least one non-empty matcher');
    return matchers;
  }

  #matcher(node: Node): LabelMatcher {
    // A quoted name alone, {"air temperature"}, is the name of the metric.
    if (node.name === 'QuotedLabelName') return { label: nameLabel, operator: '=', value: unquote(this.#of(node)) };
    const [label, operator, value] = childrenOf(node);
    const name = this.#of(some(label));
    return {
      label: node.name === 'QuotedLabelMatcher' ? unquote(name) : name,
      operator: this.#of(some(operator)) as MatchOperator,
      value: unquote(this.#of(some(value))),
    };
  }

  #number(node: Node): number {
    const value = parseNumber(this.#of(node));
    if (value === undefined) throw this.#wrong(node.from, `${JSON.stringify(this.#of(node))} is not a number`);
    return value;
  }

  #duration(node: Node, check: RegExp = isPlain): number {
    const text = this.#of(node).replace(/\s+/g, '');
    if (!check.test(text)) {
      throw this.#wrong(
        node.from,
        `the duration "${text}" must be written out, such as 90s; expressions are not supported`,
      );
    }
    const seconds = parseNumber(text);
    const ms = parseDuration(text.replace(/^-/, ''));
    const value = ms === undefined ? Math.round((seconds ?? Number.NaN) * 1000) : text.startsWith('-') ? -ms : ms;
    if (!Number.isFinite(value)) throw this.#wrong(node.from, `"${text}" is not a duration`);
    if (check === isPlain && value <= 0) throw this.#wrong(node.from, 'duration must be greater than 0');
    return value;
  }

  #of(node: Node): string {
    return this.#text.slice(node.from, node.to);
  }

  #wrong(offset: number, what: string): Error {
    const before = this.#text.slice(0, offset).split('\n');
    return badData(`${before.length}:${(before.at(-1) ?? '').length + 1}: parse error: ${what}`);
  }
}

const isPlain = /^[\d.][\w.]*$/;
const isSigned = /^-?[\d.][\w.]*$/;

function takesParameter(operator: AggregationOperator): boolean {
  return operator === 'topk' || operator === 'bottomk' || operator === 'quantile' || operator === 'count_values';
}

function childrenOf(node: Node): Node[] {
  const children: Node[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) {
    if (child.name !== 'LineComment') children.push(child);
  }
  return children;
}

/** The grammar promises this node. */
function some(node: Node | null | undefined): Node {
  if (node === null || node === undefined) throw new Error('invariant violated: the grammar promises a node here');
  return node;
}
