/** A file of lines, in pieces that end where a line ends. Whoever remembers `end` of a piece can go on from there. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { lineBytesMax } from '../decoders/text-lines.ts';

/** Of a piece; a longer line is a piece without a line. */
export const chunkBytesMax = lineBytesMax;

export interface Chunk {
  /** Whole lines; undefined for a part of a line that is too long. */
  readonly lines: Buffer | undefined;
  /** Position after it. */
  readonly end: number;
}

const newline = 0x0a;

export class FileChunks {
  readonly #file: FileHandle;
  /** The first line, its newline included. */
  readonly firstLine: Buffer;
  /** Changes with the first two lines, and not when lines are added to them. */
  readonly identity: string;

  private constructor(file: FileHandle, head: Buffer) {
    this.#file = file;
    const firstEnd = head.indexOf(newline) + 1 || head.length;
    const secondEnd = head.indexOf(newline, firstEnd) + 1 || head.length;
    this.firstLine = head.subarray(0, firstEnd);
    this.identity = createHash('sha256').update(head.subarray(0, secondEnd)).digest('hex').slice(0, 8);
  }

  /** Rejects with the error of the file system. */
  static async open(path: string): Promise<FileChunks> {
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(chunkBytesMax);
      const { bytesRead } = await file.read(head, 0, head.length, 0);
      return new FileChunks(file, head.subarray(0, bytesRead));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /** The piece that begins at `position`, undefined at the end. The last line needs no newline. */
  async next(position: number): Promise<Chunk | undefined> {
    // The byte before tells whether the piece before ended within a line that is too long.
    const from = Math.max(0, position - 1);
    const bytes = Buffer.allocUnsafe(position - from + chunkBytesMax);
    const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, from);
    const fresh = bytes.subarray(position - from, bytesRead);
    if (fresh.length === 0) return undefined;
    const isAtEnd = bytesRead < bytes.length;
    if (position > 0 && bytes[0] !== newline) {
      const rest = fresh.indexOf(newline);
      return { lines: undefined, end: position + (rest < 0 ? fresh.length : rest + 1) };
    }
    const last = fresh.lastIndexOf(newline);
    if (last < 0 && !isAtEnd) return { lines: undefined, end: position + fresh.length };
    const lines = isAtEnd ? fresh : fresh.subarray(0, last + 1);
    return { lines, end: position + lines.length };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
