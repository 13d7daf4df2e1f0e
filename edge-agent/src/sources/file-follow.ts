/**
 * Follows a file that grows, over rotation (renamed, and a new one in its place) and truncation (cut, and written from its beginning). A
 * line is taken once it has its end. Where the agent was is kept by inode and first lines, in the commit of the readings: after a kill it goes
 * on there, and when the file was rotated meanwhile, in the file that it became, and in those that came after it.
 *
 * What cannot be known: lines that were written and cut again between two looks.
 */
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '@fogline/shared/errors';
import type { Progress } from './batch-port.ts';
import { FileChunks } from './file-chunks.ts';
import { type FileDoor, headerOf } from './file-door.ts';
import type { FileOptions } from './file-source.ts';

const lookEveryMs = 500;
const retryAfterMs = 5_000;
/** Whoever renamed it may write to it for so long. */
const graceMs = 5_000;
/** Rotated files that are looked at after a start. */
const rotatedMax = 100;
const compressed = /\.(gz|bz2|xz|zst)$/;
/** What rotations add to a name: a number, a date, a word. */
const rotation = /^(~|[._-](\d[\dTZ:._-]*|old|bak|prev(ious)?))$/;

/** Resolves when the door is closed. What goes wrong on the way is told and tried again. */
export async function followFile(door: FileDoor, options: FileOptions): Promise<void> {
  const follower = new Follower(door, options);
  try {
    await follower.run();
  } finally {
    await follower.close();
  }
}

interface Followed {
  readonly chunks: FileChunks;
  readonly counter: string;
  position: number;
  /** Monotonic, of one that was seen to be renamed: since when nothing was added. */
  quietSince: number | undefined;
}

class Follower {
  readonly #door: FileDoor;
  readonly #options: FileOptions;
  readonly #prefix: string;
  readonly #headLines: number;
  /** What each counter says, once all that was taken is durable. */
  readonly #counted: Map<string, number>;
  /** The last is the file itself; those before it are what it was. */
  readonly #open: Followed[] = [];
  #lastProblem = '';

