/**
 * YAML 1.2 (core schema) to plain values with positions. Refused, each with its position: duplicate keys, anchors and
 * aliases (no expansion bombs), tags, several documents, absurd depth or size. Numbers that a double cannot hold
 * exactly are refused, never rounded.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { messageOf } from '../errors.ts';
import { type ConfigPath, type Place, Places, type Problem } from './places.ts';

export const textBytesMax = 256 * 1024;
const depthMax = 32;
const tooDeep = `nested more than ${depthMax} deep`;

export interface YamlTree {
  readonly value: unknown;
  readonly places: Places;
  readonly problems: readonly Problem[];
}

export function parseYaml(text: string): YamlTree {
  const places = new Places();
  const bytes = Buffer.byteLength(text);
  if (bytes > textBytesMax) return failed(places, `${bytes} bytes are too many: at most ${textBytesMax}`);
  const lines = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      prettyErrors: false,
      uniqueKeys: false,
      lineCounter: lines,
    });
  } catch (error) {
    return failed(places, `cannot be read as YAML: ${messageOf(error)}`);
  }
  const found = [...document.errors, ...document.warnings];
  if (found.some((error) => error.message.includes('call stack'))) return failed(places, tooDeep);
  const problems = found.map((error) => ({
    place: at(lines, error.pos[0]),
    path: [],
    message: yamlMessage(error.code, error.message),
  }));
  if (problems.length > 0) return { value: undefined, places, problems };
  const reader = new TreeReader(lines, places);
  return { value: reader.read(document.contents, []), places, problems: reader.problems };
}

/** One value in YAML flow style (`[a, b]`, `{ a: 1 }`), from an environment variable. Throws what is wrong as text. */
export function parseFlowValue(text: string): unknown {
  const tree = parseYaml(text);
  const problem = tree.problems[0];
  if (problem !== undefined) throw new Error(problem.message);
  return tree.value;
}

function failed(places: Places, message: string): YamlTree {
  return { value: undefined, places, problems: [{ place: { line: 1, column: 1 }, path: [], message }] };
}

function at(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function yamlMessage(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here: one file holds one configuration';
  if (code === 'TAB_AS_INDENT') return 'a tab indents this line: YAML wants spaces';
  return message;
}

class TreeReader {
  readonly problems: Problem[] = [];
  readonly #lines: LineCounter;
  readonly #places: Places;

  constructor(lines: LineCounter, places: Places) {
    this.#lines = lines;
    this.#places = places;
  }

  read(node: Node | null, path: ConfigPath): unknown {
    if (node === null) return null;
    if (path.length > depthMax) return this.#refuse(node, path, tooDeep);
    if (isAlias(node) || ('anchor' in node && node.anchor !== undefined)) {
      return this.#refuse(node, path, 'anchors and aliases are not supported: write the value out');
    }
    if (node.tag !== undefined && !node.tag.startsWith('tag:yaml.org,2002:')) {
      return this.#refuse(node, path, `the tag ${node.tag} is not supported`);
    }
    if (isMap(node)) return this.#map(node.items as { key: Node; value: Node | null }[], path);
    if (isSeq(node)) return this.#list(node.items as Node[], path);
    if (isScalar(node)) return this.#scalar(node.value, node, path);
    return this.#refuse(node, path, 'this kind of YAML is not supported');
  }

  #map(items: readonly { key: Node; value: Node | null }[], path: ConfigPath): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (const { key, value } of items) {
      if (!isScalar(key) || key.anchor !== undefined) {
        this.#refuse(key, path, 'a key must be a plain name');
        continue;
      }
      const name = key.source ?? (typeof key.value === 'string' ? key.value : '');
      const childPath = [...path, name];
      if (name === '__proto__') {
        this.#refuse(key, childPath, 'not a usable name');
      } else if (Object.hasOwn(object, name)) {
        const first = this.#places.ofKey(childPath);
        this.#refuse(key, childPath, `given twice${'line' in first ? ` (first on line ${first.line})` : ''}`);
      } else {
        this.#places.set(childPath, this.#at(value ?? key), this.#at(key));
        object[name] = this.read(value, childPath);
      }
    }
    return object;
  }

  #list(items: readonly Node[], path: ConfigPath): unknown[] {
    return items.map((item, index) => {
      const childPath = [...path, index];
      this.#places.set(childPath, this.#at(item));
      return this.read(item, childPath);
    });
  }

  #scalar(value: unknown, node: Node, path: ConfigPath): unknown {
    if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return this.#refuse(node, path, 'a whole number beyond 2^53 cannot be held exactly: quote it to keep it as text');
    }
    return value;
  }

  #at(node: Node): Place {
    return at(this.#lines, node.range?.[0] ?? 0);
  }

  #refuse(node: Node, path: ConfigPath, message: string): undefined {
    this.problems.push({ place: this.#at(node), path, message });
    return undefined;
  }
}
