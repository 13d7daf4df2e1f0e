/**
 * Reads a write-ahead log of SQLite before SQLite does. SQLite ends a log at its first bad frame and says nothing, which is right for a
 * write that a power cut tore and wrong for a bit that flipped: then committed frames behind it are lost without a word. The
 * difference: behind damage come good frames of the same log. A frame's checksum goes on from the one before it, as stored there, so
 * a frame can be judged by itself and its predecessor. Format: https://www.sqlite.org/fileformat2.html#walformat
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';

/** `torn`: it ends in a write that was not finished, which is no damage. */
export type WalState = 'absent' | 'sound' | 'torn' | 'damaged';

export interface WalScan {
  readonly state: WalState;
  /** Good ones from the beginning. */
  readonly frames: number;
  /** Good ones behind a bad one. */
  readonly framesBehind: number;
}

/** Logs are a few MiB (a checkpoint every 1,000 pages); what lies beyond is not read. */
const scannedBytesMax = 256 * 1024 * 1024;
const headerBytes = 32;
const frameHeaderBytes = 24;
const magicLittle = 0x377f0682;
const magicBig = 0x377f0683;

type Checksum = readonly [number, number];

interface Frame {
  readonly offset: number;
  /** Same salts as the log. */
  readonly isOfLog: boolean;
  readonly isGood: boolean;
}

class WalFile {
  readonly pageBytes: number;
  readonly isHeaderGood: boolean;
  readonly #bytes: Buffer;
  readonly #isBig: boolean;
  readonly #salts: readonly [number, number];

  constructor(bytes: Buffer, pageBytesExpected: number) {
    this.#bytes = bytes;
    const magic = bytes.readUInt32BE(0);
    this.#isBig = magic === magicBig;
    const isKnown = magic === magicLittle || magic === magicBig;
    const stored: Checksum = [bytes.readUInt32BE(24), bytes.readUInt32BE(28)];
    this.isHeaderGood = isKnown && isEqual(this.#sum([0, 0], 0, 24), stored);
    this.pageBytes = this.isHeaderGood ? bytes.readUInt32BE(8) : pageBytesExpected;
    const saltAt = this.isHeaderGood ? 16 : headerBytes + 8;
    this.#salts = bytes.length >= saltAt + 8 ? [bytes.readUInt32BE(saltAt), bytes.readUInt32BE(saltAt + 4)] : [0, 0];
  }

  get count(): number {
    return Math.floor((this.#bytes.length - headerBytes) / (frameHeaderBytes + this.pageBytes));
  }

  frame(index: number): Frame {
    const bytes = this.#bytes;
    const size = frameHeaderBytes + this.pageBytes;
    const offset = headerBytes + index * size;
    const isOfLog =
      bytes.readUInt32BE(offset + 8) === this.#salts[0] && bytes.readUInt32BE(offset + 12) === this.#salts[1];
    const before = index === 0 ? 24 : offset - size + 16;
    let sum: Checksum = [bytes.readUInt32BE(before), bytes.readUInt32BE(before + 4)];
    sum = this.#sum(sum, offset, 8);
    sum = this.#sum(sum, offset + frameHeaderBytes, this.pageBytes);
    const stored: Checksum = [bytes.readUInt32BE(offset + 16), bytes.readUInt32BE(offset + 20)];
    return { offset, isOfLog, isGood: isOfLog && bytes.readUInt32BE(offset) > 0 && isEqual(sum, stored) };
  }

  /** A log of these frames, summed anew. */
  rebuilt(frames: readonly Frame[]): Buffer {
    const size = frameHeaderBytes + this.pageBytes;
    const out = Buffer.alloc(headerBytes + frames.length * size);
    this.#bytes.copy(out, 0, 0, headerBytes);
    out.writeUInt32BE(this.#isBig ? magicBig : magicLittle, 0);
    out.writeUInt32BE(3_007_000, 4);
    out.writeUInt32BE(this.pageBytes, 8);
    out.writeUInt32BE(this.#salts[0], 16);
    out.writeUInt32BE(this.#salts[1], 20);
    const isBig = this.#isBig;
    let sum = sumOf(out, isBig, [0, 0], 0, 24);
    writeSum(out, 24, sum);
    for (const [index, { offset }] of frames.entries()) {
      const to = headerBytes + index * size;
      this.#bytes.copy(out, to, offset, offset + size);
      sum = sumOf(out, isBig, sum, to, 8);
      sum = sumOf(out, isBig, sum, to + frameHeaderBytes, this.pageBytes);
      writeSum(out, to + 16, sum);
    }
    return out;
  }

  #sum(start: Checksum, from: number, length: number): Checksum {
    return sumOf(this.#bytes, this.#isBig, start, from, length);
  }
}

/** `pageBytes`: of the database, for a log whose header is damaged. */
export function scanWal(path: string, pageBytes = 4096): WalScan {
  const bytes = read(path);
  if (bytes === undefined || bytes.length === 0) return { state: 'absent', frames: 0, framesBehind: 0 };
  if (bytes.length < headerBytes) return { state: 'torn', frames: 0, framesBehind: 0 };
  const wal = new WalFile(bytes, pageBytes);
  let frames = 0;
  if (wal.isHeaderGood) while (frames < wal.count && wal.frame(frames).isGood) frames++;
  let framesBehind = 0;
  for (let index = frames; index < wal.count; index++) if (wal.frame(index).isGood) framesBehind++;
  if (framesBehind > 0) return { state: 'damaged', frames, framesBehind };
  const isWhole = wal.isHeaderGood && (frames === wal.count || !wal.frame(frames).isOfLog);
  return { state: isWhole ? 'sound' : 'torn', frames, framesBehind };
}

/** Writes a log that has every good frame of this one, also those behind a bad one. Returns how many; 0 = nothing was written. */
export function rebuildWal(path: string, to: string, pageBytes = 4096): number {
  const bytes = read(path);
  if (bytes === undefined || bytes.length < headerBytes) return 0;
  const wal = new WalFile(bytes, pageBytes);
  const frames: Frame[] = [];
  for (let index = 0; index < wal.count; index++) {
    const frame = wal.frame(index);
    // Without a good header the first frame has nothing to go on from.
    if (frame.isGood) frames.push(frame);
  }
  if (frames.length > 0) writeFileSync(to, wal.rebuilt(frames));
  return frames.length;
}

function read(path: string): Buffer | undefined {
  if (!existsSync(path)) return undefined;
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.allocUnsafeSlow(Math.min(fstatSync(file).size, scannedBytesMax));
    let length = 0;
    for (let got = -1; length < bytes.length && got !== 0; length += got)
      got = readSync(file, bytes, length, bytes.length - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** Two running sums over pairs of 32-bit words, in the byte order that the log says. */
function sumOf(bytes: Buffer, isBig: boolean, start: Checksum, from: number, length: number): Checksum {
  let [a, b] = start;
  for (let at = from; at < from + length; at += 8) {
    a = (a + (isBig ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + b) >>> 0;
    b = (b + (isBig ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + a) >>> 0;
  }
  return [a, b];
}

function writeSum(bytes: Buffer, at: number, [a, b]: Checksum): void {
  bytes.writeUInt32BE(a, at);
  bytes.writeUInt32BE(b, at + 4);
}

function isEqual(left: Checksum, right: Checksum): boolean {
  return left[0] === right[0] && left[1] === right[1];
}
