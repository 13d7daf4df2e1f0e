/**
 * A file that is read once: CSV, line protocol, or JSON with a message a line. How far it was read is durable in the commit of the
 * readings that it gave, so after a crash it goes on from there, without loss and without doubling. What is read and not yet
 * durable is bounded; nothing is read during overload.
 */
import { basename } from 'node:path';
import { messageOf as messageOfError } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { lineEnd } from '../decoders/text-lines.ts';
import type { Token } from './batch-port.ts';
import { Door, type DoorPorts, type OpenDoor } from './door.ts';
import { type Chunk, FileChunks } from './file-chunks.ts';
import type { SourceBatcher, SourceOptions } from './source-batcher.ts';

/** Read and not yet durable; beyond it the file waits. */
const unreleasedBytesMax = 1024 * 1024;

export interface FileReplayOptions extends DoorPorts {
  readonly path: string;
  readonly source: SourceOptions;
  /** What was read under this name, as of the last commit. */
  readonly progressOf: (name: string) => number;
  readonly log: Logger;
}

export interface FileReplay extends OpenDoor {
  /** Resolves when all of the file is durable, or cannot be read, or the door is closed. */
  readonly ended: Promise<void>;
}

/** A file that cannot be read is logged and counted: the agent has other things to do. Throws FoglineError config_invalid. */
export function replayFile(options: FileReplayOptions): FileReplay {
  const replay = new Replay(options);
  replay.start();
  return replay;
}

class Replay implements FileReplay {
  readonly sources: readonly string[];
  ended: Promise<void> = Promise.resolve();
  readonly #options: FileReplayOptions;
  readonly #door: Door;
  readonly #source: SourceBatcher;
  readonly #counts = { bytes: 0, long_lines: 0, done: 0, failed: 0 };
  #unreleased = 0;
  #isPaused = false;
  /** Continues a replay that waits for room. */
  #wake: (() => void) | undefined;

  constructor(options: FileReplayOptions) {
    this.#options = options;
    this.#door = new Door([options.source], options);
    this.#source = this.#door.source(options.source.name);
    this.sources = this.#door.names;
  }

  start(): void {
    this.ended = this.#replay().catch((error: unknown) => {
      this.#counts.failed++;
      const { path, log } = this.#options;
      log.error({ path, reason: messageOfError(error) }, 'the file cannot be read; what was read of it stays');
    });
  }

  release(source: string, tokens: readonly Token[]): void {
    this.#door.release(source, tokens);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake?.();
  }

  sourceCounters(name: string): ReturnType<SourceBatcher['counters']> {
    return this.#door.source(name).counters();
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  async close(): Promise<void> {
    this.#door.close();
    this.#wake?.();
    await this.ended;
  }

  async #replay(): Promise<void> {
    const { path, log } = this.#options;
    const file = await FileChunks.open(path);
    try {
      const isWhole = await this.#readAll(file);
      if (!isWhole) return;
      this.#counts.done++;
      log.info({ path, ...this.#source.counters() }, 'the file is read to its end');
    } finally {
      await file.close();
    }
  }

  /** False when the door was closed before. */
  async #readAll(file: FileChunks): Promise<boolean> {
    const { path, source, progressOf, log } = this.#options;
    const { parse, name } = source;
    // With other first lines it is another file, and read from its beginning.
    const counter = `file.${name}.${file.identity}`;
    const header = parse.format === 'csv' && parse.hasHeader ? file.firstLine : undefined;
    let position = progressOf(counter);
    const size = await file.size();
    if (position > size) throw new Error(`${size} bytes, of which ${position} were read already: it was cut short`);
    if (position > 0) log.info({ path, position, size }, 'the file goes on where it was left');
    for (;;) {
      await this.#room();
      if (this.#door.isClosed) return false;
      const from = Math.max(position, header?.length ?? 0);
      const chunk = await file.next(from);
      if (chunk === undefined) break;
      if (this.#door.isClosed) return false;
      this.#take(chunk, header, { name: counter, bytes: chunk.end - position });
      position = chunk.end;
    }
    while (this.#unreleased > 0 && !this.#door.isClosed) await this.#change();
    return this.#unreleased === 0;
  }

  #take(
    { lines }: Chunk,
    header: Buffer | undefined,
    progress: { readonly name: string; readonly bytes: number },
  ): void {
    const { clock, path, source } = this.#options;
    const topic = basename(path);
    if (lines === undefined) {
      this.#counts.long_lines++;
      this.#source.drop(topic, nothing, 'line_too_long');
    }
    const whole = lines === undefined ? [] : [header === undefined ? lines : Buffer.concat([header, lines])];
    const payloads = source.parse.format === 'json' ? whole.flatMap(linesOf) : whole;
    this.#unreleased += progress.bytes;
    const token = this.#door.await(this.#source, () => {
      this.#unreleased -= progress.bytes;
      this.#counts.bytes += progress.bytes;
      this.#wake?.();
    });
    this.#source.takeWhole(topic, payloads, clock.now(), token, progress);
    this.#door.gather(this.#source);
  }

  async #room(): Promise<void> {
    while ((this.#isPaused || this.#unreleased >= unreleasedBytesMax) && !this.#door.isClosed) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const nothing = Buffer.alloc(0);

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = lineEnd(bytes, from);
    if (bytes.toString('latin1', from, end).trim() !== '') lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return lines;
}
