/** Every series of numbers in the CSV files of the shared data folder, for properties that must hold on real readings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dataFolder = fileURLToPath(new URL('../../../../../shared/data/', import.meta.url));
export const hasData = existsSync(dataFolder);

export interface DataSeries {
  readonly name: string;
  /** Integer ms; the number of the row where a file has no times. */
  readonly time: Float64Array;
  readonly value: Float64Array;
}

export function csvFiles(): string[] {
  return readdirSync(dataFolder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.csv'))
    .sort();
}

/** One for each column of numbers; where rows belong to nodes, one for each node. */
export function seriesOf(file: string): DataSeries[] {
  const lines = readFileSync(`${dataFolder}${file}`, 'utf8').split('\n');
  const head = (lines[0] ?? '').split(',');
  const node = head.indexOf('node');
  const byNode = new Map<string, { time: number[]; value: number[] }[]>();
  lines.forEach((line, index) => {
    const cells = line.split(',');
    const time = timeOf(cells) ?? index;
    const name = node < 0 ? '' : ` of node ${cells[node]}`;
    let columns = byNode.get(name);
    if (columns === undefined) byNode.set(name, (columns = []));
    for (let column = 0; column < cells.length; column++) {
      const value = Number.parseFloat(cells[column] ?? '');
      if (!Number.isFinite(value)) continue;
      const series = (columns[column] ??= { time: [], value: [] });
      series.time.push(time);
      series.value.push(value);
    }
  });
  return [...byNode].flatMap(([name, columns]) =>
    [...columns.entries()].flatMap(([column, series]) => {
      if (series === undefined) return [];
      const { time, value } = series;
      const title = `${file} ${head[column] ?? column}${name}`;
      return [{ name: title, time: Float64Array.from(time), value: Float64Array.from(value) }];
    }),
  );
}

/** `2020-01-01T…`, `2020/1/1 0:00`, or milliseconds, in the first cell. */
function timeOf(cells: readonly string[]): number | undefined {
  const first = (cells[0] ?? '').trim();
  if (cells.length < 2) return undefined;
  if (/^\d{12,13}$/.test(first)) return Number(first);
  const time = /^\d{4}[-/]/.test(first)
    ? Date.parse(`${first.replaceAll('/', '-').replace('T', ' ')} UTC`)
    : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
