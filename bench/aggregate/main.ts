/**
 * Cost of the mergeable aggregates: one exact addition against a plain `+=` in the same run, rates of encode, decode and
 * merge, and bytes per partial on real temperatures. Results are consumed, sides of a comparison are interleaved.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { mergeEncoded, Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows, encodeWindows, mergeWindows } from '@fogline/shared/aggregate/window-columns';

const file = new URL('../../../shared/data/intel_lab_30s/intel_temperature_30s_52motes.csv', import.meta.url);
const rounds = 25;
const epochMs = 1_700_000_000_000;
const stepMs = 30_000;

interface Columns {
  readonly time: Float64Array;
  readonly value: Float64Array;
}

interface Result {
  readonly figure: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

let consumed = 0;

/** One column pair per mote; without the data set a stand-in of two decimals, and the output says so. */
function readMotes(): { readonly source: string; readonly motes: readonly Columns[] } {
  const rows = existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(',').slice(1).map(Number))
    : Array.from({ length: 14_400 }, (_, row) =>
        Array.from({ length: 52 }, (_, mote) => Math.round(2000 + 300 * Math.sin(row / 400 + mote)) / 100),
      );
  const time = Float64Array.from(rows, (_, row) => epochMs + row * stepMs);
  const width = rows[0]?.length ?? 0;
  const motes = Array.from({ length: width }, (_, mote) => ({
    time,
    value: Float64Array.from(rows, (row) => row[mote] ?? 0),
  }));
  return { source: existsSync(file) ? 'intel_lab_30s' : 'synthetic (../shared/data is absent)', motes };
}

function nanosecondsPer(count: number, run: () => number): number {
  const begin = process.hrtime.bigint();
  consumed += run();
  return Number(process.hrtime.bigint() - begin) / count;
}

function summarise(figure: string, unit: string, samples: readonly number[]): Result {
  const sorted = samples.toSorted((a, b) => a - b);
  const digits = (value: number | undefined) => Number((value ?? Number.NaN).toPrecision(4));
  return {
    figure,
    unit,
    median: digits(sorted[sorted.length >> 1]),
    min: digits(sorted[0]),
    max: digits(sorted.at(-1)),
    n: sorted.length,
  };
}

/** Runs the named sides in turn, round after round; the first rounds only warm up. */
function interleave(sides: Record<string, () => number>): Record<string, number[]> {
  const samples: Record<string, number[]> = {};
  for (let round = -10; round < rounds; round++) {
    for (const [name, run] of Object.entries(sides)) {
      const sample = run();
      if (round >= 0) (samples[name] ??= []).push(sample);
    }
  }
  return samples;
}

function addCosts({ time, value }: Columns): Result[] {
  const count = value.length;
  const addSingly = (sketch: boolean) => () => {
    const partial = Partial.empty({ sketch });
    for (let i = 0; i < count; i++) partial.add(time[i] as number, value[i] as number);
    return partial.sumSqValue();
  };
  const addColumns = (sketch: boolean) => () => {
    const partial = Partial.empty({ sketch });
    partial.addColumns(time, value, 0, count);
    return partial.sumSqValue();
  };
  const plain = () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += value[i] as number;
    return sum;
  };
  const samples = interleave({
    'plain +=': () => nanosecondsPer(count, plain),
    'Partial.addColumns': () => nanosecondsPer(count, addColumns(false)),
    'Partial.add': () => nanosecondsPer(count, addSingly(false)),
    'Partial.addColumns with sketch': () => nanosecondsPer(count, addColumns(true)),
    'Partial.add with sketch': () => nanosecondsPer(count, addSingly(true)),
  });
  const base = samples['plain +='] ?? [];
  return Object.entries(samples).flatMap(([name, times]) => [
    summarise(name, 'ns per reading', times),
    ...(times === base
      ? []
      : [
          summarise(
            `${name} / plain +=`,
            'ratio',
            times.map((each, round) => each / (base[round] ?? Number.NaN)),
          ),
        ]),
  ]);
}

function partialsOf(motes: readonly Columns[], readings: number, windows: number, sketch: boolean): Uint8Array[][] {
  return motes.map(({ time, value }) =>
    Array.from({ length: windows }, (_, window) => {
      const partial = Partial.empty({ sketch });
      partial.addColumns(time, value, window * readings, (window + 1) * readings);
      return partial.encode();
    }),
  );
}

function codecCosts(motes: readonly Columns[], readings: number): Result[] {
  const windows = Math.min(200, Math.floor((motes[0]?.value.length ?? 0) / readings));
  const encoded = partialsOf(motes, readings, windows, false).flat();
  const count = encoded.length;
  const samples = interleave({
    'build and encode': () => nanosecondsPer(count, () => partialsOf(motes, readings, windows, false).length),
    decode: () => nanosecondsPer(count, () => encoded.reduce((sum, bytes) => sum + Partial.decode(bytes).count, 0)),
    mergeEncoded: () =>
      nanosecondsPer(count - 1, () => {
        let bytes = 0;
        for (let i = 1; i < count; i++)
          bytes += mergeEncoded(encoded[i - 1] as Uint8Array, encoded[i] as Uint8Array).length;
        return bytes;
      }),
  });
  return Object.entries(samples).map(([name, times]) =>
    summarise(
      `${name}, ${readings} readings`,
      'partials/s',
      times.map((each) => 1e9 / each),
    ),
  );
}

