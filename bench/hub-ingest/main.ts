/**
 * One hub process under many agents, each with a connection of its own and a small batch every second: what a core of it carries. Batches are
 * encoded by the code of the protocol, in a process of their own; what agents cost is no part of it.
 */
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { lossAtHub, untilApplied } from '../kit/hub-count.ts';
import { enrolSenders, Ingest } from '../kit/ingest.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';
import { freePort, Site } from '../kit/site.ts';
import { liveMetric, type SendResult } from '../load/batch-sender.ts';

const options = {
  agents: { type: 'integer', default: 1_000, help: 'connections' },
  series: { type: 'integer', default: 100, help: 'of each agent, one reading of each in a batch' },
  interval: { type: 'integer', default: 1_000, help: 'milliseconds between two batches of an agent' },
  seconds: { type: 'integer', default: 30, help: 'of load in each run; a fold of the tail belongs to it' },
  'warm-up': { type: 'integer', default: 10, help: 'seconds of load before the first run, not measured' },
  runs: { type: 'integer', default: 3, help: 'one after the other, each against a new hub' },
} as const;

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const { agents, series, interval } = values;
  const title = `${agents} agents, ${series} series each, a batch every ${interval} ms`;
  let source = '';
  for (let round = 0; round < values.runs; round++) source = await runOnce(figures, title, values);
  const durable = 'PUBACK after COMMIT with synchronous=FULL';
  const notes = { data: source, durable, load: 'agents spread evenly over the interval' };
  figures.print({ bench: 'hub-ingest', command: ['npm run bench -- hub-ingest', ...args].join(' '), notes });
}

type Asked = ReturnType<typeof parseOptions<typeof options>>['values'];

async function runOnce(figures: Figures, title: string, asked: Asked): Promise<string> {
  const site = new Site();
  try {
    const port = await freePort();
    const [warm, edge] = ['warm', 'edge'].map((prefix) => namesOf(prefix, asked.agents)) as [string[], string[]];
    const warmTokens = enrolSenders(site.hubFolder, warm);
    const tokens = enrolSenders(site.hubFolder, edge);
    await site.startHub(port);
    const rate = Math.round((asked.agents * asked.series * 1_000) / asked.interval);
    const load = { port, series: asked.series, each: 1, rate };
    const warming = await Ingest.connect({ ...load, tokens: warmTokens });
    const warmed = await sentIn(warming, asked['warm-up']);
    await warming.stop();
    const ingest = await Ingest.connect({ ...load, tokens });
    const before = site.hub.usage;
    const result = await sentIn(ingest, asked.seconds);
    const after = site.hub.usage;
    await untilApplied(site.httpUrl, warmed.sent + result.sent);
    const { cpuSeconds, writtenBytes } = differenceOf(before, after);
    const add = (figure: string, unit: string, sample: number): void => figures.add(title, figure, unit, sample);
    add('sent and acked', 'readings/s', result.sent / result.seconds);
    add('batches', '1/s', result.sent / asked.series / result.seconds);
    add('hub CPU', '% of a core', (cpuSeconds / result.seconds) * 100);
    add('hub CPU per reading', 'CPU-s/M', (cpuSeconds / result.sent) * 1e6);
    add('hub CPU per batch', 'µs', ((cpuSeconds * asked.series) / result.sent) * 1e6);
    add('hub RSS, peak', 'MB', after.peakRssBytes / 1e6);
    add('written', 'B/reading', writtenBytes / result.sent);
    add('batch → PUBACK p50', 'ms', result.ackP50Ms);
    add('batch → PUBACK p99', 'ms', result.ackP99Ms);
    add('the senders themselves', '% of a core', (result.cpuSeconds / result.seconds) * 100);
    console.error(`sent ${result.sent} readings in ${result.seconds.toFixed(1)} s; counting them`);
    const sum = warmed.sumHundredths + result.sumHundredths;
    const matches = [...warm, ...edge].map((name) => `${liveMetric}{agent="${name}"}`);
    add('lost', 'readings', await lossAtHub(site.httpUrl, warmed.sent + result.sent, sum, matches));
    await ingest.stop();
    return result.source;
  } finally {
    await site.close();
  }
}

function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${String(index).padStart(5, '0')}`);
}

async function sentIn(ingest: Ingest, seconds: number): Promise<SendResult> {
  ingest.go();
  await pause(seconds * 1_000);
  return await ingest.rest();
}
