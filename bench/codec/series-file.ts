/** Reads the CSV files of the benchmark: one value per line, `timestamp,value`, or a fleet of many columns. */
import { readFileSync } from 'node:fs';

export interface SeriesFile {
  readonly values: Float64Array;
  /** Integer ms, where the file has them. */
  readonly times: Float64Array | undefined;
}

export interface FleetFile {
  /** One column per series, all of the same length. */
  readonly columns: readonly Float64Array[];
  readonly times: Float64Array;
}

function cellsOf(line: string): string[] {
  return line.split(',').map((cell) => cell.trim().replaceAll('"', ''));
}

/** Milliseconds of an ISO or `YYYY-MM-DD HH:MM:SS` stamp in UTC, or of a number of ms; NaN for anything else. */
function timeOf(cell: string): number {
  if (/^-?\d+(\.\d+)?$/.test(cell)) return Math.round(Number(cell));
  const stamp = cell.replace(' ', 'T').replaceAll('/', '-');
  return Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(stamp) ? stamp : `${stamp}Z`);
}

/** Lines without a finite value (headers, gaps) are left out. */
export function readSeries(path: string): SeriesFile {
  const values: number[] = [];
  const times: number[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const cells = cellsOf(line);
    const text = cells.length > 1 ? cells[1] : cells[0];
    if (text === undefined || text === '') continue;
    const value = Number(text);
    const time = cells.length > 1 ? timeOf(cells[0] as string) : 0;
    if (!Number.isFinite(value) || !Number.isFinite(time)) continue;
    values.push(value);
    if (cells.length > 1) times.push(time);
  }
  return {
    values: Float64Array.from(values),
    times: times.length === values.length ? Float64Array.from(times) : undefined,
  };
}

/** Columns of a file that has more than two: seconds from the start, then one value per series; undefined otherwise. */
export function readFleet(path: string): FleetFile | undefined {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const width = cellsOf(lines[0] ?? '').length;
  if (width < 3) return undefined;
  const rows = lines.slice(1).map((line) => cellsOf(line).map(Number));
  if (!rows.every((row) => row.length === width && row.every(Number.isFinite))) return undefined;
  return {
    times: Float64Array.from(rows, (row) => 1_700_000_000_000 + (row[0] as number) * 1000),
    columns: Array.from({ length: width - 1 }, (_, s) => Float64Array.from(rows, (row) => row[s + 1] as number)),
  };
}
