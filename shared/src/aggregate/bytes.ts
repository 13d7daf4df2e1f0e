/**
 * Byte forms shared by the aggregates: unsigned varints, signed varints and short floats (FORMAT.md §1). Every value
 * has exactly one form; the reader refuses the others, so equal bytes and equal values are the same thing. Reading
 * past the end, overlong varints and values beyond 2^53 throw `codec_corrupt`.
 */
import { FoglineError } from '../errors.ts';

/** Scale 15 marks eight raw bytes of float64. */
const rawScale = 15;
/** A decimal form must beat raw: below 2^50 it takes at most 8 bytes, and rounding ties cannot occur. */
const decimalMax = 2 ** 50;
const powersOfTen = Float64Array.of(1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14);
const varintMax = Number.MAX_SAFE_INTEGER;

const floatCell = new Float64Array(1);
const floatBytes = new Uint8Array(floatCell.buffer);

export function corrupt(what: string): FoglineError {
  return new FoglineError('codec_corrupt', `aggregate: ${what}`);
}

/** A growing buffer; `reset` keeps the memory. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 64) {
    this.bytes = new Uint8Array(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.reserve(1);
    this.bytes[this.length++] = value;
  }

  raw(source: Uint8Array, from: number, to: number): void {
    const count = to - from;
    this.reserve(count);
    if (count > 32) {
      this.bytes.set(source.subarray(from, to), this.length);
    } else {
      for (let i = 0; i < count; i++) this.bytes[this.length + i] = source[from + i] as number;
    }
    this.length += count;
  }

  /** LEB128 of an integer in [0, 2^53). */
  varint(value: number): void {
    this.reserve(8);
    const bytes = this.bytes;
    let at = this.length;
    let rest = value;
    while (rest >= 0x1000_0000) {
      bytes[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    let low = rest | 0;
    while (low >= 0x80) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low >>>= 7;
    }
    bytes[at++] = low;
    this.length = at;
  }

  /** Sign in bit 0, magnitude (≤ 2^53) above it, as LEB128; zero is positive. */
  signed(value: number): void {
    const magnitude = Math.abs(value);
    const low = ((magnitude % 64) << 1) | (value < 0 ? 1 : 0);
    if (magnitude < 64) {
      this.byte(low);
    } else {
      this.byte(low | 0x80);
      this.varint(Math.floor(magnitude / 64));
    }
  }

  /** A finite float64 in its short form: the smallest decimal scale that gives it back, else raw. */
  float(value: number): void {
    const magnitude = Math.abs(value);
    for (let scale = 0; scale < rawScale; scale++) {
      const power = powersOfTen[scale] as number;
      const product = magnitude * power;
      if (product >= decimalMax) break;
      const digits = Math.round(product);
      // The quotient can only match where rounding explains the distance; this saves most divisions.
      if (Math.abs(product - digits) <= product * 2 ** -51 && digits / power === magnitude) {
        const isNegative = value < 0 || Object.is(value, -0);
        this.#decimal(digits, scale, isNegative ? 1 : 0);
        return;
      }
    }
    this.byte(rawScale);
    floatCell[0] = value;
    this.raw(floatBytes, 0, 8);
  }

  #decimal(digits: number, scale: number, sign: number): void {
    const first = scale | (sign << 4) | ((digits % 4) << 5);
    if (digits < 4) {
      this.byte(first);
    } else {
      this.byte(first | 0x80);
      this.varint(Math.floor(digits / 4));
    }
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

export class ByteReader {
  bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  reset(bytes: Uint8Array, from: number, to: number): void {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  byte(): number {
    if (this.at >= this.end) throw corrupt('truncated');
    return this.bytes[this.at++] as number;
  }

  varint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let unit = 128;
    for (let i = 1; ; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (byte === 0 || value > varintMax) throw corrupt('overlong varint');
        return value;
      }
      if (i === 7) throw corrupt('overlong varint');
      unit *= 128;
    }
  }

  signed(): number {
    const first = this.byte();
    const low = (first >> 1) & 63;
    let magnitude = low;
    if (first >= 0x80) {
      const high = this.varint();
      if (high === 0 || high > 2 ** 47 || (high === 2 ** 47 && low !== 0)) throw corrupt('overlong signed varint');
      magnitude = high * 64 + low;
    }
    if ((first & 1) === 0) return magnitude;
    if (magnitude === 0) throw corrupt('negative zero');
    return -magnitude;
  }

  float(): number {
    const first = this.byte();
    const scale = first & 15;
    if (scale === rawScale) return this.#rawFloat(first);
    let digits = (first >> 5) & 3;
    if (first >= 0x80) {
      const high = this.varint();
      if (high === 0) throw corrupt('overlong float');
      digits += high * 4;
      if (digits >= decimalMax) throw corrupt('decimal float out of range');
    }
    const magnitude = digits / (powersOfTen[scale] as number);
    return (first & 16) === 0 ? magnitude : -magnitude;
  }

  #rawFloat(first: number): number {
    if (first !== rawScale || this.at + 8 > this.end) throw corrupt('damaged float');
    for (let i = 0; i < 8; i++) floatBytes[i] = this.bytes[this.at + i] as number;
    this.at += 8;
    const value = floatCell[0] as number;
    if (value - value !== 0) throw corrupt('float is not finite');
    return value;
  }
}
