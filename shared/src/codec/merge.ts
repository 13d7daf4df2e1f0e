/**
 * Many blobs → the columns of one: series ascending, rows of one series in blob order. Whole runs of rows are moved, never
 * single readings.
 */
import { invariant } from '../errors.ts';
import { flagText, type ReadingColumns } from '../reading.ts';
import { newColumns } from './columns.ts';
import { readingsLimits } from './limits.ts';

export function mergeColumns(parts: readonly ReadingColumns[]): ReadingColumns {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  let count = 0;
  const rowsOf = new Map<number, number>();
  for (const part of parts) {
    count += part.count;
    forEachRun(part, (series, from, to) => rowsOf.set(series, (rowsOf.get(series) ?? 0) + to - from));
  }
  invariant(count <= readingsLimits.countMax, 'readings: merged count within countMax');
  const columns = newColumns(count, []);
  // Series → the row its next run goes to.
  const cursor = new Map<number, number>();
  let at = 0;
  for (const series of Uint32Array.from(rowsOf.keys()).sort()) {
    const rows = rowsOf.get(series) ?? 0;
    columns.series.fill(series, at, at + rows);
    cursor.set(series, at);
    at += rows;
  }
  const strings = new Map<string, number>();
  for (const part of parts) {
    const indexOf = part.strings.map((text) => {
      const known = strings.get(text);
      if (known !== undefined) return known;
      strings.set(text, strings.size);
      return strings.size - 1;
    });
    const isMoved = indexOf.some((to, from) => to !== from);
    forEachRun(part, (series, from, to) => {
      const start = cursor.get(series) ?? 0;
      columns.time.set(part.time.subarray(from, to), start);
      columns.value.set(part.value.subarray(from, to), start);
      columns.flags.set(part.flags.subarray(from, to), start);
      if (isMoved) moveTexts(columns, start, start + to - from, indexOf);
      cursor.set(series, start + to - from);
    });
  }
  return { ...columns, strings: [...strings.keys()] };
}

function moveTexts(
  columns: { value: Float64Array; flags: Uint8Array },
  from: number,
  to: number,
  indexOf: readonly number[],
): void {
  for (let row = from; row < to; row++) {
    if (((columns.flags[row] as number) & flagText) === 0) continue;
    columns.value[row] = indexOf[columns.value[row] as number] as number;
  }
}

/** Calls back for each run of rows of one series. */
function forEachRun(part: ReadingColumns, visit: (series: number, from: number, to: number) => void): void {
  const { count, series } = part;
  let from = 0;
  for (let row = 1; row <= count; row++) {
    if (row < count && series[row] === series[from]) continue;
    visit(series[from] as number, from, row);
    from = row;
  }
}
