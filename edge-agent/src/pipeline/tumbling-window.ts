/**
 * Tumbling windows in event time. Per series: a window [start, start + everyMs) closes when the watermark (largest event
 * time seen − lateness) reaches its end, or when the series has been idle in processing time for everyMs + lateness. A
 * device that backfills moves only its own watermark. Readings of a closed window are late: the late readings of one
 * commit form one delta partial per (series, window), to be merged, never a replacement. So window plus deltas equals the
 * aggregate over all readings, however they were split, reordered or interrupted.
 *
 * `bad` readings and text enter no window.
 */
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { WindowConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { IdleSeries } from './idle-series.ts';
import { noWindow, OpenWindows } from './open-windows.ts';
import type { Items, Operator } from './operator.ts';
import { openWindowsOf, SavedWindows } from './saved-windows.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { packState, unpackState } from './state-bytes.ts';
import { WindowBuilder } from './window-builder.ts';
import { WindowRows } from './window-rows.ts';

const stateVersion = 3;

/** Largest event time seen. */
const maxTime = 0;
/** Windows ending at or before this are closed. */
const closedUntil = 1;
/** `now` of the last commit that brought a reading. */
const seenAt = 2;
/** Place of the newest open window. */
const newest = 3;
/** Start of the oldest open window; infinite when none is open. */
const oldestStart = 4;

export class TumblingWindow implements Operator {
  readonly #everyMs: number;
  readonly #latenessMs: number;
  readonly #hasSketch: boolean;
  readonly #series = new SeriesTable({ saved: 3, derived: 2 });
  readonly #open: OpenWindows;
  readonly #idle: IdleSeries;
  readonly #rows = new WindowRows();
  readonly #closing: number[] = [];
  readonly #closed = new WindowBuilder();
  readonly drops = new Map<string, number>();

  constructor({ everyMs, latenessMs, hasSketch }: WindowConfig) {
    this.#everyMs = everyMs;
    this.#latenessMs = latenessMs;
    this.#hasSketch = hasSketch;
    this.#idle = new IdleSeries(this.#series, seenAt, everyMs + latenessMs);
    this.#open = new OpenWindows(hasSketch);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, kind: 'window', widthMs: this.#everyMs };
  }

  process(columns: ReadingColumns, now: number): Items {
    const { series, flags, count } = columns;
    for (let from = 0; from < count; ) {
      const end = runEnd(series, from, count);
      if (((flags[from] ?? 0) & flagText) === 0) this.#processRun(columns, from, end, now);
      else addDrop(this.drops, 'text', end - from);
      from = end;
    }
    if (count > 0) this.#idle.note(now);
    return { kind: 'windows', columns: this.#closed.take() };
  }

  tick(now: number): Items | undefined {
    const isOpen = (at: number): boolean => this.#series.values[at + newest] !== noWindow;
    this.#idle.tick(now, isOpen, (at, id) => this.#close(at, id, Number.POSITIVE_INFINITY));
    return this.#closed.count === 0 ? undefined : { kind: 'windows', columns: this.#closed.take() };
  }

  dueAt(now: number): number | undefined {
    return this.#idle.dueAt(now);
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  /** The readings of one series in one commit. */
  #processRun(columns: ReadingColumns, first: number, end: number, now: number): void {
    const id = columns.series[first] ?? 0;
    const at = this.#rowOf(id);
    const rows = this.#rows;
    rows.take(columns, first, end);
    const { time, value, to } = rows;
    addDrop(this.drops, 'bad', end - first - (to - rows.from));
    const { values } = this.#series;
    values[at + seenAt] = now;
    if (to > rows.from) values[at + maxTime] = Math.max(values[at + maxTime] ?? 0, time[to - 1] ?? 0);
    const watermark = (values[at + maxTime] ?? 0) - this.#latenessMs;
    for (let from = rows.from; from < to; ) {
      const start = Math.floor((time[from] ?? 0) / this.#everyMs) * this.#everyMs;
      const until = start + this.#everyMs;
      let next = from + 1;
      while (next < to && (time[next] ?? 0) < until) next++;
      this.#take(at, id, start, watermark, time, value, from, next);
      from = next;
    }
    this.#close(at, id, watermark);
  }

  /** Adds all readings that one commit has of one window; windows of a series come in ascending order. */
  #take(
    at: number,
    series: number,
    start: number,
    watermark: number,
    time: Float64Array,
    value: Float64Array,
    from: number,
    to: number,
  ): void {
    const { values } = this.#series;
    const end = start + this.#everyMs;
    const isDelta = end <= (values[at + closedUntil] ?? 0);
    // One that opens and closes in this commit, and is not open from before, needs no place.
    const isWhole = !isDelta && end <= watermark;
    // Those before it come out before it.
    if (isWhole) this.#emit(at, series, start);
    if (isDelta || (isWhole && values[at + oldestStart] !== start)) {
      this.#closed.addRows({ series, start, isDelta, columns: { time, value }, from, to, hasSketch: this.#hasSketch });
      return;
    }
    values[at + newest] = this.#open.add(values[at + newest] ?? noWindow, start, time, value, from, to);
    if (start < (values[at + oldestStart] ?? 0)) values[at + oldestStart] = start;
  }

  /** Closes every window that ends at or before the watermark. */
  #close(at: number, series: number, watermark: number): void {
    const { values } = this.#series;
    const last = this.#emit(at, series, watermark);
    const passed = Number.isFinite(watermark) ? Math.floor(watermark / this.#everyMs) * this.#everyMs : last;
    values[at + closedUntil] = Math.max(values[at + closedUntil] ?? 0, last, passed);
  }

  /** Emits the open windows that end at or before `until`, oldest first; returns the end of the last. */
  #emit(at: number, series: number, until: number): number {
    const { values } = this.#series;
    if ((values[at + oldestStart] ?? 0) + this.#everyMs > until) return Number.NEGATIVE_INFINITY;
    const closing = this.#closing;
    let kept = noWindow;
    let window = values[at + newest] ?? noWindow;
    for (; window !== noWindow; window = this.#open.olderThan(window)) {
      if (this.#open.startOf(window) + this.#everyMs > until) kept = window;
      else closing.push(window);
    }
    let last = Number.NEGATIVE_INFINITY;
    for (let next = closing.pop(); next !== undefined; next = closing.pop()) {
      last = this.#open.startOf(next) + this.#everyMs;
      this.#open.close(next, series, this.#closed);
    }
    if (kept === noWindow) values[at + newest] = noWindow;
    else this.#open.cutAfter(kept);
    values[at + oldestStart] = kept === noWindow ? Number.POSITIVE_INFINITY : this.#open.startOf(kept);
    return last;
  }

  #rowOf(id: number): number {
    const table = this.#series;
    const found = table.find(id);
    if (found >= 0) return found;
    const at = table.add(id);
    table.values[at + maxTime] = Number.NEGATIVE_INFINITY;
    table.values[at + closedUntil] = Number.NEGATIVE_INFINITY;
    table.values[at + newest] = noWindow;
    table.values[at + oldestStart] = Number.POSITIVE_INFINITY;
    return at;
  }

  save(): Uint8Array {
    const table = this.#series;
    const open = new SavedWindows(this.#open);
    for (let row = 0; row < table.count; row++) open.add(row, table.values[row * table.width + newest] ?? noWindow);
    return packState(stateVersion, table.save(), open.blocks());
  }

  restore(saved: Uint8Array): void {
    const [series, open] = unpackState(saved, stateVersion) as [SavedTable, Uint8Array[]];
    const table = this.#series;
    table.restore(series, (id) => this.#rowOf(id));
    for (const { row, start, partial } of openWindowsOf(open)) {
      const at = row * table.width;
      const { values } = table;
      values[at + newest] = this.#open.restore(values[at + newest] ?? noWindow, start, partial);
      values[at + oldestStart] = Math.min(values[at + oldestStart] ?? 0, start);
      this.#idle.restore(at);
    }
  }
}
