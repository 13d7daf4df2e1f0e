/**
 * Configuration files. Guarantees: nothing is ignored in silence (an unknown key, a duplicate, an unknown override is
 * an error), every problem is reported at once as `file:line:column: path: what is wrong and the likely fix`, and what
 * comes out is complete: defaults applied, units as integers, secrets read.
 */
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve as resolvePath } from 'node:path';
import type { z } from 'zod';
import { type Environment, override, substitute } from './config/environment.ts';
import type { FileReference, Secret } from './config/fields.ts';
import { flatIssues, problemsOf, valueAt } from './config/issues.ts';
import { type JsonSchema, shapeOf } from './config/json-schema.ts';
import { type ConfigPath, type Places, type Problem, problemLines } from './config/places.ts';
import { parseYaml, textBytesMax } from './config/yaml.ts';
import { FoglineError, messageOf } from './errors.ts';

export interface ConfigContext {
  /** Reports an error at a path of the file; loading goes on, so that all errors are seen at once, and then fails. */
  error(path: ConfigPath, message: string): void;
  /** Reports what is allowed and likely wrong. */
  warn(path: ConfigPath, message: string): void;
  /** A relative path as written in the file, resolved against the folder of the file. */
  path(relative: string): string;
  /** The secret, trimmed; reports an error and yields '' when its file cannot be read, warns when others can read it. */
  secret(path: ConfigPath, secret: Secret): string;
  /** Size of the disk on which an absolute path lies or would lie; undefined when this is not the machine where it runs. */
  diskBytes(path: string): number | undefined;
  /** The text of a referenced file; reports an error and yields '' when it cannot be read. */
  text(path: ConfigPath, reference: FileReference): string;
}

export interface LoadOptions<S extends z.ZodType, T> {
  /** A file, or a text with the name and folder that stand in for the file's. */
  readonly source:
    | { readonly file: string }
    | { readonly text: string; readonly name: string; readonly folder: string };
  readonly schema: S;
  readonly env: Environment;
  /** Default `FOGLINE__`. */
  readonly envPrefix?: string;
  /** `skip`: secrets and referenced files are taken as ''; for looking at a configuration away from where it runs. */
  readonly files?: 'read' | 'skip';
  /** Cross-checks and turns what was written into what the program uses. Runs only when the schema accepted all. */
  readonly resolve: (raw: z.output<S>, context: ConfigContext) => T;
}

export interface Loaded<T> {
  readonly value: T;
  /** As `file:line:column: path: what`. */
  readonly warnings: readonly string[];
}

const problemsShownMax = 50;

/** Throws `config_invalid` with one line per problem. */
export function loadConfig<S extends z.ZodType, T>(options: LoadOptions<S, T>): Loaded<T> {
  const { name, folder, text } = readSource(options.source);
  const parsed = parseYaml(text);
  refuse(name, parsed.problems);
  const { places } = parsed;
  const shape = shapeOf(options.schema);
  const substituted = substitute(parsed.value, options.env, places);
  const overridden = override(substituted.value, options.env, options.envPrefix ?? 'FOGLINE__', shape, places);
  const early = [...substituted.problems, ...overridden.problems];
  if (overridden.value === null || overridden.value === undefined) {
    refuse(name, [...early, { place: { line: 1, column: 1 }, path: [], message: 'is empty: begin with "version: 1"' }]);
  }
  const raw = validate(options.schema, overridden.value, [...substituted.texts, ...overridden.texts], shape, places);
  // What a broken variable left behind is not a second problem.
  const broken = new Set(early.map((problem) => JSON.stringify(problem.path)));
  refuse(name, [...early, ...raw.problems.filter((problem) => !broken.has(JSON.stringify(problem.path)))]);
  const context = new Context(folder, places, options.files ?? 'read');
  const value = options.resolve(raw.value as z.output<S>, context);
  refuse(name, context.errors);
  return { value, warnings: problemLines(name, context.warnings) };
}

