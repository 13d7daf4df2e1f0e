/**
 * Columns of every shape the codec treats apart, from a seed: for its property tests and its fuzzer.
 */
import { SeededRandom } from '../../random.ts';
import type { ReadingColumns } from '../../reading.ts';
import { type Signal, type Source, signals } from './sample-signals.ts';

type Times = (i: number) => number;

/** Times of every kind: even, jittered, equal, out of order, far off. */
export const clocks: Readonly<Record<string, (random: SeededRandom) => Times>> = {
  regular: (random) => {
    const start = random.below(2 ** 41);
    const step = random.below(100_000);
    return (i) => start + i * step;
  },
  jittered: (random) => (i) => 1_700_000_000_000 + i * 1000 + random.below(50),
  equal: () => () => 1_700_000_000_000,
  unordered: (random) => () => 1_700_000_000_000 + random.below(10_000_000),
  early: (random) => (i) => i * 10 - random.below(1_000_000),
  far: (random) => () => (random.chance(0.5) ? 2 ** 53 - random.below(9) : -(2 ** 53) + random.below(9)),
  bursts: (random) => {
    let time = 1_700_000_000_000;
    return () => {
      time += random.chance(0.1) ? random.below(3_600_000) : 0;
      return time;
    };
  },
  descending: (random) => (i) => 1_700_000_000_000 - i * 1000 - random.below(3),
  late: () => (i) => 7_258_118_400_000 + i,
  mixed: (random) => (i) => (random.chance(0.1) ? random.below(1000) : 7_258_118_400_000 + i * 60_000),
};

function pick<T>(random: SeededRandom, table: Readonly<Record<string, T>>): T {
  const names = Object.keys(table);
  return table[names[random.below(names.length)] as string] as T;
}

/** Canonical columns of up to about `rowsMax` rows, of signals from the table. */
export function sampleColumns(
  seed: number,
  rowsMax: number,
  table: Readonly<Record<string, Signal>> = signals,
): ReadingColumns {
  const random = new SeededRandom(seed);
  const shape = random.below(4);
  const seriesCount =
    shape === 0 ? 1 : shape === 1 ? 1 + random.below(6) : 1 + random.below(Math.max(1, rowsMax / (shape - 1)));
  const rowsPerSeries = Math.max(1, Math.floor(rowsMax / seriesCount));
  const isEven = random.chance(0.5);
  const sharedClock = random.chance(0.5) ? pick(random, clocks)(random) : undefined;
  const sharedSignal = random.chance(0.3) ? pick(random, table) : undefined;
  const strings = random.chance(0.3) ? ['on', 'off', '', 'größer', '\ud800', 'on'].slice(0, 1 + random.below(6)) : [];
  const hasFlags = random.chance(0.3);
  const rows: { series: number; time: number; value: number; flags: number }[] = [];
  let id = random.below(50);
  const metrics = 1 + random.below(4);
  const metricSignals = Array.from({ length: metrics }, () => (sharedSignal ?? pick(random, table))(random));
  for (let s = 0; s < seriesCount; s++) {
    id += random.chance(0.9) ? 1 : 1 + random.below(1000);
    const clock = sharedClock ?? pick(random, clocks)(random);
    const signal = metricSignals[id % metrics] as Source;
    const isText = strings.length > 0 && random.chance(0.2);
    const count = isEven ? rowsPerSeries : 1 + random.below(rowsPerSeries * 2);
    for (let i = 0; i < count && rows.length < rowsMax; i++) {
      rows.push({
        series: id,
        time: clock(i),
        value: isText ? random.below(strings.length) : signal(i),
        flags: (isText ? 4 : 0) | (hasFlags && random.chance(0.1) ? random.below(3) : 0),
      });
    }
  }
  return {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => row.series),
    time: Float64Array.from(rows, (row) => row.time),
    value: Float64Array.from(rows, (row) => row.value),
    flags: Uint8Array.from(rows, (row) => row.flags),
    strings,
  };
}

/** First difference between two sets of columns, bit for bit, or undefined. */
export function differenceOf(a: ReadingColumns, b: ReadingColumns): string | undefined {
  if (a.count !== b.count) return `count ${a.count} and ${b.count}`;
  if (JSON.stringify(a.strings) !== JSON.stringify(b.strings)) return 'strings';
  for (let row = 0; row < a.count; row++) {
    if (a.series[row] !== b.series[row]) return `series of row ${row}: ${a.series[row]} and ${b.series[row]}`;
    if (a.time[row] !== b.time[row]) return `time of row ${row}: ${a.time[row]} and ${b.time[row]}`;
    if (!Object.is(a.value[row], b.value[row])) return `value of row ${row}: ${a.value[row]} and ${b.value[row]}`;
    if (a.flags[row] !== b.flags[row]) return `flags of row ${row}: ${a.flags[row]} and ${b.flags[row]}`;
  }
  return undefined;
}