  constructor(door: FileDoor, options: FileOptions) {
    const { source, progress } = options;
    this.#door = door;
    this.#options = options;
    this.#prefix = `file.${source.name}.`;
    this.#headLines = headerOf(source, nothing) === undefined ? 1 : 2;
    const known = Object.entries(progress).filter(([name, read]) => name.startsWith(this.#prefix) && read > 0);
    this.#counted = new Map(known);
  }

  async run(): Promise<void> {
    while (!this.#door.isClosed) {
      try {
        if (await this.#step()) continue;
        await this.#door.wait(lookEveryMs);
      } catch (error) {
        await this.#recover(messageOf(error));
      }
    }
  }

  async close(): Promise<void> {
    for (const { chunks } of this.#open.splice(0)) await chunks.close();
  }

  async #recover(reason: string): Promise<void> {
    const { path, log } = this.#options;
    this.#door.counts.failed++;
    if (reason !== this.#lastProblem) log.error({ path, reason }, 'the file cannot be followed; trying again');
    this.#lastProblem = reason;
    await this.close();
    await this.#door.wait(retryAfterMs);
  }

  /** True when there is more to do at once. */
  async #step(): Promise<boolean> {
    const [first, ...others] = this.#open;
    if (first === undefined) return this.#begin();
    if (others.length > 0) return this.#finish(first);
    const change = await this.#changeOf(first);
    if (change === 'cut') return this.#again(first);
    await this.#read(first, 'growing');
    return change === 'replaced' && this.#next(first);
  }

  /** Opens what is to be read, oldest first: what the file was when this agent read it, what came between, and the file itself. */
  async #begin(): Promise<boolean> {
    const { path, log } = this.#options;
    const inodes = new Set([...this.#counted.keys()].map((name) => Number(name.slice(name.lastIndexOf('-') + 1))));
    const current = await this.#openFile(path);
    await this.#openRotated(inodes, current);
    if (current !== undefined) this.#open.push(current);
    const isKnown = this.#counted.size === 0 || this.#open.some(({ counter }) => this.#counted.has(counter));
    if (this.#open.length > 0 && !isKnown)
      log.warn({ path }, 'the file is another than the one that was read; what was not read of that is lost');
    return this.#open.length > 0;
  }

  /** The file has a new name, and another has its own; what came and went between two looks is read as well. */
  async #next(old: Followed): Promise<boolean> {
    const { path } = this.#options;
    const current = await this.#openFile(path);
    // Until it has its first lines, the old one stays what is looked at.
    if (current === undefined) return false;
    await this.#openRotated(new Set([old.chunks.inode]), current);
    this.#open.push(current);
    this.#door.counts.rotated++;
    old.quietSince = this.#options.clock.monotonic();
    return true;
  }

  /** Those since one of these inodes; the file itself was opened before, so that none can slip through by a rotation meanwhile. */
  async #openRotated(inodes: ReadonlySet<number>, current?: Followed): Promise<void> {
    if (inodes.size === 0) return;
    for (const { path, inode } of await rotatedSince(this.#options.path, inodes)) {
      const isOpen = [...this.#open, ...(current === undefined ? [] : [current])].some(
        ({ chunks }) => chunks.inode === inode,
      );
      const file = isOpen ? undefined : await this.#openFile(path);
      if (file !== undefined) this.#open.push(file);
    }
  }

  /** Reads what is left of a file that has a new name; its last line needs no end once nobody writes to it any more. */
  async #finish(file: Followed): Promise<boolean> {
    await this.#read(file, 'growing');
    const { quietSince = Number.NEGATIVE_INFINITY } = file;
    if (this.#options.clock.monotonic() - quietSince < graceMs) return false;
    await this.#read(file, 'done');
    if (this.#door.isClosed) return false;
    this.#open.shift();
    await file.chunks.close();
    return true;
  }

  async #again(file: Followed): Promise<boolean> {
    const { path, log } = this.#options;
    const fresh = await this.#openFile(path);
    if (fresh === undefined) return false;
    this.#door.counts.truncated++;
    log.info({ path, position: file.position }, 'the file was cut; it is read from its beginning');
    fresh.position = 0;
    this.#open.splice(0, 1, fresh);
    await file.chunks.close();
    return true;
  }

  async #changeOf({ chunks, position }: Followed): Promise<'none' | 'replaced' | 'cut'> {
    const found = await statOf(this.#options.path);
    // Between the rename and the new file there is none.
    if (found !== undefined && found.ino !== chunks.inode) return 'replaced';
    return (await chunks.size()) < position || !(await chunks.isSame()) ? 'cut' : 'none';
  }

  async #read(file: Followed, state: 'done' | 'growing'): Promise<void> {
    const { source } = this.#options;
    const header = headerOf(source, file.chunks.firstLine);
    for (;;) {
      await this.#door.room();
      if (this.#door.isClosed) return;
      const chunk = await file.chunks.next(Math.max(file.position, header?.length ?? 0), state);
      // Looked at after it was read: what was cut and written anew by then is no continuation.
      if (chunk === undefined || this.#door.isClosed || !(await file.chunks.isSame())) return;
      this.#door.take(chunk, header, chunk.end - file.position, this.#progressTo(file.counter, chunk.end));
      file.position = chunk.end;
      if (file.quietSince !== undefined) file.quietSince = this.#options.clock.monotonic();
      this.#lastProblem = '';
    }
  }

  /** Of this file, and of those before it, which need not be remembered any more. */
  #progressTo(counter: string, end: number): Progress[] {
    const later = new Set(this.#open.map((file) => file.counter));
    const steps: Progress[] = [{ name: counter, bytes: end - (this.#counted.get(counter) ?? 0) }];
    for (const [name, read] of this.#counted) {
      if (name === counter || later.has(name)) continue;
      steps.push({ name, bytes: -read });
      this.#counted.delete(name);
    }
    this.#counted.set(counter, end);
    return steps;
  }

  /** Undefined when it is not there, or has not the lines yet that tell what it is. */
  async #openFile(path: string): Promise<Followed | undefined> {
    if ((await statOf(path)) === undefined) return undefined;
    const chunks = await FileChunks.open(path, this.#headLines);
    if (!chunks.hasHead) {
      await chunks.close();
      return undefined;
    }
    const counter = `${this.#prefix}${chunks.identity}-${chunks.inode}`;
    const read = this.#counted.get(counter) ?? 0;
    const position = read <= (await chunks.size()) ? read : 0;
    return { chunks, counter, position, quietSince: undefined };
  }
}

interface Rotated {
  readonly path: string;
  readonly inode: number;
}

/**
 * What the file was, oldest first: from the oldest with one of these inodes on, those with one, and those named as a rotation names them. A file
 * whose name only begins alike is another one.
 */
async function rotatedSince(path: string, inodes: ReadonlySet<number>): Promise<Rotated[]> {
  const [folder, name] = [dirname(path), basename(path)];
  const files: (Rotated & { readonly atMs: number; readonly bornMs: number })[] = [];
  for (const other of await readdir(folder)) {
    if (!other.startsWith(name) || other === name || compressed.test(other)) continue;
    const found = await statOf(join(folder, other));
    const isMeant = inodes.has(found?.ino ?? -1) || rotation.test(other.slice(name.length));
    if (isMeant && found?.isFile() === true)
      files.push({ path: join(folder, other), inode: found.ino, atMs: found.mtimeMs, bornMs: found.birthtimeMs });
  }
  // The last line of one and the first of the next may have one time: the clock of files ticks every few milliseconds.
  const ordered = files.toSorted((a, b) => a.atMs - b.atMs || a.bornMs - b.bornMs).slice(-rotatedMax);
  const first = ordered.findIndex(({ inode }) => inodes.has(inode));
  return first < 0 ? [] : ordered.slice(first);
}

const nothing = Buffer.alloc(0);

/** Undefined when there is nothing of this name. */
async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
