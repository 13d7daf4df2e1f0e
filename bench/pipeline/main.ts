/**
 * The edge pipeline alone: readings/s of one core through the operators of a branch, without sockets and disk, and what a series costs
 * in memory. Columns are ready before the clock starts; outputs are consumed.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { outputsOfCommit } from '@fogline/edge-agent/outbox/outputs';
import { Replayable } from '@fogline/edge-agent/replayable';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { type Shape, shapes } from './shapes.ts';
import { type Commit, firstCommits, registerSeries, sourceName, type Workload } from './workload.ts';

const options = {
  runs: { type: 'integer', default: 5, help: 'of every figure' },
  readings: { type: 'integer', default: 1_200_000, help: 'in one run' },
  only: { type: 'text', default: '', help: 'shapes whose name contains this' },
} as const;

const workloads: readonly Workload[] = [
  { name: '10,000 series, a commit a second', series: 10_000, secondsPerCommit: 1 },
  { name: '100 series, a commit every 100 s', series: 100, secondsPerCommit: 100 },
];
const seriesMeasured = 20_000;

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const chosen = Object.entries(shapes).filter(([name]) => name.includes(values.only));
  let consumed = 0;
  for (const workload of workloads) {
    const count = Math.ceil(values.readings / workload.series / workload.secondsPerCommit);
    const commits = firstCommits(workload, count);
    // The first round compiles.
    for (let round = 0; round <= values.runs; round++) {
      for (const [name, shape] of chosen) {
        for (const isEncoded of [false, true]) {
          const { rate, items } = throughput(shape, workload, commits, isEncoded);
          consumed += items;
          if (round > 0) figures.add(workload.name, isEncoded ? `${name}, encoded` : name, 'readings/s', rate);
        }
      }
    }
  }
  for (let round = 0; round < values.runs; round++) {
    for (const [name] of chosen) {
      for (const [figure, unit, sample] of memoryOf(name))
        figures.add('per 10,000 series', `${name}: ${figure}`, unit, sample);
    }
  }
  const command = ['npm run bench -- pipeline', ...args].join(' ');
  figures.print({ bench: 'pipeline', command, notes: { readings: values.readings, consumed } });
}

/** Readings of the input per second of CPU time of this process. */
function throughput(
  shape: Shape,
  workload: Workload,
  commits: readonly Commit[],
  isEncoded: boolean,
): { readonly rate: number; readonly items: number } {
  const config = { agent: 'edge', alarms: [], ...shape };
  const replayable = new Replayable(config, registerSeries(workload.series));
  let items = 0;
  let readings = 0;
  const before = process.cpuUsage();
  for (const { columns, now } of commits) {
    readings += columns.count;
    const results = replayable.run({ now, inputs: [{ source: sourceName, columns }], outcomes: [] });
    if (isEncoded) for (const { bytes } of outputsOfCommit(results)) items += bytes?.byteLength ?? 0;
    else
      for (const streams of [...results.ofInputs, results.further])
        for (const { columns: out } of streams) items += out.count;
  }
  const { user, system } = process.cpuUsage(before);
  return { rate: readings / ((user + system) / 1e6), items };
}

type Sample = readonly [figure: string, unit: string, sample: number];

function memoryOf(shape: string): Sample[] {
  const file = fileURLToPath(new URL('./memory.ts', import.meta.url));
  const [none, many] = [0, seriesMeasured].map((series) => {
    // With the young generation that `fogline-agent run` takes.
    const flags = ['--expose-gc', '--max-semi-space-size=2'];
    const text = execFileSync(process.execPath, [...flags, file, String(series), shape], { encoding: 'utf8' });
    return JSON.parse(text) as Record<'input' | 'all', { rss: number; heap: number }> & { state: number };
  });
  if (none === undefined || many === undefined) return [];
  const per = 10_000 / seriesMeasured / 1e6;
  const state = many.all.heap - many.input.heap - (none.all.heap - none.input.heap);
  return [
    ['RSS, input series included', 'MB', (many.all.rss - none.all.rss) * per],
    ['RSS of the input series alone', 'MB', (many.input.rss - none.input.rss) * per],
    ['heap of operators and stream series', 'MB', state * per],
    ['saved state', 'MB', many.state * per],
  ];
}
