/** `npm run bench -- NAME [args]`: one benchmark; without a name all that fit in a quarter of an hour, one after the other. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dataFolder = new URL('../../shared/data/', import.meta.url);
const codecFiles = [
  ...[
    'Air-pressure',
    'Basel-temp',
    'Bitcoin-price',
    'City-lat',
    'IR-bio-temp',
    'SSD-bench',
    'Stocks-DE',
    'Wind-Speed',
  ].map((name) => `elf_floats/${name}.csv`),
  'intel_lab_30s/intel_temperature_30s_52motes.csv',
];

interface Benchmark {
  readonly summary: string;
  /** Left out when all run: it takes too long. */
  readonly isLong?: true;
  /** Before those of the command line. */
  readonly args?: readonly string[];
  /** In place of an empty command line; when there are none, the benchmark is left out of all. */
  dataFiles?(): string[];
  load(): Promise<{ run(args: string[]): Promise<void> }>;
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  codec: {
    summary: 'bits per value and values/s of the columnar codec, against Gorilla, deflate and msgpackr + zstd',
    dataFiles: () =>
      codecFiles.map((name) => fileURLToPath(new URL(name, dataFolder))).filter((file) => existsSync(file)),
    load: () => import('./codec/main.ts'),
  },
  aggregate: {
    summary: 'cost and size of the mergeable aggregates',
    load: () => import('./aggregate/main.ts'),
  },
  pipeline: {
    summary: 'readings/s of one core through the operators of the edge, and memory per series',
    load: () => import('./pipeline/main.ts'),
  },
  prometheus: {
    summary: 'range queries over a day of readings through the Prometheus door',
    load: () => import('./prometheus/main.ts'),
  },
  answers: {
    summary: 'answers over a store of some millions of readings: CPU, and how long ingest waits for its turn',
    isLong: true,
    load: () => import('./answers/main.ts'),
  },
  query: {
    summary:
      'the standard questions over 100 million readings while ingest runs, against victoria-metrics; builds its stores once',
    isLong: true,
    load: () => import('./query/main.ts'),
  },
  viewers: {
    summary: 'what the acks of ingest wait beside 200 viewers, half of them frozen, and beside heavy queries',
    isLong: true,
    load: () => import('./viewers/main.ts'),
  },
  rooms: {
    summary: 'what a reading costs in each room of the house, in CPU time of one process',
    load: () => import('./rooms/main.ts'),
  },
  'end-to-end': {
    summary: 'single readings over MQTT through agent, link and hub: rate, CPU, bytes, memory, latency, loss',
    load: () => import('./end-to-end/main.ts'),
  },
  peers: {
    summary:
      'the same readings through Fogline and through mosquitto, NATS and VictoriaMetrics, with a cut of the uplink',
    isLong: true,
    load: () => import('./peers/main.ts'),
  },
  'agent-memory': {
    summary: 'memory, disk, start-up and draining of an agent with a backlog of a million readings',
    load: () => import('./agent-memory/main.ts'),
  },
  backlog: {
    summary: 'the same with ten million readings, once',
    isLong: true,
    args: ['--readings', '10000000', '--runs', '1', '--window', '200'],
    load: () => import('./agent-memory/main.ts'),
  },
  agents: {
    summary:
      '1,000 agents reconnect after a hub restart: seconds to all connected and drained, memory of the hub, loss',
    isLong: true,
    load: () => import('./agents/main.ts'),
  },
  'hub-ingest': {
    summary: '1,000 agents with 100 series at 1 Hz against one hub: share of a core, batches/s, latency of acks',
    isLong: true,
    load: () => import('./hub-ingest/main.ts'),
  },
  fleet: {
    summary: 'what the fleet simulator drives into a stock mosquitto, beside mosquitto_pub; 10,000 connections',
    isLong: true,
    load: () => import('./fleet/main.ts'),
  },
  'hub-store': {
    summary: 'bytes of the hub a reading and a roll-up row, after packing and merging; days in simulated time',
    load: () => import('./hub-store/main.ts'),
  },
  flash: {
    summary: 'bytes that an agent writes to its medium at 25, 1,000 and 50,000 readings/s, connected and settled',
    load: () => import('./flash/main.ts'),
  },
};

async function start({ args = [], dataFiles, load }: Benchmark, asked: readonly string[]): Promise<void> {
  const more = asked.length === 0 ? (dataFiles?.() ?? []) : asked;
  const { run } = await load();
  // An option of the command line takes the place of the one that is set here.
  const given = new Set(more.map((text) => text.split('=')[0]));
  const kept = args.filter((_, index) => !given.has(args[index - (index % 2)] ?? ''));
  await run([...kept, ...more]);
}

function usage(): string {
  const width = Math.max(...Object.keys(benchmarks).map(({ length }) => length));
  const rows = Object.entries(benchmarks).map(([name, { summary, isLong }]) => {
    return `  ${name.padEnd(width)}  ${summary}${isLong === true ? ' (only by name)' : ''}`;
  });
  return ['Usage: npm run bench -- [NAME [OPTIONS]]', '', 'Without a name: all of them.', '', ...rows].join('\n');
}

const [name, ...args] = process.argv.slice(2);
const asked = name !== undefined && Object.hasOwn(benchmarks, name) ? benchmarks[name] : undefined;
if (asked !== undefined) await start(asked, args);
else if (name === undefined) {
  for (const [each, benchmark] of Object.entries(benchmarks)) {
    if (benchmark.isLong === true) continue;
    console.log(`== ${each}`);
    if (benchmark.dataFiles?.().length === 0) console.log('skipped: ../shared/data is absent');
    else await start(benchmark, []);
    console.log('');
  }
} else {
  console.log(usage());
  process.exitCode = name === '--help' ? 0 : 2;
}
