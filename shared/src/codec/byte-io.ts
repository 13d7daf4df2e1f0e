/**
 * Byte cursors of the codec. The writer grows one buffer and is reused from call to call; results are copied out of it.
 * The reader checks every step against the end of its range: whatever the bytes say, it throws `codec_corrupt` instead
 * of reading past them.
 *
 * Varints are little-endian base 128 (LEB128) of integers up to 2^53, at most 8 bytes; signed ones are zigzagged and reach
 * ±2^52.
 */
import { FoglineError, invariant } from '../errors.ts';

export const integerMax = 2 ** 53;
export const signedMax = 2 ** 52;

export function corrupt(what: string): never {
  throw new FoglineError('codec_corrupt', `readings: ${what}`);
}

const scratchFloat = new Float64Array(1);
const scratchFloatBytes = new Uint8Array(scratchFloat.buffer);

export class ByteWriter {
  bytes: Uint8Array;
  at = 0;

  constructor(bytesInitial: number) {
    this.bytes = new Uint8Array(bytesInitial);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.at + count));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  varint(value: number): void {
    this.reserve(8);
    if (value < 0x80) {
      this.bytes[this.at++] = value;
      return;
    }
    let rest = value;
    while (rest >= 0x8000_0000) {
      this.bytes[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  /** Zigzag: 0, −1, 1, −2 … → 0, 1, 2, 3 …; |value| ≤ 2^52. */
  svarint(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  f64(value: number): void {
    scratchFloat[0] = value;
    this.raw(scratchFloatBytes);
  }

  u32(value: number): void {
    this.reserve(4);
    this.bytes[this.at++] = value & 0xff;
    this.bytes[this.at++] = (value >>> 8) & 0xff;
    this.bytes[this.at++] = (value >>> 16) & 0xff;
    this.bytes[this.at++] = value >>> 24;
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.at);
    this.at += source.length;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    invariant(at >= 0 && at <= end && end <= bytes.length, 'byte reader: range lies in the buffer');
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    if (this.at >= this.end) corrupt('truncated');
    return this.bytes[this.at++] as number;
  }

  /** The next byte, or −1 at the end; it stays. */
  peek(): number {
    return this.at < this.end ? (this.bytes[this.at] as number) : -1;
  }

  /** 0 … 2^53; every larger value is refused. */
  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 128;
    for (let group = 1; group < 8; group++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > integerMax) corrupt('integer out of range');
        return value;
      }
      scale *= 128;
    }
    return corrupt('varint too long');
  }

  /** A varint that must not exceed `max`. */
  bounded(max: number, what: string): number {
    const value = this.varint();
    if (value > max) corrupt(`${what} out of range`);
    return value;
  }

  /** |value| ≤ 2^52. */
  svarint(): number {
    const zigzag = this.varint();
    const half = Math.floor(zigzag / 2);
    return zigzag % 2 === 0 ? half : -half - 1;
  }

  f64(): number {
    scratchFloatBytes.set(this.take(8));
    return scratchFloat[0] as number;
  }

  u32(): number {
    const four = this.take(4);
    return (
      (((four[0] as number) | ((four[1] as number) << 8) | ((four[2] as number) << 16)) >>> 0) +
      (four[3] as number) * 0x100_0000
    );
  }

  /** A view of the next `count` bytes. */
  take(count: number): Uint8Array {
    if (count > this.end - this.at) corrupt('truncated');
    const from = this.at;
    this.at += count;
    return this.bytes.subarray(from, this.at);
  }

  left(): number {
    return this.end - this.at;
  }
}

/**
 * Lets `encode` append another form of what stands since `from`, and keeps the smaller of the two; when nothing stands
 * there, the other unless it is empty. True when the other was kept.
 */
export function keepSmaller(out: ByteWriter, from: number, encode: () => void): boolean {
  const standing = out.at;
  encode();
  const otherBytes = out.at - standing;
  if (otherBytes > 0 && (standing === from || otherBytes < standing - from)) {
    out.bytes.copyWithin(from, standing, out.at);
    out.at = from + otherBytes;
    return true;
  }
  out.at = standing;
  return false;
}
