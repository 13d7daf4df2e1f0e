/** Building and reordering columns without an object per reading. */
import { flagText, type ReadingColumns } from '@fogline/shared/reading';

/** Rows beyond this many would make a sort key inexact; commits are cut far below. */
const rowsPerSortMax = 1 << 20;
/** Counting pays while there are not many more ids between the first and the last than rows. */
const seriesPerRowMax = 4;

export const noReadings: ReadingColumns = {
  count: 0,
  series: new Uint32Array(0),
  time: new Float64Array(0),
  value: new Float64Array(0),
  flags: new Uint8Array(0),
  strings: [],
};

/** Growing columns; `take` hands out what was gathered in canonical order and starts anew. */
export class ColumnBuilder {
  #count = 0;
  #series = new Uint32Array(256);
  #time = new Float64Array(256);
  #value = new Float64Array(256);
  #flags = new Uint8Array(256);
  #strings: string[] = [];
  #stringIds = new Map<string, number>();
  #textCharacters = 0;

  get count(): number {
    return this.#count;
  }

  /** Roughly what the rows take in memory. */
  get bytes(): number {
    return this.#count * 21 + this.#textCharacters * 2;
  }

  push(series: number, time: number, value: number, flags: number): void {
    if (this.#count === this.#series.length) this.#grow();
    const at = this.#count++;
    this.#series[at] = series;
    this.#time[at] = time;
    this.#value[at] = value;
    this.#flags[at] = flags;
  }

  pushText(series: number, time: number, text: string, flags: number): void {
    let id = this.#stringIds.get(text);
    if (id === undefined) {
      id = this.#strings.length;
      this.#strings.push(text);
      this.#stringIds.set(text, id);
      this.#textCharacters += text.length;
    }
    this.push(series, time, id, flags | flagText);
  }

  /** Rows [from, to) of other columns. */
  pushRows({ series, time, value, flags, strings }: ReadingColumns, from: number, to: number): void {
    for (let row = from; row < to; row++) {
      const rowFlags = flags[row] ?? 0;
      const rowValue = value[row] ?? 0;
      if ((rowFlags & flagText) === 0) this.push(series[row] ?? 0, time[row] ?? 0, rowValue, rowFlags);
      else this.pushText(series[row] ?? 0, time[row] ?? 0, strings[rowValue] ?? '', rowFlags);
    }
  }

  take(): ReadingColumns {
    if (this.#count === 0) return noReadings;
    const columns = canonical({
      count: this.#count,
      series: this.#series.subarray(0, this.#count),
      time: this.#time.subarray(0, this.#count),
      value: this.#value.subarray(0, this.#count),
      flags: this.#flags.subarray(0, this.#count),
      strings: this.#strings,
    });
    this.#count = 0;
    if (this.#strings.length > 0) {
      this.#strings = [];
      this.#stringIds = new Map();
      this.#textCharacters = 0;
    }
    return columns;
  }

  #grow(): void {
    const length = this.#series.length * 2;
    this.#series = grown(this.#series, new Uint32Array(length));
    this.#time = grown(this.#time, new Float64Array(length));
    this.#value = grown(this.#value, new Float64Array(length));
    this.#flags = grown(this.#flags, new Uint8Array(length));
  }
}

/** `to` with what is in `from`. */
export function grown<T extends Int32Array | Uint32Array | Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Stable order by series, in arrays of its own; the input may be a view of scratch memory. */
export function canonical(columns: ReadingColumns): ReadingColumns {
  const { count, series, time, value, flags } = columns;
  if (count > rowsPerSortMax) throw new RangeError(`${count} rows in one sort, at most ${rowsPerSortMax}`);
  let isSorted = true;
  for (let i = 1; i < count && isSorted; i++) isSorted = (series[i - 1] ?? 0) <= (series[i] ?? 0);
  if (isSorted) {
    return {
      ...columns,
      series: series.slice(0, count),
      time: time.slice(0, count),
      value: value.slice(0, count),
      flags: flags.slice(0, count),
    };
  }
  const rows = rowsInOrder(series, count);
  const out = {
    count,
    series: new Uint32Array(count),
    time: new Float64Array(count),
    value: new Float64Array(count),
    flags: new Uint8Array(count),
    strings: columns.strings,
  };
  for (let i = 0; i < count; i++) {
    const row = rows[i] ?? 0;
    out.series[i] = series[row] ?? 0;
    out.time[i] = time[row] ?? 0;
    out.value[i] = value[row] ?? 0;
    out.flags[i] = flags[row] ?? 0;
  }
  return out;
}

/** Row numbers by series, stable. */
function rowsInOrder(series: Uint32Array, count: number): Uint32Array {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (let i = 0; i < count; i++) {
    const id = series[i] as number;
    if (id < low) low = id;
    if (id > high) high = id;
  }
  return high - low < count * seriesPerRowMax ? byCounting(series, count, low, high) : bySorting(series, count);
}

/** Ids that lie close together: by counting, in one pass over the rows and one over the ids. */
function byCounting(series: Uint32Array, count: number, low: number, high: number): Uint32Array {
  const at = new Uint32Array(high - low + 2);
  for (let i = 0; i < count; i++) at[(series[i] as number) - low + 1] = (at[(series[i] as number) - low + 1] ?? 0) + 1;
  for (let id = 1; id < at.length; id++) at[id] = (at[id] ?? 0) + (at[id - 1] ?? 0);
  const rows = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const id = (series[i] as number) - low;
    const to = at[id] as number;
    at[id] = to + 1;
    rows[to] = i;
  }
  return rows;
}

