/**
 * The open windows of all series. A young window is its readings themselves, in one arena, for most windows hold few; the partial is
 * made when it closes, or when it outgrows its place. The windows of a series hang together from the newest to the oldest.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { grown } from './columns.ts';
import type { WindowBuilder } from './window-builder.ts';

/** Readings of a window that wait in the arena. */
const placeRows = 16;
const placesMin = 8;

/** No window. */
export const noWindow = -1;

export class OpenWindows {
  readonly #hasSketch: boolean;
  #time = new Float64Array(placesMin * placeRows);
  #value = new Float64Array(placesMin * placeRows);
  #start = new Float64Array(placesMin);
  #count = new Uint8Array(placesMin);
  /** The next older window of the series, or the next free place. */
  #older = new Int32Array(placesMin);
  /** What a place could not hold. */
  readonly #partials: (Partial | undefined)[] = [];
  #free = noWindow;
  #used = 0;

  constructor(hasSketch: boolean) {
    this.#hasSketch = hasSketch;
  }

  startOf(window: number): number {
    return this.#start[window] ?? 0;
  }

  olderThan(window: number): number {
    return this.#older[window] ?? noWindow;
  }

  /** The window of a series that begins at `start`, found or made; `newest` is the series' newest window. Returns the newest. */
  add(newest: number, start: number, time: Float64Array, value: Float64Array, from: number, to: number): number {
    let newer = noWindow;
    let at = newest;
    while (at !== noWindow && (this.#start[at] ?? 0) > start) {
      newer = at;
      at = this.#older[at] ?? noWindow;
    }
    if (at === noWindow || this.#start[at] !== start) {
      const made = this.#make(start, at);
      if (newer !== noWindow) this.#older[newer] = made;
      this.#put(made, time, value, from, to);
      return newer === noWindow ? made : newest;
    }
    this.#put(at, time, value, from, to);
    return newest;
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
    const from = window * placeRows;
    const to = from + (this.#count[window] ?? 0);
    const start = this.startOf(window);
    if (partial === undefined) {
      const columns = { time: this.#time, value: this.#value };
      closed.addRows({ series, start, isDelta: false, columns, from, to, hasSketch: this.#hasSketch });
    } else {
      partial.addColumns(this.#time, this.#value, from, to);
      closed.add(series, start, partial);
    }
    this.free(window);
  }

  /** Gives the place of a window that its series no longer has to another. */
  free(window: number): void {
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
    const from = window * placeRows;
    partial.addColumns(this.#time, this.#value, from, from + (this.#count[window] ?? 0));
    return partial;
  }

  #make(start: number, older: number): number {
    let window = this.#free;
    if (window === noWindow) {
      if (this.#used === this.#start.length) this.#grow();
      window = this.#used++;
    } else {
      this.#free = this.#older[window] ?? noWindow;
    }
    this.#start[window] = start;
    this.#count[window] = 0;
    this.#older[window] = older;
    return window;
  }

  #put(window: number, time: Float64Array, value: Float64Array, from: number, to: number): void {
    const base = window * placeRows;
    const count = this.#count[window] ?? 0;
    if (count + to - from <= placeRows) {
      for (let row = from, at = base + count; row < to; row++, at++) {
        this.#time[at] = time[row] ?? 0;
        this.#value[at] = value[row] ?? 0;
      }
      this.#count[window] = count + to - from;
      return;
    }
    const partial = (this.#partials[window] ??= Partial.empty({ sketch: this.#hasSketch }));
    partial.addColumns(this.#time, this.#value, base, base + count);
    partial.addColumns(time, value, from, to);
    this.#count[window] = 0;
  }

  #grow(): void {
    const places = this.#start.length * 2;
    this.#time = grown(this.#time, new Float64Array(places * placeRows));
    this.#value = grown(this.#value, new Float64Array(places * placeRows));
    this.#start = grown(this.#start, new Float64Array(places));
    this.#count = grown(this.#count, new Uint8Array(places));
    this.#older = grown(this.#older, new Int32Array(places));
  }
}
