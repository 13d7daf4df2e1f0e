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

/** Walks of one decimal; one commit after the other, without end. */
export function* commitsOf({ series, secondsPerCommit }: Workload): Generator<Commit> {
  const random = new SeededRandom(1);
  const tenths = Int32Array.from({ length: series }, () => 200 + random.below(100));
  const count = series * secondsPerCommit;
  for (let second = 0; ; second += secondsPerCommit) {
    const columns = {
      count,
      series: new Uint32Array(count),
      time: new Float64Array(count),
      value: new Float64Array(count),
      flags: new Uint8Array(count),
      strings: [],
    };
    for (let id = 0, row = 0; id < series; id++) {
      for (let step = 0; step < secondsPerCommit; step++, row++) {
        columns.series[row] = id;
        columns.time[row] = beginMs + (second + step) * 1000 + (id % 1000);
        tenths[id] = (tenths[id] ?? 0) + random.below(3) - 1;
        columns.value[row] = (tenths[id] ?? 0) / 10;
      }
    }
    yield { columns, now: beginMs + (second + secondsPerCommit) * 1000 };
  }
}

export function firstCommits(workload: Workload, count: number): Commit[] {
  const commits: Commit[] = [];
  for (const commit of commitsOf(workload)) {
    commits.push(commit);
    if (commits.length === count) break;
  }
  return commits;
}