/** series · 2^20 + row is exact below 2^53 and sorts natively, stable by construction. */
function bySorting(series: Uint32Array, count: number): Uint32Array {
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = (series[i] ?? 0) * rowsPerSortMax + i;
  keys.sort();
  return Uint32Array.from(keys, (key) => key % rowsPerSortMax);
}

/** Rows of `first`, then those of `second`, whose series are all above. */
export function joined(first: ReadingColumns, second: ReadingColumns): ReadingColumns {
  if (second.count === 0) return first;
  if (first.count === 0) return second;
  const count = first.count + second.count;
  const value = new Float64Array(count);
  value.set(first.value.subarray(0, first.count));
  for (let row = 0; row < second.count; row++) {
    const shift = ((second.flags[row] ?? 0) & flagText) === 0 ? 0 : first.strings.length;
    value[first.count + row] = (second.value[row] ?? 0) + shift;
  }
  return {
    count,
    series: appended(first.series, second.series, first.count, new Uint32Array(count)),
    time: appended(first.time, second.time, first.count, new Float64Array(count)),
    value,
    flags: appended(first.flags, second.flags, first.count, new Uint8Array(count)),
    strings: second.strings.length === 0 ? first.strings : [...first.strings, ...second.strings],
  };
}

function appended<T extends Uint32Array | Float64Array | Uint8Array>(first: T, second: T, count: number, to: T): T {
  to.set(first.subarray(0, count));
  to.set(second.subarray(0, to.length - count), count);
  return to;
}

/** Index of the first row after `from` that belongs to another series. */
export function runEnd(series: Uint32Array, from: number, count: number): number {
  const id = series[from];
  let end = from + 1;
  while (end < count && series[end] === id) end++;
  return end;
}

const msPerHour = 3_600_000;

/** Of one list of hours. */
const hoursMax = 1000;

/** Items per event hour, flat [hour, items, …] in ascending order; what exceeds `hoursMax` is under hour −1. `items` of each row, else 1. */
export function hoursOf(time: Float64Array, count: number, items?: Float64Array): number[] {
  const perHour = new Map<number, number>();
  let from = 0;
  while (from < count) {
    const hour = Math.floor((time[from] ?? 0) / msPerHour);
    const until = (hour + 1) * msPerHour;
    const since = hour * msPerHour;
    let to = from + 1;
    while (to < count && (time[to] ?? 0) >= since && (time[to] ?? 0) < until) to++;
    const key = perHour.has(hour) || perHour.size < hoursMax - 1 ? hour : -1;
    let sum = items === undefined ? to - from : 0;
    if (items !== undefined) for (let row = from; row < to; row++) sum += items[row] ?? 0;
    perHour.set(key, (perHour.get(key) ?? 0) + sum);
    from = to;
  }
  return [...perHour].sort((a, b) => a[0] - b[0]).flat();
}
