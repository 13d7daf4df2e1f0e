/**
 * The open windows of all series. A young window is its readings themselves, in chunks of one arena, for most windows hold few; the partial
 * is made when it closes, or when it outgrows its chunks. The windows of a series hang together from the newest to the oldest.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { grown } from './columns.ts';
import type { WindowBuilder } from './window-builder.ts';

/** Readings of a window that wait in chunks. */
const waitingMax = 16;
const chunkRows = 4;
const placesMin = 8;

/** No window, and no chunk. */
export const noWindow = -1;

export class OpenWindows {
  readonly #hasSketch: boolean;
  #start = new Float64Array(placesMin);
  /** Readings in chunks. */
  #waiting = new Uint8Array(placesMin);
  /** The chunk that is being filled; those before it are full. */
  #chunk = new Int32Array(placesMin);
  /** The next older window of the series, or the next free place. */
  #older = new Int32Array(placesMin);
  #free = noWindow;
  #used = 0;
  /** What chunks could not hold. */
  readonly #partials: (Partial | undefined)[] = [];

  /** Milliseconds after the start of the window. */
  #offset = new Uint32Array(placesMin * chunkRows);
  #value = new Float64Array(placesMin * chunkRows);
  /** The chunk before it, or the next free one. */
  #before = new Int32Array(placesMin);
  #freeChunk = noWindow;
  #usedChunks = 0;

  /** The readings of one window, or of several one after the other, each in the order in which they came. */
  #rowTime = new Float64Array(waitingMax);
  #rowValue = new Float64Array(waitingMax);

  constructor(hasSketch: boolean) {
    this.#hasSketch = hasSketch;
  }

  startOf(window: number): number {
    return this.#start[window] ?? 0;
  }

  olderThan(window: number): number {
    return this.#older[window] ?? noWindow;
  }

