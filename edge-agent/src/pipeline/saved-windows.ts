/** Open windows as they are saved: columns of partials in blocks, a third of what they take one by one. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows, encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { noWindow, type OpenWindows } from './open-windows.ts';

const blockRowsMax = 4_096;
const blockBytesMax = 1024 * 1024;

interface OpenWindow {
  /** Of the table of series. */
  readonly row: number;
  readonly start: number;
}

export class SavedWindows {
  readonly #windows: OpenWindows;
  readonly #blocks: Uint8Array[] = [];
  #rows: OpenWindow[] = [];
  #partials: Uint8Array[] = [];
  #bytes = 0;

  constructor(windows: OpenWindows) {
    this.#windows = windows;
  }

  /** All windows of a series, by its newest; rows come in ascending order. */
  add(row: number, newest: number): void {
    const oldestFirst: number[] = [];
    for (let at = newest; at !== noWindow; at = this.#windows.olderThan(at)) oldestFirst.unshift(at);
    for (const window of oldestFirst) {
      const partial = this.#windows.partialOf(window).encode();
      const isFull = this.#rows.length >= blockRowsMax || this.#bytes + partial.length > blockBytesMax;
      if (isFull && this.#rows.length > 0) this.#close();
      this.#rows.push({ row, start: this.#windows.startOf(window) });
      this.#partials.push(partial);
      this.#bytes += partial.length;
    }
  }

  blocks(): Uint8Array[] {
    if (this.#rows.length > 0) this.#close();
    return this.#blocks;
  }

  #close(): void {
    const count = this.#rows.length;
    const series = Uint32Array.from(this.#rows, ({ row }) => row);
    const start = Float64Array.from(this.#rows, (window) => window.start);
    this.#blocks.push(encodeWindows({ count, series, start, delta: new Uint8Array(count), partial: this.#partials }));
    this.#rows = [];
    this.#partials = [];
    this.#bytes = 0;
  }
}

/** Of each series, oldest first. */
export function* openWindowsOf(blocks: readonly Uint8Array[]): Generator<OpenWindow & { readonly partial: Partial }> {
  for (const block of blocks) {
    const { count, series, start, partial } = decodeWindows(block);
    for (let at = 0; at < count; at++)
      yield { row: series[at] ?? 0, start: start[at] ?? 0, partial: Partial.decode(partial[at] ?? new Uint8Array(0)) };
  }
}
