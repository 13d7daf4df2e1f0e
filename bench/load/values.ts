/** Real temperatures where the data set is there, else synthetic ones; the output of a benchmark says which. */
import { existsSync, readFileSync } from 'node:fs';

const file = new URL('../../../shared/data/intel_lab_30s/intel_temperature_30s_52motes.csv', import.meta.url);

export interface Values {
  readonly source: string;
  /** One column a mote, in hundredths of a degree, from -99.99 to 999.99. */
  readonly columns: readonly Int32Array[];
}

export function readValues(): Values {
  if (!existsSync(file)) return synthetic();
  const rows = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));
  const columns = (rows[0] ?? []).slice(1).map((_, mote) => {
    return Int32Array.from(rows, (row) => Math.round(Number(row[mote + 1]) * 100));
  });
  return { source: 'intel_lab_30s: real temperatures, sent faster than they were taken', columns };
}

function synthetic(): Values {
  const columns = Array.from({ length: 52 }, (_, mote) =>
    Int32Array.from({ length: 14_400 }, (_, row) => Math.round(2000 + 300 * Math.sin(row / 400 + mote))),
  );
  return { source: 'synthetic sine (../shared/data is absent)', columns };
}
