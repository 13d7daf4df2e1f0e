/**
 * MessagePack envelopes under limits. msgpackr decodes far more than it encodes (extensions, records, deep nesting), so
 * it is given plain values only, and nothing it returns is trusted: size first, then plainness, then every field is checked for
 * its exact type and bounds.
 */
import { Packr, Unpackr } from 'msgpackr';
import { FoglineError, messageOf } from '../errors.ts';
import { plainProblem } from './plain.ts';

const protocolVersion = 1;

/** Largest envelope either side sends or accepts. */
export const envelopeBytesMax = 1024 * 1024;

export type Packable = number | string | boolean | null | Uint8Array | readonly Packable[];

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Encodes `[version, agent, ...fields]`. */
export function packEnvelope(agent: string, fields: readonly Packable[]): Uint8Array {
  return packr.pack([protocolVersion, agent, ...fields]);
}

/** Decodes an envelope and checks version and agent; the cursor stands at the first own field. */
export function fieldsOf(payload: Uint8Array, name: string): { agent: string; fields: Fields } {
  if (payload.byteLength > envelopeBytesMax) {
    throw new FoglineError(
      'message_invalid',
      `${name}: ${payload.byteLength} bytes, at most ${envelopeBytesMax} are accepted`,
    );
  }
  const problem = plainProblem(payload);
  if (problem !== undefined) throw new FoglineError('message_invalid', `${name}: ${problem}`);
  let value: unknown;
  try {
    value = unpackr.unpack(payload);
  } catch (error) {
    throw new FoglineError('message_invalid', `${name}: not MessagePack (${messageOf(error)})`, { cause: error });
  }
  const fields = new Fields(value, name);
  const version = fields.integer('version', 0, Number.MAX_SAFE_INTEGER);
  if (version !== protocolVersion) {
    throw new FoglineError(
      'message_version',
      `${name}: version ${version}, this build speaks version ${protocolVersion}`,
    );
  }
  return { agent: fields.text('agent', 64), fields };
}

/** A cursor over a decoded array that knows where it is, so that an error can say which field was wrong. */
export class Fields {
  readonly #values: readonly unknown[];
  readonly #path: string;
  #at = 0;

  constructor(value: unknown, path: string) {
    if (!Array.isArray(value)) throw new FoglineError('message_invalid', `${path}: expected an array`);
    this.#values = value;
    this.#path = path;
  }

  /** Asserts that every field was read. */
  end(): void {
    if (this.#at !== this.#values.length) {
      throw new FoglineError('message_invalid', `${this.#path}: ${this.#values.length} fields, expected ${this.#at}`);
    }
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#values.length;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#next();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw this.#wrong(name, `an integer in [${min}, ${max}]`, value);
    }
    return value;
  }

  finite(name: string): number {
    const value = this.#next();
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(name, 'a finite number', value);
    return value;
  }

  text(name: string, charactersMax: number): string {
    const value = this.#next();
    if (typeof value !== 'string' || value.length > charactersMax) {
      throw this.#wrong(name, `a string of at most ${charactersMax} characters`, value);
    }
    return value;
  }

  /** Exactly `length` bytes, as 2 hex digits each. */
  hex(name: string, length: number): string {
    return Buffer.from(this.bytes(name, length, length)).toString('hex');
  }

  bytes(name: string, min: number, max: number): Uint8Array {
    const value = this.#next();
    if (!(value instanceof Uint8Array) || value.byteLength < min || value.byteLength > max) {
      throw this.#wrong(name, `${min} to ${max} bytes`, value);
    }
    return value;
  }

  /** Null, or what `read` makes of this field. */
  optional<T>(read: () => T): T | undefined {
    if (this.#values[this.#at] === null) {
      this.#at++;
      return undefined;
    }
    return read();
  }

  /** A nested array. */
  nested(name: string): Fields {
    return new Fields(this.#next(), `${this.#path}.${name}`);
  }

  /** An array of at most `countMax` entries, each read by `read` from the cursor of the list. */
  list<T>(name: string, countMax: number, read: (fields: Fields) => T): T[] {
    const inner = this.nested(name);
    if (inner.#values.length > countMax) {
      throw new FoglineError('message_invalid', `${inner.#path}: ${inner.#values.length} entries, at most ${countMax}`);
    }
    const out: T[] = [];
    while (!inner.isAtEnd) out.push(read(inner));
    return out;
  }

  /** A list of arrays, each consumed to its end by `read`. */
  records<T>(name: string, countMax: number, read: (fields: Fields) => T): T[] {
    return this.list(name, countMax, (inner) => {
      const record = inner.nested('');
      const value = read(record);
      record.end();
      return value;
    });
  }

  #next(): unknown {
    if (this.#at >= this.#values.length) {
      throw new FoglineError('message_invalid', `${this.#path}: ends after ${this.#values.length} fields`);
    }
    return this.#values[this.#at++];
  }

  #wrong(name: string, expected: string, found: unknown): FoglineError {
    const shown =
      typeof found === 'string'
        ? JSON.stringify(found.slice(0, 40))
        : Array.isArray(found)
          ? 'an array'
          : String(found).slice(0, 40);
    return new FoglineError('message_invalid', `${this.#path}.${name}: expected ${expected}, found ${shown}`);
  }
}
