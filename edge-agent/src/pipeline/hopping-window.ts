/**
 * Hopping windows: [start, start + width) for every multiple `start` of `everyMs`, in event time; the width is a multiple of it, too. They overlap, so their partials could not be
 * added up: each aggregate of a window is a reading, of a series of its own (`temperature.mean`), at the start of the window, sampling
 * `subset`. A window closes as a tumbling one does (tumbling-window.ts), idle time being its width + lateness.
 *
 * What comes after all windows that hold it closed changes nothing and is counted `late`; what comes after some did is in the others.
 * `bad` readings and text enter no window.
 */

import { readAggregate } from '@fogline/shared/aggregate/names';
import { flagText, type ReadingColumns, type SeriesDefinition } from '@fogline/shared/reading';
import type { HoppingConfig } from '../core-config.ts';
import { ColumnBuilder, grown, runEnd } from './columns.ts';
import { addDrop } from './drops.ts';
import { IdleSeries } from './idle-series.ts';
import { noWindow, OpenWindows } from './open-windows.ts';
import type { Items, Operator, SeriesView } from './operator.ts';
import { openWindowsOf, SavedWindows } from './saved-windows.ts';
import { type SavedTable, SeriesTable } from './series-table.ts';
import { bytesOf, idsOf, packState, unpackState } from './state-bytes.ts';
import { WindowRows } from './window-rows.ts';

const stateVersion = 2;

/** Largest event time seen. */
const maxTime = 0;
/** Windows ending at or before this are closed. */
const closedUntil = 1;
const seenAt = 2;
const savedFields = 3;
/** Place of the newest pane: the readings of one `everyMs`, from which windows are put together. */
const newest = 3;
/** Start of the oldest pane; infinite when there is none. */
const oldestStart = 4;
const derivedFields = 2;

export class HoppingWindow implements Operator {
  readonly #everyMs: number;
  readonly #widthMs: number;
  readonly #latenessMs: number;
  readonly #compute: readonly string[];
  readonly #view: SeriesView;
  readonly #series = new SeriesTable({ saved: savedFields, derived: derivedFields });
  readonly #panes: OpenWindows;
  /** Virtual series by row and aggregate, 0 = none yet. */
  #virtual = new Uint32Array(0);
  readonly #idle: IdleSeries;
  readonly #rows = new WindowRows();
  readonly #out = new ColumnBuilder();
  readonly drops = new Map<string, number>();

  constructor({ everyMs, widthMs, latenessMs, hasSketch, compute }: HoppingConfig, view: SeriesView) {
    this.#everyMs = everyMs;
    this.#widthMs = widthMs;
    this.#latenessMs = latenessMs;
    this.#idle = new IdleSeries(this.#series, seenAt, widthMs + latenessMs);
    this.#compute = compute;
    this.#view = view;
    this.#panes = new OpenWindows(hasSketch);
  }

