/**
 * One line of InfluxDB line protocol, from bytes to positions and numbers; nothing is allocated per line. A text may go on over a
 * newline. What follows a broken line is read from the next newline after its beginning, so a quote that does not end costs one
 * line, and time in proportion to the payload.
 */
import { parseNumber } from './number-text.ts';
import type { RejectionReason } from './rejections.ts';
import { lineBytesMax, lineEnd } from './text-lines.ts';

const fieldsMax = 1_024;

const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const quote = 0x22;
const hash = 0x23;
const comma = 0x2c;
const equals = 0x3d;
const backslash = 0x5c;

export const fieldKind = { number: 0, boolean: 1, text: 2 } as const;

export class LineScanner {
  /** Where the line goes on after it was scanned: the beginning of the next one. */
  next = 0;
  /** Measurement and tags are `[from, headEnd)`; empty for a blank line or a comment. */
  headEnd = 0;
  fields = 0;
  readonly keyStart = new Int32Array(fieldsMax);
  readonly keyEnd = new Int32Array(fieldsMax);
  readonly kind = new Uint8Array(fieldsMax);
  /** Of numbers and booleans; infinite for a number that is out of range. */
  readonly value = new Float64Array(fieldsMax);
  /** Of numbers and booleans, behind their last byte. */
  readonly valueEnd = new Int32Array(fieldsMax);
  /** Of texts, between the quotes. */
  readonly textStart = new Int32Array(fieldsMax);
  readonly textEnd = new Int32Array(fieldsMax);
  /** Empty when the line tells no time. */
  timeStart = 0;
  timeEnd = 0;

  /** Scans the line at `from`. */
  scan(bytes: Buffer, from: number): RejectionReason | undefined {
    this.fields = 0;
    this.timeStart = 0;
    this.timeEnd = 0;
    this.headEnd = from;
    const first = bytes[from];
    if (first === hash || this.#isEnd(bytes, from)) {
      this.next = lineEnd(bytes, from) + 1;
      return undefined;
    }
    const end = this.#scanLine(bytes, from);
    const isTooLong = (end < 0 ? lineEnd(bytes, from) : end) - from > lineBytesMax;
    if (end >= 0 && !isTooLong) {
      this.next = end + 1;
      return undefined;
    }
    this.next = lineEnd(bytes, from) + 1;
    return isTooLong ? 'line_too_long' : 'line_broken';
  }

  /** The position of the newline that ends the line, -1 when it is broken. */
  #scanLine(bytes: Buffer, from: number): number {
    const limit = Math.min(bytes.length, from + lineBytesMax + 1);
    let at = scanTo(bytes, from, limit, space);
    if (at < 0 || at === from) return -1;
    this.headEnd = at;
    at = skipSpaces(bytes, at, limit);
    for (;;) {
      at = this.#scanField(bytes, at, limit);
      if (at < 0) return -1;
      if (bytes[at] !== comma) break;
      at++;
    }
    at = skipSpaces(bytes, at, limit);
    if (!this.#isEnd(bytes, at)) {
      this.timeStart = at;
      while (at < limit && bytes[at] !== space && !this.#isEnd(bytes, at)) at++;
      this.timeEnd = at;
      at = skipSpaces(bytes, at, limit);
    }
    if (!this.#isEnd(bytes, at)) return -1;
    return bytes[at] === carriageReturn ? at + 1 : at;
  }

  /** The position after `key=value`, -1 when that is not what stands there. */
  #scanField(bytes: Buffer, from: number, limit: number): number {
    const field = this.fields;
    const keyEnd = scanTo(bytes, from, limit, equals);
    if (keyEnd <= from || field >= fieldsMax) return -1;
    this.keyStart[field] = from;
    this.keyEnd[field] = keyEnd;
    this.fields++;
    const at = keyEnd + 1;
    if (bytes[at] !== quote) return this.#scanPlain(bytes, at, limit, field);
    const end = endOfText(bytes, at + 1);
    if (end < 0) return -1;
    this.kind[field] = fieldKind.text;
    this.textStart[field] = at + 1;
    this.textEnd[field] = end;
    const after = end + 1;
    return bytes[after] === comma || bytes[after] === space || this.#isEnd(bytes, after) ? after : -1;
  }

  #scanPlain(bytes: Buffer, from: number, limit: number, field: number): number {
    let end = from;
    while (end < limit && bytes[end] !== comma && bytes[end] !== space && !this.#isEnd(bytes, end)) end++;
    this.valueEnd[field] = end;
    const value = parseField(bytes, from, end);
    this.kind[field] = fieldKind.number;
    this.value[field] = value;
    if (!Number.isNaN(value)) return end;
    const word = booleanOf(bytes, from, end);
    if (word === undefined) return -1;
    this.kind[field] = fieldKind.boolean;
    this.value[field] = word ? 1 : 0;
    return end;
  }

  #isEnd(bytes: Buffer, at: number): boolean {
    if (at >= bytes.length) return true;
    const byte = bytes[at];
    return byte === newline || (byte === carriageReturn && (at + 1 === bytes.length || bytes[at + 1] === newline));
  }
}

/** The position of an unescaped `stop`, -1 when the line ends before; an unescaped space or comma before `=` ends it too. */
function scanTo(bytes: Buffer, from: number, limit: number, stop: number): number {
  for (let at = from; at < limit; at++) {
    const byte = bytes[at];
    if (byte === newline) return -1;
    if (at > from && bytes[at - 1] === backslash) continue;
    if (byte === stop) return at;
    if (stop === equals && (byte === space || byte === comma)) return -1;
  }
  return -1;
}

function skipSpaces(bytes: Buffer, from: number, limit: number): number {
  let at = from;
  while (at < limit && bytes[at] === space) at++;
  return at;
}

/** The closing quote of a text that begins at `from`, -1 when there is none. */
function endOfText(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(quote, from); at >= 0; at = bytes.indexOf(quote, at + 1)) {
    let escapes = 0;
    while (at - escapes > from && bytes[at - escapes - 1] === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return -1;
}

const integerSuffix = 0x69;
const unsignedSuffix = 0x75;

/** NaN when it is no number; infinite when it is an integer beyond 64 bits. */
function parseField(bytes: Buffer, from: number, end: number): number {
  const last = bytes[end - 1];
  if (last !== integerSuffix && last !== unsignedSuffix) return parseNumber(bytes, from, end);
  const isNegative = bytes[from] === 0x2d;
  const digitsFrom = isNegative ? from + 1 : from;
  if (digitsFrom === end - 1 || (isNegative && last === unsignedSuffix)) return Number.NaN;
  for (let at = digitsFrom; at < end - 1; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return Number.NaN;
  }
  const value = parseNumber(bytes, from, end - 1);
  if (end - 1 - digitsFrom < 19) return value;
  const exact = BigInt(bytes.toString('latin1', from, end - 1));
  const bits = last === integerSuffix ? BigInt.asIntN(64, exact) : BigInt.asUintN(64, exact);
  return bits === exact ? value : Number.POSITIVE_INFINITY;
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word): [string, boolean] => [word, true]),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word): [string, boolean] => [word, false]),
]);

function booleanOf(bytes: Buffer, from: number, end: number): boolean | undefined {
  return end - from > 5 ? undefined : booleans.get(bytes.toString('latin1', from, end));
}
