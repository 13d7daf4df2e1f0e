/** The readings of one series in one commit that enter windows: neither bad nor text, ascending by time. */
import { flagQualityMask, flagText, quality, type ReadingColumns } from '@fogline/shared/reading';

export class WindowRows {
  time: Float64Array = new Float64Array(0);
  value: Float64Array = new Float64Array(0);
  /** Rows [from, to) of `time` and `value`, valid until the next `take`. */
  from = 0;
  to = 0;

  /** Rows [first, end) of the columns, of one series; the columns themselves where they are so already. */
  take({ time, value, flags }: ReadingColumns, first: number, end: number): void {
    if (isReady(time, flags, first, end)) {
      this.time = time;
      this.value = value;
      this.from = first;
      this.to = end;
      return;
    }
    const order: number[] = [];
    for (let row = first; row < end; row++) if (isWindowed(flags[row] ?? 0)) order.push(row);
    order.sort((a, b) => (time[a] ?? 0) - (time[b] ?? 0));
    this.time = Float64Array.from(order, (row) => time[row] ?? 0);
    this.value = Float64Array.from(order, (row) => value[row] ?? 0);
    this.from = 0;
    this.to = order.length;
  }
}

function isReady(time: Float64Array, flags: Uint8Array, first: number, end: number): boolean {
  for (let row = first; row < end; row++) {
    if (!isWindowed(flags[row] ?? 0) || (row > first && (time[row - 1] ?? 0) > (time[row] ?? 0))) return false;
  }
  return true;
}

function isWindowed(flags: number): boolean {
  return (flags & flagText) === 0 && (flags & flagQualityMask) !== quality.bad;
}
