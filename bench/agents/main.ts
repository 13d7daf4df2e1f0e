/**
 * A reconnect storm: many real agents (own database, own connection, own backoff) in one process against a hub that is killed, stays away and
 * comes back. How long until all are connected, until everything that was committed meanwhile is there, what it costs the hub.
 */
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { heldAtHub, lossAtHub } from '../kit/hub-count.ts';
import { pause, Running } from '../kit/running.ts';
import { freePort, Site } from '../kit/site.ts';

const options = {
  count: { type: 'integer', default: 1_000, help: 'agents' },
  interval: { type: 'duration', default: 5_000, help: 'mean time between two readings of an agent' },
  away: { type: 'duration', default: 20_000, help: 'how long the hub stays away' },
  'agents-data': {
    type: 'text',
    placeholder: 'DIR',
    help: 'folder for their databases; default one in memory: a thousand agents have a thousand disks',
  },
  runs: { type: 'integer', default: 3, help: 'restarts, one after the other' },
} as const;

interface Status {
  /** When it was so. */
  readonly wallMs: number;
  readonly agents: number;
  readonly connected: number;
  readonly acked: number;
  readonly sumHundredths: number;
  readonly queued: number;
  readonly rssBytes: number;
}

const script = new URL('../../simulators/src/cli.ts', import.meta.url);
const patienceMs = 300_000;
const liveMs = 10_000;
const restMs = 5_000;
const pollMs = 500;

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const { count, interval, away, runs } = values;
  const figures = new Figures();
  const site = new Site();
  const title = `${count} agents, a reading every ${interval / 1000} s, hub away for ${away / 1000} s`;
  try {
    const port = await freePort();
    await site.startHub(port);
    const where = ['--hub', `127.0.0.1:${port}`, '--hub-data', site.hubFolder];
    if (values['agents-data'] !== undefined) where.push('--data', values['agents-data']);
    const crowd = new Running('the agents', script, [
      'agents',
      '--count',
      String(count),
      '--interval',
      `${interval}ms`,
      ...where,
    ]);
    await crowd.line('ready ');
    figures.add(title, 'first connect of all', 's', await seconds(crowd, ({ connected }) => connected === count));
    for (let round = 0; round < runs; round++) {
      await pause(liveMs);
      await site.hub.stop('SIGKILL');
      await pause(away);
      const before = performance.now();
      await site.startHub(port);
      figures.add(title, 'hub ready after its start', 's', (performance.now() - before) / 1000);
      const readyMs = performance.now();
      const sinceReady = (): number => (performance.now() - readyMs) / 1000;
      const { acked } = await until(crowd, ({ connected }) => connected === count);
      figures.add(title, 'all connected after the hub was ready', 's', sinceReady());
      await untilAtHub(site.httpUrl, acked);
      figures.add(title, 'what they had by then at the hub', 's', sinceReady());
      figures.add(title, 'hub RSS, peak', 'MB', site.hub.usage.peakRssBytes / 1e6);
      figures.add(title, 'hub CPU until then', 's', site.hub.usage.cpuSeconds);
    }
    crowd.say('rest');
    // Readings wait up to a second for their commit.
    await pause(restMs);
    const last = await until(crowd, () => true);
    await untilAtHub(site.httpUrl, last.acked);
    figures.add(title, 'agents RSS', 'MB', last.rssBytes / 1e6);
    figures.add(title, 'readings', '', last.acked);
    figures.add(title, 'lost', 'readings', await lossAtHub(site.httpUrl, last.acked, last.sumHundredths));
    await crowd.stop();
  } finally {
    await site.close();
  }
  figures.print({
    bench: 'agents',
    command: ['npm run bench -- agents', ...args].join(' '),
    notes: {
      durable: 'agents and hub: synchronous=FULL',
      medium: values['agents-data'] ?? 'agents: memory; hub: disk',
    },
  });
}

async function seconds(crowd: Running, condition: (status: Status) => boolean): Promise<number> {
  const startedMs = performance.now();
  await until(crowd, condition);
  return (performance.now() - startedMs) / 1000;
}

/** So many readings are at the hub. */
async function untilAtHub(httpUrl: string, readings: number): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const { count } = await heldAtHub(httpUrl);
    if (count >= readings) return;
    if (performance.now() > deadlineMs) throw new Error(`${count} of ${readings} readings at the hub`);
    await pause(pollMs);
  }
}

async function until(crowd: Running, condition: (status: Status) => boolean): Promise<Status> {
  const deadlineMs = performance.now() + patienceMs;
  let status: Status | undefined;
  const sinceMs = Date.now();
  while (performance.now() < deadlineMs) {
    status = JSON.parse(await crowd.line('{"atMs"')) as Status;
    // What was said before now is of no interest.
    if (status.wallMs >= sinceMs && condition(status)) return status;
  }
  throw new Error(`not within ${patienceMs / 1000} s; the agents last said ${JSON.stringify(status)}`);
}
