/** `npm run bench -- NAME [args]`: one benchmark; without a name all that fit in a quarter of an hour, one after the other. */
const benchmarks = {
  codec: 'bits per value and values/s of the columnar codec, against Gorilla, deflate and msgpackr + zstd',
  aggregate: 'cost and size of the mergeable aggregates',
  'end-to-end': 'single readings over MQTT through agent, link and hub: rate, CPU, bytes, memory, latency, loss',
  'agent-memory': 'memory, disk, start-up and draining of an agent with a backlog of a million readings',
  flash: 'bytes that an agent writes to its medium at 25 and 1,000 readings/s, online and settled',
} as const;

type Name = keyof typeof benchmarks;

interface Benchmark {
  run(args: string[]): Promise<void>;
}

function isName(text: string): text is Name {
  return Object.hasOwn(benchmarks, text);
}

async function load(name: Name): Promise<Benchmark> {
  return (await import(new URL(`./${name}/main.ts`, import.meta.url).href)) as Benchmark;
}

function usage(): string {
  const width = Math.max(...Object.keys(benchmarks).map(({ length }) => length));
  const rows = Object.entries(benchmarks).map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`);
  return ['Usage: npm run bench -- [NAME [ARGS]]', '', 'Without a name: all of them.', '', ...rows].join('\n');
}

const [name, ...args] = process.argv.slice(2);
if (name === undefined) {
  for (const each of Object.keys(benchmarks) as Name[]) {
    console.log(`== ${each}`);
    await (await load(each)).run([]);
    console.log('');
  }
} else if (isName(name)) await (await load(name)).run(args);
else {
  console.log(usage());
  process.exitCode = name === '--help' ? 0 : 2;
}
