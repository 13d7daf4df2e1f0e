/** A process of its own that holds a pipeline of so many series and tells what they take: arguments are series and a pipeline shape. */
import { Pipeline } from '@fogline/edge-agent/pipeline/pipeline';
import { shapes } from './shapes.ts';
import { commitsOf, registerSeries, sourceName } from './workload.ts';

const series = Number(process.argv[2]);
const shape = process.argv[3] ?? '';
const seconds = 25;

const registry = registerSeries(series);
const afterInput = used();
const pipeline = new Pipeline(shapes[shape] ?? [], registry);
let items = 0;
for (let second = 0; second < seconds; second++) {
  // Made one at a time: what waits for its turn is no state of the pipeline.
  for (const { columns, now } of commitsOf({ name: '', series, secondsPerCommit: 1 }, second + 1).slice(-1)) {
    for (const output of pipeline.process(sourceName, columns, now)) items += output.columns.count;
    for (const output of pipeline.tick(now)) items += output.columns.count;
  }
}
const afterRun = used();
const state = pipeline.save().reduce((sum, { state: bytes }) => sum + bytes.byteLength, 0);
console.log(JSON.stringify({ input: afterInput, all: afterRun, state, items }));

function used(): { rss: number; heap: number } {
  for (let round = 0; round < 3; round++) globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { rss, heap: heapUsed + arrayBuffers };
}
