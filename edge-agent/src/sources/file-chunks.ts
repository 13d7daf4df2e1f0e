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
  readonly #head: Buffer;
  /** The first line, its newline included. */
  readonly firstLine: Buffer;
  /** Changes with the first lines, and not when lines are added to them. */
  readonly identity: string;
  /** So many lines as tell what it is are there to their ends, or as much of them as a piece holds. */
  readonly hasHead: boolean;
  /** Stays when the file gets another name. */
  readonly inode: number;

  private constructor(file: FileHandle, inode: number, start: Buffer, headLines: number) {
    this.#file = file;
    this.inode = inode;
    let end = 0;
    let whole = 0;
    for (let line = 0; line < headLines; line++) {
      const next = start.indexOf(newline, end) + 1;
      if (next > 0) whole++;
      end = next || start.length;
    }
    this.#head = Buffer.from(start.subarray(0, end));
    this.hasHead = whole === headLines || start.length === chunkBytesMax;
    this.firstLine = this.#head.subarray(0, this.#head.indexOf(newline) + 1 || end);
    this.identity = createHash('sha256').update(this.#head).digest('hex').slice(0, 8);
  }

  /** `headLines`: the first lines that tell one file from another. Rejects with the error of the file system. */
  static async open(path: string, headLines = 2): Promise<FileChunks> {
    const file = await open(path, 'r');
    try {
      const start = Buffer.alloc(chunkBytesMax);
      const { bytesRead } = await file.read(start, 0, start.length, 0);
      const { ino } = await file.stat();
      return new FileChunks(file, ino, start.subarray(0, bytesRead), headLines);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async size(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  /** False when it begins otherwise by now: it was cut and written anew. */
  async isSame(): Promise<boolean> {
    const start = Buffer.alloc(this.#head.length);
    const { bytesRead } = await this.#file.read(start, 0, start.length, 0);
    return bytesRead === start.length && start.equals(this.#head);
  }

  /**
   * The piece that begins at `position`, undefined at the end. The last line needs no newline, unless the file is `growing`: then it is not
   * taken before it has one.
   */
  async next(position: number, state: 'done' | 'growing' = 'done'): Promise<Chunk | undefined> {
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
    if (last < 0 && state === 'growing') return undefined;
    const lines = isAtEnd && state === 'done' ? fresh : fresh.subarray(0, last + 1);
    return { lines, end: position + lines.length };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
