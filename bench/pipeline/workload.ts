/** Commits as an agent's intake hands them to the pipeline: canonical columns of one source, one reading a second of every series. */
import { DurableSeries } from '@fogline/edge-agent/journal/series-registry';
import { SeededRandom } from '@fogline/shared/random';
import type { ReadingColumns } from '@fogline/shared/reading';

export const sourceName = 'climate';
const beginMs = 1_700_000_000_000;
const metricsPerDevice = 5;

export interface Workload {
  readonly name: string;
  readonly series: number;
  /** Seconds that one commit gathers: 1 = every series once. */
  readonly secondsPerCommit: number;
}

/** The input series, as a source defines them. */
export function registerSeries(count: number): DurableSeries {
  const registry = new DurableSeries();
  for (let id = 0; id < count; id++) {
    registry.idOf({
      stream: sourceName,
      device: `device-${Math.floor(id / metricsPerDevice)}`,
      metric: `m${id % metricsPerDevice}`,
      unit: '°C',
      kind: 'reading',
      type: 'number',
      sampling: 'all',
      tags: [],
      widthMs: 0,
      holdMs: 0,
    });
  }
  return registry;
}

export const metricNames = Array.from({ length: metricsPerDevice }, (_, index) => `m${index}`);

export interface Commit {
  readonly columns: ReadingColumns;
  readonly now: number;
}

/** Walks of one decimal that a deadband of 0.2 thins to a third or so; commits follow each other from `fromSecond` on. */
export function commitsOf(workload: Workload, commits: number): Commit[] {
  const { series, secondsPerCommit } = workload;
  const random = new SeededRandom(1);
  const tenths = Int32Array.from({ length: series }, () => 200 + random.below(100));
  return Array.from({ length: commits }, (_, commit) => {
    const count = series * secondsPerCommit;
    const columns = {
      count,
      series: new Uint32Array(count),
      time: new Float64Array(count),
      value: new Float64Array(count),
      flags: new Uint8Array(count),
      strings: [],
    };
    for (let id = 0, row = 0; id < series; id++) {
      for (let second = 0; second < secondsPerCommit; second++, row++) {
        columns.series[row] = id;
        columns.time[row] = beginMs + (commit * secondsPerCommit + second) * 1000 + (id % 1000);
        tenths[id] = (tenths[id] ?? 0) + random.below(3) - 1;
        columns.value[row] = (tenths[id] ?? 0) / 10;
      }
    }
    return { columns, now: beginMs + (commit + 1) * secondsPerCommit * 1000 };
  });
}
