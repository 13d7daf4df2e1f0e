/** Command-line options: typed values from `node:util` tokens; every usage error says what to type instead. */
import { type ParseArgsOptionDescriptor, parseArgs } from 'node:util';
import { FoglineError } from './errors.ts';
import { didYouMean } from './suggest.ts';
import { type Parsed, parseDurationMs, parseSizeBytes } from './units.ts';

export interface OptionSpec {
  /** `duration` yields milliseconds, `size` bytes, `integer` and `port` numbers, `flag` a boolean. */
  readonly type: 'flag' | 'text' | 'integer' | 'port' | 'duration' | 'size';
  readonly help: string;
  /** What help shows for the value: `FILE`, `URL`. */
  readonly placeholder?: string;
  readonly default?: string | number;
  readonly isRequired?: true;
  readonly choices?: readonly string[];
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S['type'] extends 'flag'
  ? boolean
  : S['type'] extends 'text'
    ? S extends { choices: readonly (infer C)[] }
      ? C
      : string
    : number;

type IsAlwaysThere<S extends OptionSpec> = S extends
  | { type: 'flag' }
  | { isRequired: true }
  | { default: string | number }
  ? true
  : false;

export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: IsAlwaysThere<O[K]> extends true ? ValueOf<O[K]> : ValueOf<O[K]> | undefined;
};

export function parseOptions<O extends OptionSpecs>(
  argv: readonly string[],
  specs: O,
): { readonly values: OptionValues<O>; readonly positionals: readonly string[] } {
  const descriptors: Record<string, ParseArgsOptionDescriptor> = {};
  for (const [name, spec] of Object.entries(specs))
    descriptors[name] = { type: spec.type === 'flag' ? 'boolean' : 'string' };
  const { tokens } = parseArgs({ args: [...argv], options: descriptors, strict: false, tokens: true });
  const values = new Map<string, string | number | boolean>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (spec === undefined) {
      throw usage(`unknown option ${token.rawName}${didYouMean(token.name, Object.keys(specs))}`);
    }
    if (values.has(token.name)) throw usage(`--${token.name} is given twice`);
    values.set(token.name, readValue(token.name, spec, token.value, token.inlineValue === true));
  }
  return { values: withDefaults(specs, values) as OptionValues<O>, positionals };
}

function withDefaults(specs: OptionSpecs, given: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    const value = given.get(name) ?? spec.default ?? (spec.type === 'flag' ? false : undefined);
    if (value === undefined && spec.isRequired === true) throw usage(`--${name} is required`);
    values[name] = value;
  }
  return values;
}

function readValue(name: string, spec: OptionSpec, text: string | undefined, isInline: boolean) {
  if (spec.type === 'flag') {
    if (isInline) throw usage(`--${name} takes no value`);
    return true;
  }
  // `--config --port 1` is a forgotten value; a value that begins with a dash is written `--name=-value`.
  if (text === undefined || (!isInline && text.startsWith('-') && text !== '-')) {
    throw usage(`--${name} needs a value`);
  }
  if (spec.choices !== undefined && !spec.choices.includes(text)) {
    throw usage(`--${name}: "${text}" is not one of ${spec.choices.join(', ')}${didYouMean(text, spec.choices)}`);
  }
  switch (spec.type) {
    case 'text':
      return text;
    case 'integer':
    case 'port':
      return integer(name, text, spec.type === 'port' ? 65_535 : Number.MAX_SAFE_INTEGER);
    case 'duration':
      return accept(name, parseDurationMs(text));
    case 'size':
      return accept(name, parseSizeBytes(text));
  }
}

function integer(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > max) {
    throw usage(`--${name}: "${text}" is not a whole number${max === 65_535 ? ' from 0 to 65535' : ''}`);
  }
  return value;
}

function accept(name: string, parsed: Parsed): number {
  if ('problem' in parsed) throw usage(`--${name}: ${parsed.problem}`);
  return parsed.value;
}

function usage(message: string): FoglineError {
  return new FoglineError('usage', message);
}
