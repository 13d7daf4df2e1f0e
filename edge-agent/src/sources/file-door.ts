/**
 * The door of a file: its lines become batches, and how far it was read is durable in the commit of the readings that it gave, so that
 * after a crash it goes on from there, without loss and without doubling. What is read and not yet durable is bounded; nothing is read
 * during overload. Who reads, and when, is another's business (file-replay.ts, file-follow.ts).
 */
import { basename } from 'node:path';
import { messageOf as messageOfError } from '@fogline/shared/errors';
import { lineEnd } from '../decoders/text-lines.ts';
import type { Progress, Token } from './batch-port.ts';
import { Door, type OpenDoor } from './door.ts';
import { type Chunk, chunkBytesMax } from './file-chunks.ts';
import type { FileOptions } from './file-source.ts';
import type { SourceBatcher, SourceOptions } from './source-batcher.ts';

/** Read and not yet durable; beyond it the file waits. */
export const unreleasedBytesMax = 1024 * 1024;

export interface FileDoorCounts {
  /** Durable. */
  bytes: number;
  long_lines: number;
  done: number;
  failed: number;
  rotated: number;
  truncated: number;
}

export class FileDoor implements OpenDoor {
  readonly sources: readonly string[];
  /** Resolves when the reader has ended, has failed, or the door is closed. */
  ended: Promise<void> = Promise.resolve();
  readonly counts: FileDoorCounts = { bytes: 0, long_lines: 0, done: 0, failed: 0, rotated: 0, truncated: 0 };
  readonly #options: FileOptions;
  readonly #door: Door;
  readonly #source: SourceBatcher;
  #unreleased = 0;
  #isPaused = false;
  /** Continues a reader that waits. */
  #wake: (() => void) | undefined;

  /** Throws FoglineError config_invalid. */
  constructor(options: FileOptions) {
    this.#options = options;
    // A piece comes with the header before it.
    this.#door = new Door([{ ...options.source, payloadBytesMax: 2 * chunkBytesMax }], options);
    this.#source = this.#door.source(options.source.name);
    this.sources = this.#door.names;
  }

  /** A reader that fails is logged and counted: the agent has other things to do. */
  start(read: () => Promise<void>): void {
    this.ended = read().catch((error: unknown) => {
      this.counts.failed++;
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
    return { ...this.counts };
  }

  async close(): Promise<void> {
    this.#door.close();
    this.#wake?.();
    await this.ended;
  }

  get isClosed(): boolean {
    return this.#door.isClosed;
  }

  /** Decodes a piece. All of it is in one commit, together with what was read by then. */
  take({ lines }: Chunk, header: Buffer | undefined, bytes: number, progress: readonly Progress[]): void {
    const { clock, path, source } = this.#options;
    const topic = basename(path);
    if (lines === undefined) {
      this.counts.long_lines++;
      this.#source.drop(topic, nothing, 'line_too_long');
    }
    const whole = lines === undefined ? [] : [withHeader(header, lines)];
    const payloads = source.parse.format === 'json' ? whole.flatMap(linesOf) : whole;
    this.#unreleased += bytes;
    const token = this.#door.await(this.#source, () => {
      this.#unreleased -= bytes;
      this.counts.bytes += bytes;
      this.#wake?.();
    });
    this.#source.takeWhole(topic, payloads, clock.now(), token, progress);
    this.#door.gather(this.#source);
  }

  /** Until there is room for a piece, or the door is closed. */
  async room(): Promise<void> {
    while ((this.#isPaused || this.#unreleased >= unreleasedBytesMax) && !this.isClosed) await this.#change();
  }

  /** Until all that was taken is durable; false when the door was closed before. */
  async durable(): Promise<boolean> {
    while (this.#unreleased > 0 && !this.isClosed) await this.#change();
    return this.#unreleased === 0;
  }

  /** Until so much time has passed, or the door is closed. */
  async wait(ms: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + ms;
    for (let left = ms; left > 0 && !this.isClosed; left = deadline - clock.monotonic()) {
      const timer = clock.after('file wait', left, () => this.#wake?.());
      await this.#change();
      timer.cancel();
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const nothing = Buffer.alloc(0);

/** What comes before the lines of every piece: the first line of the file, where that names the columns. */
export function headerOf({ parse }: SourceOptions, firstLine: Buffer): Buffer | undefined {
  return parse.format === 'csv' && parse.hasHeader ? firstLine : undefined;
}

export function withHeader(header: Buffer | undefined, lines: Buffer): Buffer {
  return header === undefined ? lines : Buffer.concat([header, lines]);
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = lineEnd(bytes, from);
    if (bytes.toString('latin1', from, end).trim() !== '') lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return lines;
}
