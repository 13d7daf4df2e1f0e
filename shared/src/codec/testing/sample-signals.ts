/**
 * Signals of many kinds, from a seed: what sensors send, and what the limits of the codec's kinds and integers are like. For its
 * property tests and its fuzzer.
 */
import type { SeededRandom } from '../../random.ts';

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

/** What a series reads at row i. */
export type Source = (i: number) => number;
export type Signal = (random: SeededRandom) => Source;

/** Signals for columns of any shape. */
export const signals: Readonly<Record<string, Signal>> = {
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

function rounded(value: number, places: number): number {
  return Math.round(value * 10 ** places) / 10 ** places;
}

/** About normal, mean 0, deviation 1. */
function bell(random: SeededRandom): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.unit();
  return sum;
}

/** What `make` makes of a walk in whole steps. */
function stepping(stepMax: number, make: (k: number) => number): Signal {
  return (random) => {
    let k = random.below(4000);
    return () => {
      k += random.below(2 * stepMax + 1) - stepMax;
      return make(k);
    };
  };
}

/** Numbers at which the codec's integers change their form. */
const edges = [29, 30, 31, 32, 33, 48, 49, 50, 51, 52, 53].map((power) => 2 ** power);

/** More signals, for blocks of one series. */
export const sensorSignals: Readonly<Record<string, Signal>> = {
  noiseOfPlaces: (random) => {
    const places = random.below(9);
    return () => rounded(20 + bell(random), places);
  },
  mixedPlaces: (random) => () => rounded(20 + bell(random), random.below(7)),
  rarelyMorePlaces: (random) => () => rounded(20 + bell(random), random.chance(0.05) ? 6 : 1),
  halfDecimal: (random) => () => (random.chance(0.5) ? rounded(20 + bell(random), 1) : 20 + bell(random)),
  rawNoise: (random) => () => 20 + bell(random),
  int16: (random) => () => random.below(65_536) - 32_768,
  uint32: (random) => () => random.uint32(),
  int53: (random) => () => random.below(2 ** 53),
  binaryFractions: (random) => () => random.below(2 ** 20) / 2 ** 20,
  counterWithResets: (random) => {
    let value = 0;
    return () => {
      value = random.chance(0.01) ? 0 : value + random.below(1000);
      return value;
    };
  },
  energy: (random) => {
    let value = 98_765.432;
    return () => {
      value = rounded(value + random.unit() / 50, 3);
      return value;
    };
  },
  sortedDown: (random) => {
    let value = 1000;
    return () => {
      value -= random.unit();
      return value;
    };
  },
  regimes: (random) => (i) => (Math.floor(i / 100) % 2 === 0 ? 0 : 1e6) + rounded(bell(random), 2),
  rareSpikes: (random) => () => (random.chance(0.01) ? 65_535 : 21.5),
  rareDoubles: (random) => () => (random.chance(0.01) ? anyDouble(random) : 21.5),
  bothZeros: (random) => () => (random.chance(0.5) ? 0 : -0),
  aroundZero: (random) => () => rounded(bell(random) / 50, 2),
  subnormals: (random) => () => (random.below(2000) - 1000) * 5e-324,
  huge: (random) => () => 1e300 * (1 + random.unit()),
  powersOfTen: (random) => () => 10 ** (random.below(45) - 22),
  thirds: () => (i) => i / 3,
  sevenths: (random) => () => random.below(1000) / 7,
  addedTenths: () => {
    let sum = 0;
    return () => (sum += 0.1);
  },
  singleWalk: stepping(30, (k) => Math.fround(k * 0.01 + 0.003)),
  singleTenths: (random) => () => Math.fround(random.below(400) / 10 - 20),
  printedSingleWalk: stepping(30, (k) => Number(Math.fround(k / 777).toPrecision(8))),
  volts: stepping(5, (k) => (k * 3.3) / 4095),
  fahrenheit: stepping(3, (k) => rounded((k * 9) / 50 + 32, 2)),
  sixteenths: stepping(2, (k) => k / 16),
  sixtieths: stepping(5, (k) => rounded(k / 60, 5)),
  manyLevels: (random) => {
    const levels = Array.from({ length: 480 }, () => anyDouble(random));
    return () => levels[random.below(levels.length)] as number;
  },
  atAnEdge: (random) => {
    const edge = edges[random.below(edges.length)] as number;
    const scale = 10 ** random.below(3);
    return () => ((random.chance(0.5) ? edge : -edge) + random.below(5) - 2) / scale;
  },
  acrossAnEdge: (random) => {
    const edge = edges[random.below(edges.length)] as number;
    const from = (random.unit() - 0.5) * edge;
    return () => Math.floor(from + random.unit() * edge * 1.05);
  },
  swings: (random) => {
    const edge = edges[random.below(edges.length)] as number;
    return (i) => (i % 2 === 0 ? 0 : edge) + random.below(9) - (random.chance(0.02) ? edge : 0);
  },
  patchwork: (random) => {
    const names = Object.keys(signals);
    const parts = Array.from({ length: 3 }, () => signals[names[random.below(names.length)] as string]?.(random));
    let part = parts[0];
    return (i) => {
      if (random.chance(0.01)) part = parts[random.below(parts.length)];
      return part?.(i) ?? 0;
    };
  },
};
