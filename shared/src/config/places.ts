/** Where each value of a configuration came from, so that every problem can point at it. */

/** A position in the file (1-based), or the environment variable that set the value. */
export type Place = { readonly line: number; readonly column: number } | { readonly variable: string };

export type ConfigPath = readonly (string | number)[];

export interface Problem {
  readonly place: Place;
  readonly path: ConfigPath;
  readonly message: string;
}

const start: Place = { line: 1, column: 1 };

export class Places {
  readonly #keys = new Map<string, Place>();
  readonly #values = new Map<string, Place>();

  set(path: ConfigPath, value: Place, key: Place = value): void {
    this.#keys.set(id(path), key);
    this.#values.set(id(path), value);
  }

  /** Of the value, or of the nearest thing around it that was written down. */
  ofValue(path: ConfigPath): Place {
    return this.#nearest(this.#values, path);
  }

  /** Of the key that names the value. */
  ofKey(path: ConfigPath): Place {
    return this.#nearest(this.#keys, path);
  }

  #nearest(places: ReadonlyMap<string, Place>, path: ConfigPath): Place {
    const exact = places.get(id(path));
    if (exact !== undefined) return exact;
    for (let length = path.length - 1; length > 0; length--) {
      const place = this.#keys.get(id(path.slice(0, length)));
      if (place !== undefined) return place;
    }
    return start;
  }
}

function id(path: ConfigPath): string {
  return JSON.stringify(path);
}

/** `sources.climate.mqtt.topics[0]`; names that are not plain are quoted. */
function pathText(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (!/^[\w-]+$/.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

/** `file:line:column: path: what`, in the order of the file. */
export function problemLines(name: string, problems: readonly Problem[]): string[] {
  return [...problems].sort((a, b) => rank(a.place) - rank(b.place)).map((problem) => problemLine(name, problem));
}

function rank(place: Place): number {
  return 'variable' in place ? Number.MAX_SAFE_INTEGER : place.line * 10_000 + Math.min(place.column, 9_999);
}

function problemLine(name: string, { place, path, message }: Problem): string {
  const where = 'variable' in place ? `environment ${place.variable}` : `${name}:${place.line}:${place.column}`;
  return path.length === 0 ? `${where}: ${message}` : `${where}: ${pathText(path)}: ${message}`;
}
