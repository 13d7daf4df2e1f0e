/**
 * Tumbling windows in event time. Per series: a window [start, start + everyMs) closes when the watermark (largest event
 * time seen − lateness) reaches its end, or when the series has been idle in processing time for everyMs + lateness. A
 * device that backfills moves only its own watermark. Readings of a closed window are late: the late readings of one
 * commit form one delta partial per (series, window), to be merged, never a replacement. So window plus deltas equals the
 * aggregate over all readings, however they were split, reordered or interrupted.
 *
 * `bad` readings and text enter no window.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
} from '@fogline/shared/reading';
import type { WindowConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import type { Items, Operator } from './operator.ts';
import { packState, unpackState } from './operator-state.ts';
import { WindowBuilder } from './window-builder.ts';

const stateVersion = 1;

interface SeriesState {
  readonly series: number;
  /** Largest event time seen. */
  maxTime: number;
  /** Windows ending at or before this are closed. */
  closedUntil: number;
  /** `now` of the last commit that brought a reading. */
  seenAt: number;
  /** Open windows by start. */
  readonly open: Map<number, Partial>;
}

/** Readings [from, to) of one series, ascending by time. */
interface Rows {
  readonly time: Float64Array;
  readonly value: Float64Array;
  readonly from: number;
  readonly to: number;
}

export class TumblingWindow implements Operator {
  readonly #config: WindowConfig;
  readonly #series = new Map<number, SeriesState>();
  /** Series with open windows. */
  readonly #active = new Set<SeriesState>();
  readonly #closed = new WindowBuilder();

  readonly drops = new Map<string, number>();

  constructor(config: WindowConfig) {
    this.#config = config;
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return { ...definition, kind: 'window', widthMs: this.#config.everyMs };
  }

  process(columns: ReadingColumns, now: number): Items {
    for (let from = 0; from < columns.count; ) {
      const end = runEnd(columns.series, from, columns.count);
      if (((columns.flags[from] ?? 0) & flagText) === 0) this.#processRun(columns, from, end, now);
      else addDrop(this.drops, 'text', end - from);
      from = end;
    }
    return { kind: 'windows', columns: this.#closed.take() };
  }

  tick(now: number): Items | undefined {
    for (const state of this.#active) {
      if (now - state.seenAt >= this.#idleMs) this.#close(state, Number.POSITIVE_INFINITY);
    }
    return this.#closed.count === 0 ? undefined : { kind: 'windows', columns: this.#closed.take() };
  }

  dueAt(): number | undefined {
    let due: number | undefined;
    for (const state of this.#active) due = Math.min(due ?? Number.POSITIVE_INFINITY, state.seenAt + this.#idleMs);
    return due;
  }

  drain(): Items | undefined {
    return this.tick(Number.POSITIVE_INFINITY);
  }

  get #idleMs(): number {
    return this.#config.everyMs + this.#config.latenessMs;
  }

  /** The readings of one series in one commit. */
  #processRun(columns: ReadingColumns, first: number, end: number, now: number): void {
    const { everyMs, latenessMs } = this.#config;
    const state = this.#stateOf(columns.series[first] ?? 0);
    const rows = rowsByTime(columns, first, end);
    const { time, to } = rows;
    addDrop(this.drops, 'bad', end - first - (to - rows.from));
    if (to > rows.from) state.maxTime = Math.max(state.maxTime, time[to - 1] ?? 0);
    const watermark = state.maxTime - latenessMs;
    for (let from = rows.from; from < to; ) {
      const start = Math.floor((time[from] ?? 0) / everyMs) * everyMs;
      let next = from + 1;
      while (next < to && Math.floor((time[next] ?? 0) / everyMs) * everyMs === start) next++;
      this.#take(state, { ...rows, from, to: next }, start, watermark);
      from = next;
    }
    state.seenAt = now;
    if (state.open.size > 0) this.#active.add(state);
    this.#close(state, watermark);
  }

  /** Adds all readings that one commit has of one window; windows of a series come in ascending order. */
  #take(state: SeriesState, rows: Rows, start: number, watermark: number): void {
    const { everyMs, hasSketch } = this.#config;
    const end = start + everyMs;
    const isDelta = end <= state.closedUntil;
    const isWhole = !isDelta && end <= watermark;
    // Those before it come out before it.
    if (isWhole) this.#emit(state, start);
    const open = isDelta ? undefined : state.open.get(start);
    if (open !== undefined) {
      open.addColumns(rows.time, rows.value, rows.from, rows.to);
    } else if (isDelta || isWhole) {
      const { from, to } = rows;
      this.#closed.addRows({ series: state.series, start, isDelta, columns: rows, from, to, hasSketch });
    } else {
      const partial = Partial.empty({ sketch: hasSketch });
      partial.addColumns(rows.time, rows.value, rows.from, rows.to);
      state.open.set(start, partial);
    }
  }

  /** Closes every window that ends at or before the watermark. */
  #close(state: SeriesState, watermark: number): void {
    const { everyMs } = this.#config;
    const until = this.#emit(state, watermark);
    state.closedUntil = Math.max(state.closedUntil, until);
    if (Number.isFinite(watermark)) {
      state.closedUntil = Math.max(state.closedUntil, Math.floor(watermark / everyMs) * everyMs);
    }
    if (state.open.size === 0) this.#active.delete(state);
  }

