/**
 * When the lines of a recording are due: the first at once, each further one as much later as its time is than that of the first, divided by
 * the speed. A line whose time lies before an earlier one's, or that tells none, is due with it.
 */
import type { Clock } from '@fogline/shared/clock';
import { lineEnd } from '../decoders/text-lines.ts';
import type { Chunk } from './file-chunks.ts';
import { type FileDoor, withHeader } from './file-door.ts';
import { SourceBatcher, type SourceOptions } from './source-batcher.ts';

export class Pace {
  readonly #header: Buffer | undefined;
  readonly #speed: number;
  readonly #clock: Clock;
  /** Decodes the lines to see their times; what else comes of them is nobody's. */
  readonly #reader: SourceBatcher;
  #begin: { readonly timeMs: number; readonly at: number } | undefined;

  constructor(source: SourceOptions, header: Buffer | undefined, speed: number, clock: Clock) {
    this.#header = header;
    this.#speed = speed;
    this.#clock = clock;
    this.#reader = new SourceBatcher(source, { submit: () => undefined });
  }

  /** The lines of a piece that begins at `from`, as they come due. Ends early when the door is closed. */
  async *parts({ lines, end }: Chunk, from: number, door: FileDoor): AsyncGenerator<Chunk> {
    if (lines === undefined) {
      yield { lines, end };
      return;
    }
    let start = 0;
    for (let at = 0; at < lines.length; ) {
      const next = Math.min(lineEnd(lines, at) + 1, lines.length);
      if (this.#waitMs(lines.subarray(at, next)) > 0) {
        if (at > start) yield { lines: lines.subarray(start, at), end: from + at };
        start = at;
        await this.#due(door);
        await door.room();
        if (door.isClosed) return;
      }
      at = next;
    }
    yield { lines: lines.subarray(start), end };
  }

  async #due(door: FileDoor): Promise<void> {
    for (let ms = this.#leftMs(); ms > 0 && !door.isClosed; ms = this.#leftMs()) await door.wait(ms);
  }

  #waitMs(line: Buffer): number {
    this.#reader.take('line', withHeader(this.#header, line), Number.MAX_SAFE_INTEGER, undefined);
    this.#reader.submit();
    return this.#leftMs();
  }

  #leftMs(): number {
    const timeMs = this.#reader.latestSourceMs;
    if (!Number.isFinite(timeMs)) return 0;
    const now = this.#clock.monotonic();
    this.#begin ??= { timeMs, at: now };
    return Math.ceil(this.#begin.at + (timeMs - this.#begin.timeMs) / this.#speed - now);
  }
}
