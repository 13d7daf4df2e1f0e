/**
 * Columns of every shape the codec treats apart, from a seed: for its property tests and its fuzzer.
 */
import { SeededRandom } from '../random.ts';
import type { ReadingColumns } from '../reading.ts';

const doubles = new Float64Array(1);
const halves = new Uint32Array(doubles.buffer);

/** Any finite double, all exponents alike. */
function anyDouble(random: SeededRandom): number {
  do {
    halves[0] = random.uint32();
    halves[1] = random.uint32();
  } while (!Number.isFinite(doubles[0]));
  return doubles[0] as number;
}

const special = [
  0,
  -0,
  5e-324,
  -5e-324,
  2 ** 53,
  -(2 ** 53),
  2 ** 53 - 1,
  Number.MAX_VALUE,
  1e-300,
  0.1 + 0.2,
  2 ** 31,
  1e22,
];

type Source = (i: number) => number;

/** One signal each; what a series of the given kind reads at row i. */
const signals: Record<string, (random: SeededRandom) => Source> = {
  constant: (random) => {
    const value = random.chance(0.5) ? anyDouble(random) : random.below(1000) / 10;
    return () => value;
  },
  walk: (random) => {
    const scale = 10 ** random.below(6);
    let value = random.below(100_000);
    return () => {
      value += random.below(21) - 10;
      return value / scale;
    };
  },
  noise: (random) => {
    const scale = 10 ** random.below(10);
    const span = 2 ** random.below(40);
    return () => Math.floor(random.unit() * span) / scale;
  },
  outliers: (random) => (i) =>
    random.chance(0.03) ? random.below(2 ** 31) * (i % 2 === 0 ? 1 : -1) : 20 + random.below(9) / 10,
  counter: (random) => {
    const step = random.below(5000) + 1;
    return (i) => 2 ** 40 + i * step + random.below(3);
  },
  levels: (random) => {
    const levels = Array.from({ length: 2 + random.below(40) }, () => anyDouble(random));
    return () => levels[random.below(levels.length)] as number;
  },
  doubles: (random) => () => anyDouble(random),
  smooth: (random) => {
    const speed = random.unit() / 10;
    return (i) => Math.sin(i * speed) * 1000;
  },
  singles: (random) => () => Math.fround(20 + random.unit()),
  singleDecimals: (random) => () => Math.fround((2000 + random.below(500)) / 100),
  printedSingles: (random) => {
    let k = random.below(4000) - 2000;
    return () => {
      k += random.below(61) - 30;
      return Number(Math.fround(k / 100 - 0.1094713).toPrecision(8));
    };
  },
  means: (random) => {
    let k = 5_300_000;
    return () => {
      k += random.below(41) - 20;
      return Math.round((k / 60_000) * 1e5) / 1e5;
    };
  },
  ticks: (random) => () => (20_000 + random.below(300) * 5) / 1000,
  special: (random) => () => special[random.below(special.length)] as number,
  switches: (random) => () => random.below(2),
};

type Times = (i: number) => number;

const clocks: Record<string, (random: SeededRandom) => Times> = {
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
  late: () => (i) => 7_258_118_400_000 + i,
  mixed: (random) => (i) => (random.chance(0.1) ? random.below(1000) : 7_258_118_400_000 + i * 60_000),
};

function pick<T>(random: SeededRandom, table: Record<string, T>): T {
  const names = Object.keys(table);
  return table[names[random.below(names.length)] as string] as T;
}

/** Canonical columns of up to about `rowsMax` rows. */
export function sampleColumns(seed: number, rowsMax: number): ReadingColumns {
  const random = new SeededRandom(seed);
  const shape = random.below(4);
  const seriesCount =
    shape === 0 ? 1 : shape === 1 ? 1 + random.below(6) : 1 + random.below(Math.max(1, rowsMax / (shape - 1)));
  const rowsPerSeries = Math.max(1, Math.floor(rowsMax / seriesCount));
  const isEven = random.chance(0.5);
  const sharedClock = random.chance(0.5) ? pick(random, clocks)(random) : undefined;
  const sharedSignal = random.chance(0.3) ? pick(random, signals) : undefined;
  const strings = random.chance(0.3) ? ['on', 'off', '', 'größer', '\ud800', 'on'].slice(0, 1 + random.below(6)) : [];
  const hasFlags = random.chance(0.3);
  const rows: { series: number; time: number; value: number; flags: number }[] = [];
  let id = random.below(50);
  const metrics = 1 + random.below(4);
  const metricSignals = Array.from({ length: metrics }, () => (sharedSignal ?? pick(random, signals))(random));
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
