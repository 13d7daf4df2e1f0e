/** Real values where the data sets are there, else synthetic ones; the output of a benchmark says which. */
import { existsSync, readFileSync } from 'node:fs';

const dataFolder = new URL('../../../shared/data/', import.meta.url);
const hundredthsMin = -9_999;
const hundredthsMax = 99_999;

/** CSV with a header; columns by name, all but the first when there are none. */
const files = {
  intel_lab_30s: { file: 'intel_lab_30s/intel_temperature_30s_52motes.csv', columns: [] },
  wind_farm: { file: 'wind_farm/wind.csv', columns: ['ture_w_speed', 'pred_temp', 'pred_humidity', 'pred_w_speed'] },
  uci_air_quality: { file: 'uci_air_quality/air_quality_rounded.csv', columns: ['T', 'RH', 'C6H6(GT)', 'CO(GT)'] },
} as const;

export type DataSet = keyof typeof files;
export const threeDataSets = Object.keys(files) as DataSet[];

export interface Values {
  readonly source: string;
  /** One column a device, those of the data sets in turn; in hundredths, from -99.99 to 999.99. */
  readonly columns: readonly Int32Array[];
}

export function readValues(names: readonly DataSet[] = ['intel_lab_30s']): Values {
  if (names.some((name) => !existsSync(new URL(files[name].file, dataFolder)))) return synthetic();
  const sets = names.map(readColumns);
  const widest = Math.max(...sets.map(({ length }) => length));
  const columns = Array.from({ length: widest }, (_, at) => sets.map((set) => set[at % set.length] as Int32Array));
  return { source: `${names.join(', ')}: real values, sent faster than they were taken`, columns: columns.flat() };
}

function readColumns(name: DataSet): Int32Array[] {
  const { file, columns } = files[name];
  const [header = [], ...rows] = readFileSync(new URL(file, dataFolder), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(','));
  const wanted = columns.length === 0 ? header.slice(1) : columns;
  return wanted.map((column) => {
    const at = header.indexOf(column);
    if (at < 0) throw new Error(`${file} has no column ${column}`);
    const cells = rows.map((row) => row[at] ?? '').filter((cell) => cell !== '');
    const values = Int32Array.from(cells, (cell) => Math.round(Number(cell) * 100));
    if (values.some((value) => value < hundredthsMin || value > hundredthsMax)) {
      throw new RangeError(`${file}: ${column} does not fit the messages of the load`);
    }
    return values;
  });
}

function synthetic(): Values {
  const columns = Array.from({ length: 52 }, (_, mote) =>
    Int32Array.from({ length: 14_400 }, (_, row) => Math.round(2000 + 300 * Math.sin(row / 400 + mote))),
  );
  return { source: 'synthetic sine (../shared/data is absent)', columns };
}
