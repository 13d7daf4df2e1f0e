/** What every benchmark prints: one JSON object a line and figure, then a small table. A figure is the median of its runs. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

interface Series {
  readonly scenario: string;
  readonly figure: string;
  readonly unit: string;
  readonly samples: number[];
}

export interface Header {
  readonly bench: string;
  /** The command line that takes these figures again. */
  readonly command: string;
  /** What the figures rest on: data set, what was durable when it was acked, sizes of messages … */
  readonly notes: Readonly<Record<string, string | number>>;
}

export class Figures {
  readonly #series = new Map<string, Series>();
  readonly #loadBefore = loadavg()[0] ?? Number.NaN;

  /** One run's value of a figure. */
  add(scenario: string, figure: string, unit: string, sample: number): void {
    const key = `${scenario}\n${figure}`;
    const series = this.#series.get(key) ?? { scenario, figure, unit, samples: [] };
    series.samples.push(sample);
    this.#series.set(key, series);
  }

  print({ bench, command, notes }: Header): void {
    const rows = [...this.#series.values()].map(summarise);
    const machine = machineOf(this.#loadBefore);
    for (const row of rows) console.log(JSON.stringify({ bench, ...row, ...notes, ...machine, command }));
    console.log('');
    for (const [name, value] of Object.entries(notes)) console.log(`${name}: ${value}`);
    console.log(`machine: ${Object.values(machine).join(', ')}`);
    for (const [scenario, group] of Map.groupBy(rows, (row) => row.scenario)) {
      console.log(`\n${bench}, ${scenario}`);
      for (const { figure, unit, median, min, max, n } of group) {
        console.log(
          `  ${figure.padEnd(42)} ${String(median).padStart(12)} ${unit.padEnd(16)} ${min} … ${max} (n=${n})`,
        );
      }
    }
  }
}

/** Nearest rank; `share` from 0 to 1. NaN of nothing. */
export function percentile(samples: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))] ?? Number.NaN;
}

function summarise({ scenario, figure, unit, samples }: Series) {
  const short = (value: number): number => Number(value.toPrecision(4));
  return {
    scenario,
    figure,
    unit,
    median: short(percentile(samples, 0.5)),
    min: short(Math.min(...samples)),
    max: short(Math.max(...samples)),
    n: samples.length,
  };
}

function machineOf(loadBefore: number) {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    fogline: manifest.version,
    loadBefore,
    loadAfter: loadavg()[0] ?? Number.NaN,
  };
}