function sizes(motes: readonly Columns[], readings: number, sketch: boolean): Result[] {
  const windows = Math.min(240, Math.floor((motes[0]?.value.length ?? 0) / readings));
  const perMote = partialsOf(motes, readings, windows, sketch);
  const partials = perMote.flat();
  const blob = encodeWindows({
    count: partials.length,
    series: Uint32Array.from(partials, (_, i) => Math.floor(i / windows)),
    start: Float64Array.from(partials, (_, i) => epochMs + (i % windows) * readings * stepMs),
    delta: new Uint8Array(partials.length),
    partial: partials,
  });
  const fleet = encodeWindows({
    count: perMote.length,
    series: Uint32Array.from(perMote, (_, i) => i),
    start: new Float64Array(perMote.length).fill(epochMs),
    delta: new Uint8Array(perMote.length),
    partial: perMote.map(([first]) => first as Uint8Array),
  });
  const label = `${readings} readings${sketch ? ' with sketch' : ''}`;
  return [
    summarise(
      `partial, ${label}`,
      'bytes',
      partials.map((bytes) => bytes.length),
    ),
    summarise(`windows of one instant, ${perMote.length} series, ${label}`, 'bytes per partial', [
      fleet.length / perMote.length,
    ]),
    summarise(`windows merged, ${windows} each, ${label}`, 'bytes per partial', [blob.length / partials.length]),
  ];
}

/** Rates of the windows codec on the partials of one mote's day of 10 readings each, all motes. */
function windowCosts(motes: readonly Columns[]): Result[] {
  const windows = 100;
  const perMote = partialsOf(motes, 10, windows, false);
  const blobs = perMote.map((partial, mote) =>
    encodeWindows({
      count: windows,
      series: new Uint32Array(windows).fill(mote),
      start: Float64Array.from({ length: windows }, (_, i) => epochMs + i * 10 * stepMs),
      delta: new Uint8Array(windows),
      partial,
    }),
  );
  const count = windows * motes.length;
  const merged = mergeWindows(blobs);
  const columns = decodeWindows(merged);
  const samples = interleave({
    encodeWindows: () => nanosecondsPer(count, () => encodeWindows(columns).length),
    decodeWindows: () => nanosecondsPer(count, () => decodeWindows(merged).count),
    [`mergeWindows of ${blobs.length} blobs`]: () => nanosecondsPer(count, () => mergeWindows(blobs).length),
  });
  return Object.entries(samples).map(([name, times]) =>
    summarise(
      `${name}, ${count} rows`,
      'partials/s',
      times.map((each) => 1e9 / each),
    ),
  );
}

/** Heap and buffers that one open partial holds. */
function memory({ time, value }: Columns, readings: number): Result {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const usedBytes = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const samples = [0, 1, 2].map(() => {
    const before = usedBytes();
    const held = Array.from({ length: 5000 }, () => {
      const partial = Partial.empty();
      for (let i = 0; i < readings; i++) partial.add(time[i] as number, value[i] as number);
      return partial;
    });
    const after = usedBytes();
    consumed += held.length;
    return (after - before) / held.length;
  });
  return summarise(`memory of an open partial, ${readings} readings`, 'bytes', samples);
}

/** Prints one JSON object a line and a table. Takes no arguments. */
export async function run(_args: string[]): Promise<void> {
  const { source, motes } = readMotes();
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version, load: loadavg()[0] };
  const column = {
    time: Float64Array.from({ length: 65_536 }, (_, i) => epochMs + i * 1000),
    value: new Float64Array(65_536),
  };
  for (const [i] of column.value.entries()) column.value[i] = motes[i % 4]?.value[i % 14_400] ?? 0;
  const results = [
    ...addCosts(column),
    ...[1, 10, 60].flatMap((readings) => codecCosts(motes, readings)),
    ...windowCosts(motes),
    ...[1, 10, 60, 1000].map((readings) => memory(column, readings)),
    ...[1, 10, 60].flatMap((readings) => [...sizes(motes, readings, false), ...sizes(motes, readings, true)]),
  ];
  for (const result of results) console.log(JSON.stringify({ bench: 'aggregate', source, ...result, ...machine }));
  console.log();
  for (const { figure, unit, median, min, max } of results) {
    console.log(`${figure.padEnd(58)} ${String(median).padStart(12)} ${unit.padEnd(18)} ${min} … ${max}`);
  }
  console.log(`(consumed ${consumed.toExponential(3)})`);
}
