/**
 * Series selectors: a subset of Prometheus' instant vector selector, `metric{label="v",label2!="v"}`. What Prometheus
 * allows beyond it is refused by name, never read as something else. A label that a series lacks is the empty string.
 */
import { FoglineError } from '@fogline/shared/errors';

export interface Matcher {
  readonly label: string;
  readonly isNegated: boolean;
  readonly value: string;
}

export interface Selector {
  readonly text: string;
  readonly matchers: readonly Matcher[];
}

const selectorLimits = { charactersMax: 4096, matchersMax: 32 } as const;

/** Throws `query_invalid` with the position and the fix. */
export function parseSelector(text: string): Selector {
  if (text.length > selectorLimits.charactersMax) {
    throw invalid(`match: ${text.length} characters, at most ${selectorLimits.charactersMax} are accepted`);
  }
  return new SelectorParser(text).parse();
}

export function isMatch(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  return selector.matchers.every(
    (matcher) =>
      ((Object.hasOwn(labels, matcher.label) ? labels[matcher.label] : '') === matcher.value) !== matcher.isNegated,
  );
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  '"': '"',
  "'": "'",
};

class SelectorParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector {
    const matchers: Matcher[] = [];
    this.#skipSpace();
    const metric = this.#take(/[A-Za-z_:][A-Za-z0-9_:]*/y);
    if (metric !== undefined) matchers.push({ label: 'metric', isNegated: false, value: metric });
    this.#skipSpace();
    const hasBraces = this.#take(/\{/y) !== undefined;
    if (!hasBraces && metric === undefined)
      throw this.#wrong('a selector begins with a metric name or "{"', 'temperature{device="d1"}');
    if (hasBraces) this.#matchersInto(matchers);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#trailing(metric);
    return { text: this.#text, matchers };
  }

  #matchersInto(matchers: Matcher[]): void {
    for (;;) {
      this.#skipSpace();
      if (this.#take(/\}/y) !== undefined) return;
      matchers.push(this.#matcher());
      if (matchers.length > selectorLimits.matchersMax) {
        throw invalid(`match: more than ${selectorLimits.matchersMax} matchers in one selector`);
      }
      this.#skipSpace();
      if (this.#take(/,/y) !== undefined) continue;
      if (this.#take(/\}/y) !== undefined) return;
      throw this.#wrong('"," or "}" is missing', 'temperature{device="d1",stream!="raw"}');
    }
  }

  #matcher(): Matcher {
    const label = this.#take(/[A-Za-z_][A-Za-z0-9_.-]*/y);
    if (label === undefined) throw this.#wrong('a label name is missing', '{device="d1"}');
    this.#skipSpace();
    const operator = this.#take(/=~|!~|!=|==|=/y);
    if (operator === '=~' || operator === '!~') {
      throw invalid(
        `match: the regular expression matcher ${operator} on "${label}" is not supported; name each value: repeat match, once per value, with ${label}="…"`,
      );
    }
    if (operator === undefined || operator === '==')
      throw this.#wrong(`after "${label}" comes = or !=`, `${label}="…"`);
    this.#skipSpace();
    return { label: label === '__name__' ? 'metric' : label, isNegated: operator === '!=', value: this.#quoted(label) };
  }

  #quoted(label: string): string {
    const quote = this.#take(/["'`]/y);
    if (quote === undefined) throw this.#wrong(`the value of "${label}" must be quoted`, `${label}="…"`);
    let value = '';
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined) throw this.#wrong(`the value of "${label}" has no closing quote`, `${label}="…"`);
      this.#at++;
      if (character === quote) return value;
      if (character !== '\\' || quote === '`') {
        value += character;
        continue;
      }
      const escaped = escapes[this.#text[this.#at] ?? ''];
      if (escaped === undefined)
        throw this.#wrong('unknown escape in a quoted value', '\\\\ for a backslash, or `…` for a raw value');
      value += escaped;
      this.#at++;
    }
  }

  #trailing(metric: string | undefined): FoglineError {
    const rest = this.#text.slice(this.#at);
    if (rest.startsWith('['))
      return invalid('match: a range such as [5m] is not part of a selector; give from, to and every');
    if (rest.startsWith('('))
      return invalid(`match: functions are not part of a selector; give agg instead of "${metric ?? ''}(…)"`);
    if (/^(offset|@)/.test(rest)) return invalid('match: offset and @ are not part of a selector; shift from and to');
    if (/^[-.]/.test(rest) && metric !== undefined && !rest.includes('{')) {
      return invalid(`match: a metric name with "${rest[0]}" must be quoted: {metric="${this.#text.trim()}"}`);
    }
    return this.#wrong('unexpected text', 'temperature{device="d1"}');
  }

  #skipSpace(): void {
    this.#take(/\s+/y);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #wrong(what: string, example: string): FoglineError {
    const found = this.#at < this.#text.length ? `at "${this.#text.slice(this.#at, this.#at + 20)}"` : 'at the end';
    return invalid(`match: ${what} (position ${this.#at + 1}, ${found}); write ${example}`);
  }
}

function invalid(message: string): FoglineError {
  return new FoglineError('query_invalid', message);
}
