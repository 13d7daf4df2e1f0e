/**
 * Single readings from MQTT QoS 1 clients through an agent, a link and a hub: rate, CPU, bytes, memory, latency, loss. Load, agent, link
 * and hub are processes of their own. A run counts only what is queryable at the hub when it ends.
 */
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures, percentile } from '../kit/figures.ts';
import { lossAtHub, untilApplied } from '../kit/hub-count.ts';
import { connectLoad, type Load } from '../kit/load.ts';
import { type Probed, probe } from '../kit/probe.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { printProfile } from '../kit/profile.ts';
import { pause } from '../kit/running.ts';
import { type AgentProcess, freePort, Site } from '../kit/site.ts';

const options = {
  seconds: { type: 'integer', default: 10, help: 'of load in each run' },
  runs: { type: 'integer', default: 3, help: 'of each scenario' },
  scenario: { type: 'text', help: 'only these, with commas: single-50, single-1000, gateway, paced-1000' },
  window: { type: 'integer', help: 'unacked messages a connection, instead of that of the scenario' },
  profile: {
    type: 'text',
    placeholder: 'DIR',
    help: 'write CPU profiles of agent and hub, and print the heaviest functions',
  },
} as const;

interface Scenario extends Load {
  readonly title: string;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  'single-50': { title: '50 connections, window 200, a write each', connections: 50, window: 200 },
  'single-1000': { title: '1,000 connections, window 10, a write each', connections: 1000, window: 10 },
  gateway: {
    title: '1 connection of 50 devices, window 10,000, coalesced',
    connections: 1,
    devices: 50,
    window: 10_000,
    isCoalesced: true,
  },
  'paced-1000': { title: '1,000 readings/s over 50 connections', connections: 50, window: 200, rate: 1000 },
};

interface Measured {
  readonly notes: Readonly<Record<string, string | number>>;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const names = values.scenario?.split(',') ?? Object.keys(scenarios);
  const figures = new Figures();
  let notes: Measured['notes'] = {};
  for (let round = 0; round < values.runs; round++) {
    for (const name of names) {
      const scenario = scenarios[name];
      if (scenario === undefined)
        throw new Error(`no scenario is called ${name}: ${Object.keys(scenarios).join(', ')}`);
      const window = values.window ?? scenario.window;
      const title = values.window === undefined ? scenario.title : `${scenario.title} (window ${window})`;
      const load = { ...scenario, title, window, seconds: values.seconds };
      ({ notes } = await measure(load, figures, values.profile));
    }
  }
  figures.print({ bench: 'end-to-end', command: ['npm run bench -- end-to-end', ...args].join(' '), notes });
  if (values.profile !== undefined) {
    for (const who of ['agent', 'hub']) printProfile(who, `${values.profile}/${who}`, 25);
  }
}

async function measure({ title, ...load }: Scenario, figures: Figures, profile: string | undefined): Promise<Measured> {
  const site = new Site(profile);
  try {
    const hubPort = await freePort();
    await site.startHub(hubPort);
    const agent = site.addAgent({ id: 'edge', commit: 'prompt' }, await site.startLink(hubPort));
    await agent.start();
    await agent.untilConnected();
    return await measureOn(site, agent, title, load, figures);
  } finally {
    await site.close();
  }
}

async function measureOn(
  site: Site,
  agent: AgentProcess,
  title: string,
  load: Load,
  figures: Figures,
): Promise<Measured> {
  const edge = agent.running;
  const publishing = await connectLoad(agent.mqttPort, load);
  const before = { edge: edge.usage, hub: site.hub.usage, link: await site.linkBytes() };
  const startedMs = performance.now();
  let isOver = false;
  const probing = load.rate === undefined ? undefined : probe(agent.mqttPort, site.httpUrl, () => isOver);
  const result = await publishing.start();
  isOver = true;
  const probed: Probed = (await probing) ?? { latenciesMs: [], sumHundredths: 0 };
  const readings = result.sent + probed.latenciesMs.length;
  await untilApplied(site.httpUrl, readings);
  const seconds = (performance.now() - startedMs) / 1000;
  const after = { edge: edge.usage, hub: site.hub.usage, link: await site.linkBytes() };
  const add = (figure: string, unit: string, sample: number): void => figures.add(title, figure, unit, sample);
  add('sent and queryable at the hub', 'readings/s', readings / seconds);
  add('acked by the edge', 'readings/s', result.sent / result.seconds);
  add('hub has all after the last ack', 's', seconds - result.seconds);
  for (const [name, usage] of Object.entries({
    edge: differenceOf(before.edge, after.edge),
    hub: differenceOf(before.hub, after.hub),
  })) {
    add(`CPU ${name}`, 'CPU-s/M', (usage.cpuSeconds / readings) * 1e6);
    add(`disk ${name}`, 'B/reading', usage.writtenBytes / readings);
  }
  add('CPU load generator', 'CPU-s/M', (result.cpuSeconds / result.sent) * 1e6);
  add('link up', 'B/reading', (after.link.bytesUp - before.link.bytesUp) / readings);
  add('link down', 'B/reading', (after.link.bytesDown - before.link.bytesDown) / readings);
  add('RSS edge, peak', 'MB', after.edge.peakRssBytes / 1e6);
  add('RSS hub, peak', 'MB', after.hub.peakRssBytes / 1e6);
  add('publish → PUBACK p50', 'ms', result.ackP50Ms);
  add('publish → PUBACK p99', 'ms', result.ackP99Ms);
  if (probing !== undefined) {
    add('publish → queryable p50', 'ms', percentile(probed.latenciesMs, 0.5));
    add('publish → queryable p99', 'ms', percentile(probed.latenciesMs, 0.99));
    add('probes', '', probed.latenciesMs.length);
  }
  add('lost', 'readings', await lossAtHub(site.httpUrl, readings, result.sumHundredths + probed.sumHundredths));
  // Reports and acks of the end are no part of the figures, but a clean stop is.
  await pause(100);
  return {
    notes: {
      data: result.source,
      message: `QoS 1, ${result.payloadBytes} B of JSON in a frame of ${result.frameBytes} B, source times with 1 to 4 ms of jitter`,
      durable: 'edge and hub: COMMIT with synchronous=FULL (fsync of the WAL) before each PUBACK; profile prompt',
    },
  };
}
