/** A process of its own that holds a pipeline of so many series and tells what they take: arguments are series and a pipeline shape. */
import { Replayable } from '@fogline/edge-agent/replayable';
import { shapes } from './shapes.ts';
import { commitsOf, registerSeries, sourceName } from './workload.ts';

const series = Number(process.argv[2]);
const shape = process.argv[3] ?? '';
const seconds = 65;

const registry = registerSeries(series);
const input = used();
const config = { agent: 'edge', pipelines: [], alarms: [], ...shapes[shape] };
const replayable = new Replayable(config, registry);
let items = 0;
let commits = 0;
for (const { columns, now } of commitsOf({ name: '', series, secondsPerCommit: 1 })) {
  const { ofInputs, further } = replayable.run({ now, inputs: [{ source: sourceName, columns }], outcomes: [] });
  for (const streams of [...ofInputs, further]) for (const output of streams) items += output.columns.count;
  if (++commits === seconds) break;
}
const all = used();
const state = replayable.save().reduce((sum, { state: bytes }) => sum + bytes.byteLength, 0);
console.log(JSON.stringify({ input, all, state, items }));

function used(): { rss: number; heap: number } {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rss, heap: heapUsed + arrayBuffers };
}
