/**
 * The last commits, by series, for viewers that follow. Bounded in bytes: the oldest leave, and whoever had not seen them is told so. In
 * memory only, and only while somebody watches.
 */
import type { ReadingColumns } from '@fogline/shared/reading';
import type { AppliedWindows, CommittedChange } from '../ingest/ports.ts';
import { runEnd } from '../store/batch-content.ts';

/** Rows [from, to) of one series. */
export type Chunk =
  | { readonly kind: 'reading'; readonly columns: ReadingColumns; readonly from: number; readonly to: number }
  | { readonly kind: 'window'; readonly columns: AppliedWindows; readonly from: number; readonly to: number };

export interface Change {
  readonly seq: number;
  readonly atMs: number;
  readonly bySeries: ReadonlyMap<number, readonly Chunk[]>;
  readonly bytes: number;
}

export const ringLimits = {
  bytesMax: 16 * 1024 * 1024,
  /** Of one chunk: a frame has some. */
  chunkRowsMax: 1_000,
} as const;

/** In columns and as the text that viewers are sent, which is kept too. A chunk costs some objects. */
const readingBytes = 64;
const windowBytes = 192;
const chunkBytes = 200;

const empty: Change = { seq: 0, atMs: 0, bySeries: new Map(), bytes: 0 };

export class ChangeRing {
  readonly #bytesMax: number;
  #changes: Change[] = [];
  /** Before it, the places are empty. */
  #first = 0;
  #seq = 0;
  #bytes = 0;

  constructor(bytesMax: number = ringLimits.bytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Of the newest change; 0 before the first. */
  get head(): number {
    return this.#seq;
  }

  push({ atMs, batches }: Pick<CommittedChange, 'atMs' | 'batches'>): Change {
    const bySeries = new Map<number, Chunk[]>();
    let bytes = chunkBytes;
    const add = (series: number, chunk: Chunk): void => {
      const chunks = bySeries.get(series);
      if (chunks === undefined) bySeries.set(series, [chunk]);
      else chunks.push(chunk);
      bytes += chunkBytes;
    };
    for (const { readings, windows } of batches) {
      for (const columns of readings) {
        for (const { series, from, to } of runsOf(columns)) add(series, { kind: 'reading', columns, from, to });
        bytes += columns.count * readingBytes + columns.strings.reduce((sum, text) => sum + 2 * text.length, 0);
      }
      for (const columns of windows) {
        for (const { series, from, to } of runsOf(columns)) add(series, { kind: 'window', columns, from, to });
        bytes += columns.count * windowBytes + columns.partial.reduce((sum, partial) => sum + partial.byteLength, 0);
      }
    }
    const change: Change = { seq: ++this.#seq, atMs, bySeries, bytes };
    this.#changes.push(change);
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax) {
      this.#bytes -= this.#changes[this.#first]?.bytes ?? 0;
      this.#changes[this.#first++] = empty;
    }
    if (this.#first > this.#changes.length / 2) {
      this.#changes.splice(0, this.#first);
      this.#first = 0;
    }
    return change;
  }

  /** The change that follows `seq`; `none` = that was the newest, `gone` = it is no longer there, or `seq` is of the future. */
  after(seq: number): Change | 'none' | 'gone' {
    const oldest = this.#seq - (this.#changes.length - this.#first) + 1;
    if (seq === this.#seq) return 'none';
    if (seq > this.#seq || seq < oldest - 1) return 'gone';
    return this.#changes[this.#first + seq - oldest + 1] ?? 'gone';
  }

  /** Keeps the count, so that a position of before is never taken for one of after. */
  clear(): void {
    this.#changes = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#seq++;
  }
}

function* runsOf({ series, count }: Pick<ReadingColumns, 'series' | 'count'>) {
  for (let from = 0; from < count; ) {
    const end = runEnd(series, from, count);
    const id = series[from] ?? 0;
    for (; from < end; from += ringLimits.chunkRowsMax)
      yield { series: id, from, to: Math.min(end, from + ringLimits.chunkRowsMax) };
    from = end;
  }
}
