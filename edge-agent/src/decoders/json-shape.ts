/**
 * A flat JSON object whose sender repeats its form: what stands between its numbers, byte for byte, and the numbers read straight from the
 * buffer. Whatever else comes is no match, and takes JSON.parse. Measured on a reading of 62 bytes: a quarter of the time, and no garbage.
 */
import { DecimalReader } from './decimal-reader.ts';

const blank = 0x20;
const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const bytesMax = 1_024;
const numbersMax = 64;
const decimal = new DecimalReader();

export class JsonShape {
  /** Of the numbers, in the order of the text. */
  readonly names: readonly string[];
  /** What `match` read last. */
  readonly values: Float64Array;
  readonly #texts: readonly Buffer[];

  private constructor(texts: readonly Buffer[], names: readonly string[]) {
    this.#texts = texts;
    this.names = names;
    this.values = new Float64Array(names.length);
  }

  /** Of a valid JSON text; undefined when it is not of the kind that pays. */
  static of(payload: Buffer): JsonShape | undefined {
    if (payload.length > bytesMax) return undefined;
    const scanner = new Scanner(payload);
    const numbers = scanner.numbers();
    if (numbers === undefined || numbers.length === 0 || numbers.length > numbersMax) return undefined;
    const ends = [0, ...numbers.map(({ end }) => end)];
    const starts = [...numbers.map(({ start }) => start), payload.length];
    const texts = starts.map((start, index) => Buffer.from(payload.subarray(ends[index] ?? 0, start)));
    return new JsonShape(
      texts,
      numbers.map(({ name }) => name),
    );
  }

  /** True when `bytes[start, end)` is of this form; then `values` are exactly the numbers that JSON.parse would give. */
  match(bytes: Buffer, start: number, end: number): boolean {
    const texts = this.#texts;
    const last = texts.length - 1;
    let at = start;
    for (let i = 0; ; i++) {
      const text = texts[i] as Buffer;
      const { length } = text;
      if (at + length > end) return false;
      for (let j = 0; j < length; j++) if (bytes[at + j] !== text[j]) return false;
      at += length;
      if (i === last) return at === end;
      at = this.#number(bytes, at, end, i);
      if (at < 0) return false;
    }
  }

  /** Reads a number, blanks before it. Returns where it ends, -1 when it is none or one for JSON.parse. */
  #number(bytes: Buffer, from: number, end: number, index: number): number {
    let start = from;
    while (start < end && bytes[start] === blank) start++;
    const at = decimal.read(bytes, start, end);
    if (at < 0) return -1;
    const first = bytes[start] === minus ? bytes[start + 1] : bytes[start];
    if (first === zero && decimal.whole > 1) return -1;
    this.values[index] = decimal.value;
    return at;
  }
}

interface Found {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Over a text that JSON.parse has taken: what it meets is either simple or given up. */
class Scanner {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** The numbers of an object without lists, objects and escapes, whose names are distinct and keep their order. */
  numbers(): Found[] | undefined {
    const names = new Set<string>();
    const found: Found[] = [];
    if (this.#next() !== openBrace) return undefined;
    for (;;) {
      if (this.#next() !== quote) return undefined;
      const name = this.#string();
      // Names of digits come first in an object, wherever they stand in the text.
      if (name === undefined || names.has(name) || /^\d+$/.test(name) || this.#next() !== colon) return undefined;
      names.add(name);
      const value = this.#value(name);
      if (value === undefined) return undefined;
      if (value !== 'text') found.push(value);
      const after = this.#next();
      if (after === closeBrace) return found;
      if (after !== comma) return undefined;
    }
  }

  /** The next byte that is no white space. */
  #next(): number {
    while (this.#at < this.#bytes.length && (this.#bytes[this.#at] as number) <= 0x20) this.#at++;
    return this.#bytes[this.#at++] ?? 0;
  }

  /** What stands between the quotes; undefined when it has escapes. */
  #string(): string | undefined {
    const end = this.#bytes.indexOf(quote, this.#at);
    const text = this.#bytes.subarray(this.#at, end);
    if (text.includes(backslash)) return undefined;
    this.#at = end + 1;
    return text.toString();
  }

  #value(name: string): Found | 'text' | undefined {
    const first = this.#next();
    const start = this.#at - 1;
    if (first === quote) return this.#string() === undefined ? undefined : 'text';
    if (first === openBrace || first === 0x5b) return undefined;
    while (![comma, closeBrace].includes(this.#bytes[this.#at] ?? comma) && (this.#bytes[this.#at] ?? 0) > 0x20) {
      this.#at++;
    }
    const isNumber = first === minus || (first >= zero && first <= nine);
    return isNumber ? { name, start, end: this.#at } : 'text';
  }
}
