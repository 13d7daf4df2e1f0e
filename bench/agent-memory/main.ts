/**
 * An agent whose hub is away: memory while a backlog grows, what it weighs on disk, how long a start takes with it and without,
 * and, when the hub is back, how fast it drains and what that does to fresh readings. Nothing may be missing in the end.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures, percentile } from '../kit/figures.ts';
import { lossAtHub, untilApplied } from '../kit/hub-count.ts';
import { connectLoad } from '../kit/load.ts';
import { probe } from '../kit/probe.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';
import { type AgentProcess, freePort, Site } from '../kit/site.ts';
import type { PublishResult } from '../load/publisher-process.ts';

const options = {
  readings: { type: 'integer', default: 1_000_000, help: 'of backlog' },
  runs: { type: 'integer', default: 3, help: 'of all of it' },
  window: {
    type: 'integer',
    default: 20,
    help: 'unacked messages of each of 50 connections; fewer make smaller commits',
  },
  settle: { type: 'integer', default: 10, help: 'seconds offline after the last reading, for merging' },
} as const;

const connections = 50;
const idleMs = 2_000;
const sampleEveryMs = 200;
/** Of the fill; memory is compared from the first on, when the process is warm. */
const shares = [0.25, 0.5, 0.75, 1] as const;

type Options = ReturnType<typeof parseOptions<typeof options>>['values'];
type Add = (figure: string, unit: string, sample: number) => void;

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const title = `${values.readings} readings offline, ${connections} connections, window ${values.window}`;
  let source = '';
  for (let round = 0; round < values.runs; round++) {
    ({ source } = await measure(values, (figure, unit, sample) => figures.add(title, figure, unit, sample)));
  }
  const command = ['npm run bench -- agent-memory', ...args].join(' ');
  const durable = 'PUBACK after COMMIT with synchronous=FULL; profile prompt';
  figures.print({ bench: 'agent-memory', command, notes: { data: source, durable } });
}

async function measure(values: Options, add: Add): Promise<PublishResult> {
  const site = new Site();
  try {
    const hubPort = await freePort();
    const linkPort = await site.startLink(hubPort);
    // The first start on a machine compiles; it is nobody's start-up time.
    const warm = site.addAgent({ id: 'warm', commit: 'prompt' }, linkPort);
    await warm.start();
    await warm.stop();
    const agent = site.addAgent({ id: 'edge', commit: 'prompt' }, linkPort);
    add('start-up, empty', 'ms', await agent.start());
    await pause(idleMs);
    add('RSS idle', 'MB', agent.running.usage.rssBytes / 1e6);
    const result = await fill(agent, values, add);
    await restarts(agent, add);
    await drain(site, agent, hubPort, result, add);
    return result;
  } finally {
    await site.close();
  }
}

async function fill(agent: AgentProcess, values: Options, add: Add): Promise<PublishResult> {
  const { readings, window } = values;
  const process = agent.running;
  const publishing = await connectLoad(agent.mqttPort, { connections, window, readings });
  const before = process.usage;
  const rssMb: number[] = [];
  const sampling = setInterval(() => rssMb.push(process.usage.rssBytes / 1e6), sampleEveryMs);
  const result = await publishing.start();
  clearInterval(sampling);
  const used = differenceOf(before, process.usage);
  add('filling', 'readings/s', readings / result.seconds);
  add('filling, CPU', 'CPU-s/M', (used.cpuSeconds / readings) * 1e6);
  add('filling, bytes written', 'B/reading', used.writtenBytes / readings);
  const at = (share: number): number => rssMb[Math.ceil(rssMb.length * share) - 1] ?? Number.NaN;
  for (const share of shares) add(`RSS at ${share * 100} % of the fill`, 'MB', at(share));
  add(`RSS growth from ${shares[0] * 100} to 100 %`, 'MB', at(1) - at(shares[0]));
  add('on disk at the end of the fill', 'B/reading', folderBytes(agent.dataFolder) / readings);
  await pause(values.settle * 1000);
  add(`in use on disk ${values.settle} s later`, 'B/reading', (await agent.status()).usedBytes / readings);
  add(`RSS ${values.settle} s later`, 'MB', process.usage.rssBytes / 1e6);
  add('RSS peak', 'MB', process.usage.peakRssBytes / 1e6);
  return result;
}

async function restarts(agent: AgentProcess, add: Add): Promise<void> {
  await agent.stop();
  add('start-up with the backlog, after a stop', 'ms', await agent.start());
  await pause(idleMs);
  await agent.stop('SIGKILL');
  add('start-up with the backlog, after SIGKILL', 'ms', await agent.start());
  await pause(idleMs);
  add('RSS after a start with the backlog', 'MB', agent.running.usage.rssBytes / 1e6);
}

async function drain(site: Site, agent: AgentProcess, hubPort: number, sent: PublishResult, add: Add): Promise<void> {
  const linkBefore = await site.linkBytes();
  const edgeBefore = agent.running.usage;
  await site.startHub(hubPort);
  const before = { edge: edgeBefore, hub: site.hub.usage };
  await agent.untilConnected();
  const startedMs = performance.now();
  let isOver = false;
  const probing = probe(agent.mqttPort, site.httpUrl, () => isOver);
  const isWhole = await untilApplied(site.httpUrl, sent.sent);
  const seconds = (performance.now() - startedMs) / 1000;
  const edge = differenceOf(before.edge, agent.running.usage);
  const hub = differenceOf(before.hub, site.hub.usage);
  const link = await site.linkBytes();
  isOver = true;
  const probed = await probing;
  // What was not drained has no rate.
  if (isWhole) {
    add('drain, time', 's', seconds);
    add('drain, rate', 'readings/s', sent.sent / seconds);
    add('drain, CPU edge', 'CPU-s/M', (edge.cpuSeconds / sent.sent) * 1e6);
    add('drain, CPU hub', 'CPU-s/M', (hub.cpuSeconds / sent.sent) * 1e6);
    add('drain, link up', 'B/reading', (link.bytesUp - linkBefore.bytesUp) / sent.sent);
    add('drain, publish → queryable p50', 'ms', percentile(probed.latenciesMs, 0.5));
    add('drain, publish → queryable max', 'ms', percentile(probed.latenciesMs, 1));
    add('drain, probes', '', probed.latenciesMs.length);
  }
  add('drain, RSS peak edge', 'MB', agent.running.usage.peakRssBytes / 1e6);
  add('drain, RSS peak hub', 'MB', site.hub.usage.peakRssBytes / 1e6);
  const readings = sent.sent + probed.latenciesMs.length;
  if (isWhole) await untilApplied(site.httpUrl, readings);
  add('lost', 'readings', await lossAtHub(site.httpUrl, readings, sent.sumHundredths + probed.sumHundredths));
}

function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