  /**
   * Adds rows [from, to) to the window of a series that begins at `start`, found or made; `newest` is the series' newest window.
   * Returns the newest. Windows are narrower than 2^32 ms.
   */
  add(newest: number, start: number, time: Float64Array, value: Float64Array, from: number, to: number): number {
    let newer = noWindow;
    let at = newest;
    while (at !== noWindow && (this.#start[at] ?? 0) > start) {
      newer = at;
      at = this.#older[at] ?? noWindow;
    }
    if (at !== noWindow && this.#start[at] === start) {
      this.#put(at, time, value, from, to);
      return newest;
    }
    const made = this.#make(start, at);
    if (newer !== noWindow) this.#older[newer] = made;
    this.#put(made, time, value, from, to);
    return newer === noWindow ? made : newest;
  }

  /** A window that was saved, as the newest of its series. */
  restore(newest: number, start: number, partial: Partial): number {
    const made = this.#make(start, newest);
    this.#partials[made] = partial;
    return made;
  }

  /** Emits a window and frees its place. */
  close(window: number, series: number, closed: WindowBuilder): void {
    const partial = this.#partials[window];
    const to = this.#gather(window);
    const start = this.startOf(window);
    if (partial === undefined) {
      const columns = { time: this.#rowTime, value: this.#rowValue };
      closed.addRows({ series, start, isDelta: false, columns, from: 0, to, hasSketch: this.#hasSketch });
    } else {
      partial.addColumns(this.#rowTime, this.#rowValue, 0, to);
      closed.add(series, start, partial);
    }
    this.free(window);
  }

  /** Gives the place of a window that its series no longer has to another. */
  free(window: number): void {
    this.#freeChunks(window);
    this.#partials[window] = undefined;
    this.#older[window] = this.#free;
    this.#free = window;
  }

  /** Removes all older than `window` from its series; they were closed. */
  cutAfter(window: number): void {
    this.#older[window] = noWindow;
  }

  /** What a window holds; it stays as it is. */
  partialOf(window: number): Partial {
    const partial = Partial.empty({ sketch: this.#hasSketch });
    const held = this.#partials[window];
    if (held !== undefined) partial.merge(held);
    partial.addColumns(this.#rowTime, this.#rowValue, 0, this.#gather(window));
    return partial;
  }

  /** What those windows of a series hold together that begin in [from, to); they stay as they are. */
  partialOver(newest: number, from: number, to: number): Partial {
    const partial = Partial.empty({ sketch: this.#hasSketch });
    let rows = 0;
    for (let window = newest; window !== noWindow; window = this.#older[window] ?? noWindow) {
      const start = this.startOf(window);
      if (start >= to) continue;
      if (start < from) break;
      const held = this.#partials[window];
      if (held !== undefined) partial.merge(held);
      rows += this.#gather(window, rows);
    }
    // At once: a partial absorbs many readings of a column for the price of a few.
    partial.addColumns(this.#rowTime, this.#rowValue, 0, rows);
    return partial;
  }

  #make(start: number, older: number): number {
    let window = this.#free;
    if (window === noWindow) {
      if (this.#used === this.#start.length) this.#growPlaces();
      window = this.#used++;
    } else {
      this.#free = this.#older[window] ?? noWindow;
    }
    this.#start[window] = start;
    this.#waiting[window] = 0;
    this.#chunk[window] = noWindow;
    this.#older[window] = older;
    return window;
  }

  #put(window: number, time: Float64Array, value: Float64Array, from: number, to: number): void {
    let waiting = this.#waiting[window] ?? 0;
    if (waiting + to - from > waitingMax) {
      const partial = (this.#partials[window] ??= Partial.empty({ sketch: this.#hasSketch }));
      partial.addColumns(this.#rowTime, this.#rowValue, 0, this.#gather(window));
      partial.addColumns(time, value, from, to);
      this.#freeChunks(window);
      return;
    }
    const start = this.startOf(window);
    for (let row = from; row < to; row++, waiting++) {
      if (waiting % chunkRows === 0) this.#chunk[window] = this.#makeChunk(this.#chunk[window] ?? noWindow);
      const at = (this.#chunk[window] ?? 0) * chunkRows + (waiting % chunkRows);
      this.#offset[at] = (time[row] ?? 0) - start;
      this.#value[at] = value[row] ?? 0;
    }
    this.#waiting[window] = waiting;
  }

  /** Brings the readings that wait into `#rowTime` and `#rowValue` from place `to` on; returns how many there are. */
  #gather(window: number, to = 0): number {
    const waiting = this.#waiting[window] ?? 0;
    const start = this.startOf(window);
    if (to + waiting > this.#rowTime.length) {
      this.#rowTime = grown(this.#rowTime, new Float64Array(2 * (to + waiting)));
      this.#rowValue = grown(this.#rowValue, new Float64Array(2 * (to + waiting)));
    }
    let chunk = this.#chunk[window] ?? noWindow;
    for (let row = waiting - 1; row >= 0; row--) {
      const at = chunk * chunkRows + (row % chunkRows);
      this.#rowTime[to + row] = start + (this.#offset[at] ?? 0);
      this.#rowValue[to + row] = this.#value[at] ?? 0;
      if (row % chunkRows === 0) chunk = this.#before[chunk] ?? noWindow;
    }
    return waiting;
  }

  #makeChunk(before: number): number {
    let chunk = this.#freeChunk;
    if (chunk === noWindow) {
      if (this.#usedChunks === this.#before.length) this.#growChunks();
      chunk = this.#usedChunks++;
    } else {
      this.#freeChunk = this.#before[chunk] ?? noWindow;
    }
    this.#before[chunk] = before;
    return chunk;
  }

  #freeChunks(window: number): void {
    for (let chunk = this.#chunk[window] ?? noWindow; chunk !== noWindow; ) {
      const before = this.#before[chunk] ?? noWindow;
      this.#before[chunk] = this.#freeChunk;
      this.#freeChunk = chunk;
      chunk = before;
    }
    this.#chunk[window] = noWindow;
    this.#waiting[window] = 0;
  }

  #growPlaces(): void {
    const places = longer(this.#start.length);
    this.#start = grown(this.#start, new Float64Array(places));
    this.#waiting = grown(this.#waiting, new Uint8Array(places));
    this.#chunk = grown(this.#chunk, new Int32Array(places));
    this.#older = grown(this.#older, new Int32Array(places));
  }

  #growChunks(): void {
    const chunks = longer(this.#before.length);
    this.#offset = grown(this.#offset, new Uint32Array(chunks * chunkRows));
    this.#value = grown(this.#value, new Float64Array(chunks * chunkRows));
    this.#before = grown(this.#before, new Int32Array(chunks));
  }
}

/** By half: with many series what lies idle is most of the memory. */
function longer(length: number): number {
  return Math.ceil(length * 1.5);
}