  describe(definition: SeriesDefinition): SeriesDefinition {
    return definition;
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
    return { kind: 'readings', columns: this.#out.take() };
  }

  tick(now: number): Items | undefined {
    const isOpen = (at: number): boolean => this.#series.values[at + newest] !== noWindow;
    this.#idle.tick(now, isOpen, (at, id) => this.#close(at, id, Number.POSITIVE_INFINITY));
    return this.#out.count === 0 ? undefined : { kind: 'readings', columns: this.#out.take() };
  }

  dueAt(now: number): number | undefined {
    return this.#idle.dueAt(now);
  }

  /** Windows that are open come out as they stand. */
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
    for (let from = rows.from; from < to; ) {
      const start = Math.floor((time[from] ?? 0) / this.#everyMs) * this.#everyMs;
      let next = from + 1;
      while (next < to && (time[next] ?? 0) < start + this.#everyMs) next++;
      if (start + this.#widthMs <= (values[at + closedUntil] ?? 0)) addDrop(this.drops, 'late', next - from);
      else {
        values[at + newest] = this.#panes.add(values[at + newest] ?? noWindow, start, time, value, from, next);
        if (start < (values[at + oldestStart] ?? 0)) values[at + oldestStart] = start;
      }
      from = next;
    }
    this.#close(at, id, (values[at + maxTime] ?? 0) - this.#latenessMs);
  }

  /** Closes every window that ends at or before the watermark and is not closed, oldest first. */
  #close(at: number, id: number, watermark: number): void {
    const { values } = this.#series;
    const passed = Math.floor(watermark / this.#everyMs) * this.#everyMs;
    let end = values[at + closedUntil] ?? 0;
    for (;;) {
      const oldest = values[at + oldestStart] ?? Number.POSITIVE_INFINITY;
      const next = Math.max(end, oldest) + this.#everyMs;
      if (oldest === Number.POSITIVE_INFINITY || next > watermark) break;
      end = next;
      this.#emit(at, id, end - this.#widthMs, end);
      // No later window holds them.
      this.#dropPanes(at, end - this.#widthMs + this.#everyMs);
    }
    values[at + closedUntil] = Math.max(end, Number.isFinite(passed) ? passed : end);
  }

  /** Emits the aggregates of window [start, end). */
  #emit(at: number, id: number, start: number, end: number): void {
    const partial = this.#panes.partialOver(this.#series.values[at + newest] ?? noWindow, start, end);
    const row = at / this.#series.width;
    for (let index = 0; index < this.#compute.length; index++) {
      const value = readAggregate(this.#compute[index] ?? 'count', partial);
      if (Number.isFinite(value)) this.#out.push(this.#seriesOf(row, id, index), start, value, 0);
      else addDrop(this.drops, 'not_finite');
    }
  }

  /** Drops the panes that begin before `start`. */
  #dropPanes(at: number, start: number): void {
    const { values } = this.#series;
    if ((values[at + oldestStart] ?? 0) >= start) return;
    let kept = noWindow;
    let pane = values[at + newest] ?? noWindow;
    while (pane !== noWindow && this.#panes.startOf(pane) >= start) {
      kept = pane;
      pane = this.#panes.olderThan(pane);
    }
    if (kept === noWindow) values[at + newest] = noWindow;
    else this.#panes.cutAfter(kept);
    values[at + oldestStart] = kept === noWindow ? Number.POSITIVE_INFINITY : this.#panes.startOf(kept);
    while (pane !== noWindow) {
      const older = this.#panes.olderThan(pane);
      this.#panes.free(pane);
      pane = older;
    }
  }

  #seriesOf(row: number, id: number, index: number): number {
    const place = row * this.#compute.length + index;
    const known = this.#virtual[place] ?? 0;
    if (known > 0) return known;
    const series = this.#view.define(this.#definitionOf(id, index));
    this.#keep(place, series);
    return series;
  }

  #keep(place: number, series: number): void {
    if (place >= this.#virtual.length)
      this.#virtual = grown(this.#virtual, new Uint32Array(Math.max(place + 1, this.#virtual.length * 2)));
    this.#virtual[place] = series;
  }

  #definitionOf(id: number, index: number): SeriesDefinition {
    const aggregate = this.#compute[index] ?? 'count';
    const definition = this.#view.definitionOf(id);
    return {
      ...definition,
      metric: `${definition.metric}.${aggregate}`,
      unit: aggregate === 'count' ? '' : definition.unit,
      type: 'number',
      sampling: 'subset',
      holdMs: 0,
    };
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
    const panes = new SavedWindows(this.#panes);
    for (let row = 0; row < table.count; row++) panes.add(row, table.values[row * table.width + newest] ?? noWindow);
    const virtual = this.#virtual.slice(0, table.count * this.#compute.length);
    return packState(stateVersion, table.save(), panes.blocks(), bytesOf(virtual));
  }

  restore(saved: Uint8Array): void {
    type Saved = [SavedTable, Uint8Array[], Uint8Array];
    const [series, panes, virtual] = unpackState(saved, stateVersion) as Saved;
    const table = this.#series;
    table.restore(series, (id) => this.#rowOf(id));
    for (const { row, start, partial } of openWindowsOf(panes)) {
      const at = row * table.width;
      const { values } = table;
      values[at + newest] = this.#panes.restore(values[at + newest] ?? noWindow, start, partial);
      values[at + oldestStart] = Math.min(values[at + oldestStart] ?? 0, start);
      this.#idle.restore(at);
    }
    idsOf(virtual).forEach((id, place) => {
      if (id === 0) return;
      const row = Math.floor(place / this.#compute.length);
      this.#view.redefine(id, this.#definitionOf(table.idAt(row), place % this.#compute.length));
      this.#keep(place, id);
    });
  }
}
