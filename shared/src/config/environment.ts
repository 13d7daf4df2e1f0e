/**
 * The environment in a configuration: `${VAR}` and `${VAR:-default}` inside text, and overrides
 * `PREFIX + SECTION__KEY=value`. Substitution works on parsed values, so a variable can never change the structure.
 */
import { messageOf } from '../errors.ts';
import { plainName } from '../suggest.ts';
import { type JsonSchema, knownKeys } from './json-schema.ts';
import type { ConfigPath, Places, Problem } from './places.ts';
import { parseFlowValue } from './yaml.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentResult {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Texts that came from the environment: they may stand for numbers and booleans where the schema wants those. */
  readonly texts: readonly ConfigPath[];
}

/** Replaces `${…}` in every text of `tree`; `$${` stands for a literal `${`. */
export function substitute(tree: unknown, environment: Environment, places: Places): EnvironmentResult {
  const problems: Problem[] = [];
  const texts: ConfigPath[] = [];
  const walk = (value: unknown, path: ConfigPath): unknown => {
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]));
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
    }
    if (typeof value !== 'string' || !value.includes('${')) return value;
    texts.push(path);
    return expand(value, environment, (message) => problems.push({ place: places.ofValue(path), path, message }));
  };
  return { value: walk(tree, []), problems, texts };
}

function expand(text: string, environment: Environment, report: (message: string) => void): string {
  return text.replaceAll(/\$\$\{|\$\{([^}]*)\}?/g, (whole: string, inside: string | undefined) => {
    if (inside === undefined) return '${';
    const match = /^([A-Za-z_]\w*)(?::-(.*))?$/s.exec(inside);
    if (match === null || !whole.endsWith('}')) {
      report(`"${whole}" is not a variable: write \${NAME}, \${NAME:-default}, or $\${ for the characters themselves`);
      return '';
    }
    const [, name = '', fallback] = match;
    const value = environment[name];
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback !== undefined) return fallback;
    report(`the environment variable ${name} is not set: set it, or write \${${name}:-default}`);
    return '';
  });
}

/** Applies every variable that begins with `prefix`. Segments match keys regardless of case, `_` and `-`. */
export function override(
  tree: unknown,
  environment: Environment,
  prefix: string,
  shape: JsonSchema,
  places: Places,
): EnvironmentResult {
  const problems: Problem[] = [];
  const texts: ConfigPath[] = [];
  const root = isObject(tree) ? structuredClone(tree) : {};
  for (const variable of Object.keys(environment)
    .filter((name) => name.startsWith(prefix))
    .sort()) {
    const text = environment[variable];
    if (text === undefined) continue;
    const place = { variable };
    const path: (string | number)[] = [];
    const segments = variable.slice(prefix.length).split('__');
    try {
      let container: Record<string, unknown> | unknown[] = root;
      for (const [index, segment] of segments.entries()) {
        const key = keyFor(segment, container, shape, path);
        path.push(key);
        if (index === segments.length - 1) {
          const isFlow = /^\s*(\[.*\]|\{.*\})\s*$/s.test(text);
          if (!isFlow) texts.push([...path]);
          put(container, key, isFlow ? parseFlowValue(text) : text);
          places.set(path, place);
        } else {
          container = into(container, key, () => places.set(path, place));
        }
      }
    } catch (error) {
      problems.push({ place, path, message: messageOf(error) });
    }
  }
  return { value: isObject(tree) || Object.keys(root).length > 0 ? root : tree, problems, texts };
}

function keyFor(segment: string, container: object, shape: JsonSchema, path: ConfigPath): string | number {
  if (segment === '') throw new Error('two names are joined by exactly two underscores, with a name on each side');
  if (Array.isArray(container)) {
    const index = Number(segment);
    if (!/^\d+$/.test(segment) || index > container.length)
      throw new Error(`"${segment}" is not an index of this list`);
    return index;
  }
  const wanted = plainName(segment);
  const known = [...Object.keys(container), ...knownKeys(shape, path)];
  return known.find((key) => plainName(key) === wanted) ?? segment.toLowerCase();
}

function into(container: object, key: string | number, created: () => void): Record<string, unknown> | unknown[] {
  const existing: unknown = (container as Record<string | number, unknown>)[key];
  if (isObject(existing) || Array.isArray(existing)) return existing as Record<string, unknown> | unknown[];
  if (existing !== undefined && existing !== null)
    throw new Error('is a single value here, so nothing inside it can be set');
  const fresh = {};
  put(container, key, fresh);
  created();
  return fresh;
}

function put(container: object, key: string | number, value: unknown): void {
  (container as Record<string | number, unknown>)[key] = value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