function readSource(source: LoadOptions<z.ZodType, unknown>['source']): { name: string; folder: string; text: string } {
  if ('text' in source) return source;
  const { file } = source;
  try {
    const bytes = statSync(file).size;
    if (bytes > textBytesMax) throw new Error(`${bytes} bytes are too many: at most ${textBytesMax}`);
    return { name: file, folder: dirname(resolvePath(file)), text: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new FoglineError('config_invalid', `${file}: cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function refuse(name: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = [...new Set(problemLines(name, problems))];
  const shown = lines.slice(0, problemsShownMax);
  if (lines.length > shown.length) shown.push(`and ${lines.length - shown.length} more problems`);
  throw new FoglineError('config_invalid', shown.join('\n'), { details: { problems: lines.length } });
}

interface Validated {
  readonly value: unknown;
  readonly problems: readonly Problem[];
}

/** Texts from the environment become numbers or booleans where, and only where, the schema wants those. */
function validate(
  schema: z.ZodType,
  tree: unknown,
  texts: readonly ConfigPath[],
  shape: JsonSchema,
  places: Places,
): Validated {
  const fromEnvironment = new Set(texts.map((path) => JSON.stringify(path)));
  for (;;) {
    const result = schema.safeParse(tree);
    if (result.success) return { value: result.data, problems: [] };
    let changed = false;
    for (const issue of flatIssues(result.error.issues, tree)) {
      const path = issue.path as (string | number)[];
      const wanted =
        issue.code === 'invalid_type' ? issue.expected : issue.code === 'invalid_value' ? typeof issue.values[0] : '';
      if (wanted === '' || !fromEnvironment.delete(JSON.stringify(path))) continue;
      changed = convert(tree, path, wanted) || changed;
    }
    if (!changed) return { value: undefined, problems: problemsOf(result.error.issues, tree, shape, places) };
  }
}

function convert(tree: unknown, path: readonly (string | number)[], expected: string): boolean {
  const container = valueAt(tree, path.slice(0, -1)) as Record<string | number, unknown>;
  const key = path.at(-1);
  const text = valueAt(tree, path);
  if (key === undefined || typeof text !== 'string') return false;
  const isNumber = (expected === 'number' || expected === 'int') && text.trim() !== '' && Number.isFinite(Number(text));
  const isBoolean = expected === 'boolean' && (text === 'true' || text === 'false');
  if (!isNumber && !isBoolean) return false;
  container[key] = isNumber ? Number(text) : text === 'true';
  return true;
}

const secretBytesMax = 64 * 1024;

class Context implements ConfigContext {
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly #folder: string;
  readonly #places: Places;
  readonly #files: 'read' | 'skip';

  constructor(folder: string, places: Places, files: 'read' | 'skip') {
    this.#folder = folder;
    this.#places = places;
    this.#files = files;
  }

  error(path: ConfigPath, message: string): void {
    this.errors.push({ place: this.#places.ofValue(path), path, message });
  }

  warn(path: ConfigPath, message: string): void {
    this.warnings.push({ place: this.#places.ofValue(path), path, message });
  }

  path(relative: string): string {
    return isAbsolute(relative) ? relative : resolvePath(this.#folder, relative);
  }

  secret(path: ConfigPath, secret: Secret): string {
    if (typeof secret === 'string') return secret;
    const text = this.text(path, secret).trim();
    if (text === '') return '';
    const { mode } = statSync(this.path(secret.file));
    if ((mode & 0o004) !== 0)
      this.warn([...path, 'file'], `every user of this machine can read ${secret.file}: chmod o-r it`);
    return text;
  }

  diskBytes(path: string): number | undefined {
    if (this.#files === 'skip') return undefined;
    let folder = path;
    while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
    const { blocks, bsize } = statfsSync(folder);
    return blocks * bsize;
  }

  text(path: ConfigPath, reference: FileReference): string {
    if (this.#files === 'skip') return '';
    const file = this.path(reference.file);
    try {
      const bytes = statSync(file).size;
      if (bytes > secretBytesMax) throw new Error(`${bytes} bytes are too many: at most ${secretBytesMax}`);
      const text = readFileSync(file, 'utf8');
      if (text.trim() === '') throw new Error('the file is empty');
      return text;
    } catch (error) {
      this.error([...path, 'file'], `cannot be read: ${messageOf(error)}`);
      return '';
    }
  }
}