  /** Emits the open windows that end at or before `until`; returns the end of the last. */
  #emit(state: SeriesState, until: number): number {
    const { everyMs } = this.#config;
    let last = Number.NEGATIVE_INFINITY;
    if (state.open.size === 0) return last;
    for (const [start, partial] of sorted(state.open)) {
      if (start + everyMs > until) break;
      state.open.delete(start);
      this.#closed.add(state.series, start, partial);
      last = start + everyMs;
    }
    return last;
  }

  #stateOf(input: number): SeriesState {
    let state = this.#series.get(input);
    if (state === undefined) {
      state = {
        series: input,
        maxTime: Number.NEGATIVE_INFINITY,
        closedUntil: Number.NEGATIVE_INFINITY,
        seenAt: 0,
        open: new Map(),
      };
      this.#series.set(input, state);
    }
    return state;
  }

  save(): Uint8Array {
    const rows: unknown[] = [];
    for (const [input, state] of this.#series) {
      const open = sorted(state.open).map(([start, partial]) => [start, partial.encode()]);
      rows.push([input, state.maxTime, state.closedUntil, state.seenAt, open]);
    }
    return packState(stateVersion, rows);
  }

  restore(saved: Uint8Array): void {
    type Row = [input: number, maxTime: number, closedUntil: number, seenAt: number, open: [number, Uint8Array][]];
    for (const [input, maxTime, closedUntil, seenAt, open] of unpackState<Row>('window', stateVersion, saved)) {
      const state = this.#stateOf(input);
      Object.assign(state, { maxTime, closedUntil, seenAt });
      for (const [start, bytes] of open) state.open.set(start, Partial.decode(bytes));
      if (state.open.size > 0) this.#active.add(state);
    }
  }
}

function sorted(windows: Map<number, Partial>): [number, Partial][] {
  return windows.size < 2 ? [...windows] : [...windows].sort((a, b) => a[0] - b[0]);
}

/** The rows of a run that enter windows, ascending by time: the columns themselves where they are so already. */
function rowsByTime({ time, value, flags }: ReadingColumns, from: number, end: number): Rows {
  let isReady = true;
  for (let row = from; row < end && isReady; row++) {
    isReady = isWindowed(flags[row] ?? 0) && (row === from || (time[row - 1] ?? 0) <= (time[row] ?? 0));
  }
  if (isReady) return { time, value, from, to: end };
  const order: number[] = [];
  for (let row = from; row < end; row++) if (isWindowed(flags[row] ?? 0)) order.push(row);
  order.sort((a, b) => (time[a] ?? 0) - (time[b] ?? 0));
  return {
    time: Float64Array.from(order, (row) => time[row] ?? 0),
    value: Float64Array.from(order, (row) => value[row] ?? 0),
    from: 0,
    to: order.length,
  };
}

function isWindowed(flags: number): boolean {
  return (flags & flagText) === 0 && (flags & flagQualityMask) !== quality.bad;
}
