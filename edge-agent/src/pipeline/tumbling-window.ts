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
  type WindowColumns,
} from '@fogline/shared/reading';
import { Packr } from 'msgpackr';
import type { WindowConfig } from '../core-config.ts';
import { runEnd } from './columns.ts';
import type { Items, Operator, SeriesRegistry } from './operator.ts';

const stateVersion = 1;
const packr = new Packr({ useRecords: false });

interface SeriesState {
  readonly output: number;
  /** Largest event time seen. */
  maxTime: number;
  /** Windows ending at or before this are closed. */
  closedUntil: number;
  /** `now` of the last commit that brought a reading. */
  seenAt: number;
  /** Open windows by start. */
  readonly open: Map<number, Partial>;
}

interface Emitted {
  readonly output: number;
  readonly start: number;
  readonly isDelta: boolean;
  readonly partial: Partial;
}

export class TumblingWindow implements Operator {
  readonly #config: WindowConfig;
  readonly #stream: string;
  readonly #registry: SeriesRegistry;
  readonly #series = new Map<number, SeriesState>();
  /** Series with open windows. */
  readonly #active = new Set<SeriesState>();

  constructor(config: WindowConfig, stream: string, registry: SeriesRegistry) {
    this.#config = config;
    this.#stream = stream;
    this.#registry = registry;
  }

  process(columns: ReadingColumns, now: number): Items {
    const emitted: Emitted[] = [];
    for (let from = 0; from < columns.count; ) {
      const end = runEnd(columns.series, from, columns.count);
      this.#processRun(columns, from, end, now, emitted);
      from = end;
    }
    return { kind: 'windows', columns: columnsOf(emitted) };
  }

  tick(now: number): Items | undefined {
    const emitted: Emitted[] = [];
    for (const state of this.#active) {
      if (now - state.seenAt >= this.#idleMs) this.#close(state, Number.POSITIVE_INFINITY, emitted);
    }
    return emitted.length === 0 ? undefined : { kind: 'windows', columns: columnsOf(emitted) };
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

  #processRun(columns: ReadingColumns, from: number, end: number, now: number, emitted: Emitted[]): void {
    const { everyMs, latenessMs, hasSketch } = this.#config;
    const { time, value, flags } = columns;
    if (((flags[from] ?? 0) & flagText) !== 0) return;
    const state = this.#stateOf(columns.series[from] ?? 0);
    let deltas: Map<number, Partial> | undefined;
    for (let row = from; row < end; row++) {
      const rowFlags = flags[row] ?? 0;
      if ((rowFlags & flagText) !== 0 || (rowFlags & flagQualityMask) === quality.bad) continue;
      const t = time[row] ?? 0;
      const start = Math.floor(t / everyMs) * everyMs;
      const isLate = start + everyMs <= state.closedUntil;
      if (isLate) deltas ??= new Map();
      const windows = isLate && deltas !== undefined ? deltas : state.open;
      let partial = windows.get(start);
      if (partial === undefined) {
        partial = Partial.empty({ sketch: hasSketch });
        windows.set(start, partial);
      }
      partial.add(t, value[row] ?? 0);
      if (t > state.maxTime) state.maxTime = t;
    }
    state.seenAt = now;
    if (state.open.size > 0) this.#active.add(state);
    if (deltas !== undefined)
      for (const [start, partial] of sorted(deltas))
        emitted.push({ output: state.output, start, isDelta: true, partial });
    this.#close(state, state.maxTime - latenessMs, emitted);
  }

  /** Closes and emits every window that ends at or before the watermark. */
  #close(state: SeriesState, watermark: number, emitted: Emitted[]): void {
    const { everyMs } = this.#config;
    for (const [start, partial] of sorted(state.open)) {
      if (start + everyMs > watermark) break;
      state.open.delete(start);
      state.closedUntil = Math.max(state.closedUntil, start + everyMs);
      emitted.push({ output: state.output, start, isDelta: false, partial });
    }
    if (Number.isFinite(watermark))
      state.closedUntil = Math.max(state.closedUntil, Math.floor(watermark / everyMs) * everyMs);
    if (state.open.size === 0) this.#active.delete(state);
  }

  #stateOf(input: number): SeriesState {
    let state = this.#series.get(input);
    if (state === undefined) {
      const source = this.#registry.definitionOf(input);
      const definition: SeriesDefinition = {
        ...source,
        stream: this.#stream,
        kind: 'window',
        widthMs: this.#config.everyMs,
      };
      const output = this.#registry.idOf(definition);
      state = {
        output,
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
    return packr.pack([stateVersion, rows]);
  }

  restore(saved: Uint8Array): void {
    type Row = [input: number, maxTime: number, closedUntil: number, seenAt: number, open: [number, Uint8Array][]];
    const [version, rows] = packr.unpack(saved) as [number, Row[]];
    if (version !== stateVersion) throw new RangeError(`window state version ${version}, expected ${stateVersion}`);
    for (const [input, maxTime, closedUntil, seenAt, open] of rows) {
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

/** Canonical columns: ascending output series, emission order within. */
function columnsOf(emitted: Emitted[]): WindowColumns {
  emitted.sort((a, b) => a.output - b.output);
  return {
    count: emitted.length,
    series: Uint32Array.from(emitted, (item) => item.output),
    start: Float64Array.from(emitted, (item) => item.start),
    delta: Uint8Array.from(emitted, (item) => (item.isDelta ? 1 : 0)),
    partial: emitted.map((item) => item.partial.encode()),
  };
}
