/**
 * What an agent writes to its medium, as the operating system counts it (pages made dirty, by process), with the hub connected and
 * every batch acked; beside it what the profile costs in latency, link and CPU, from the same minutes. The profile `flash` saves bytes up while
 * little happens: they are used up by a load as heavy as acks allow before anything is counted, because what is left is what a day is like.
 * All agents run side by side: bytes of a process do not depend on its neighbours.
 */
import { parseOptions } from '@fogline/shared/cli-options';
import { systemClock } from '@fogline/shared/clock';
import { type Link, openLink } from '@fogline/simulators/faults/link';
import { Figures } from '../kit/figures.ts';
import { lossAtHub, untilApplied } from '../kit/hub-count.ts';
import { connectLines, connectLoad, type Publishing } from '../kit/load.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';
import { type AgentOptions, type AgentProcess, freePort, Site } from '../kit/site.ts';
import type { PublishResult } from '../load/publisher-process.ts';

const options = {
  seconds: { type: 'integer', default: 180, help: 'of each span; the profile flash checkpoints every three minutes' },
  runs: { type: 'integer', default: 3, help: 'spans, one after the other on the same processes' },
} as const;

const defaultFlash = { title: 'flash, 1 GiB a day (default)', commit: 'flash' } as const;
const leastFlash = { title: 'flash, 16 MiB a day (least)', commit: 'flash', buffer: ['flash_per_day: 16MiB'] } as const;
const prompt = { title: 'prompt', commit: 'prompt' } as const;

type Door = 'mqtt' | 'lines';

/** Lines: 5,000 a request over 20 connections, for each waits a second for its answer. */
const asked: readonly (readonly [rate: number, door: Door, profile: Omit<AgentOptions, 'id'> & { title: string }])[] = [
  [25, 'mqtt', defaultFlash],
  [25, 'mqtt', leastFlash],
  [25, 'mqtt', prompt],
  [1_000, 'mqtt', defaultFlash],
  [1_000, 'mqtt', leastFlash],
  [1_000, 'mqtt', prompt],
  [50_000, 'lines', defaultFlash],
];
/** At full speed the default credit, half an hour's share of the day, lasts for some twenty seconds of a core. */
const warmUpSeconds = 5;
const warmUpSecondsMax = 240;
const secondsPerDay = 86_400;

interface Case {
  readonly title: string;
  readonly rate: number;
  readonly door: Door;
  readonly isFlash: boolean;
  readonly agent: AgentProcess;
  readonly link: Link;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const site = new Site();
  const cases: Case[] = [];
  try {
    const hubPort = await freePort();
    await site.startHub(hubPort);
    for (const each of asked) cases.push(await startCase(site, hubPort, each, cases.length));
    const warmed = await warmUp(cases);
    const measured = await measure(cases, values.seconds, values.runs, figures);
    const all = [...warmed, ...measured];
    await untilApplied(
      site.httpUrl,
      all.reduce((sum, { sent }) => sum + sent, 0),
    );
    for (const [door, match] of [
      ['mqtt', 'temperature'],
      ['lines', 'climate_temperature'],
    ] as const) {
      const own = all.filter((each) => each.door === door);
      const sent = own.reduce((sum, result) => sum + result.sent, 0);
      const hundredths = own.reduce((sum, result) => sum + result.sumHundredths, 0);
      figures.add('all', `lost, ${door}`, 'readings', await lossAtHub(site.httpUrl, sent, hundredths, [match]));
    }
    const durable = 'acked after COMMIT with synchronous=FULL; bytes are write_bytes of /proc/PID/io';
    const notes = { data: measured[0]?.source ?? '', durable };
    figures.print({ bench: 'flash', command: ['npm run bench -- flash', ...args].join(' '), notes });
  } finally {
    await site.close();
    for (const { link } of cases) await link.close();
  }
}

async function startCase(
  site: Site,
  hubPort: number,
  [rate, door, { title, ...profile }]: (typeof asked)[number],
  index: number,
): Promise<Case> {
  const at = { host: '127.0.0.1', port: 0 };
  const link = await openLink({ listen: at, to: { ...at, port: hubPort }, clock: systemClock });
  const agent = site.addAgent({ id: `edge-${index}`, ...profile }, link.port);
  await agent.start();
  await agent.untilConnected();
  const what = door === 'mqtt' ? 'readings/s' : 'readings/s as line protocol';
  return { title: `${rate} ${what}, ${title}`, rate, door, isFlash: profile.commit === 'flash', agent, link };
}

type Counted = PublishResult & { readonly door: Door };

/** Loads every agent of the profile until its commits are paced by the budget alone. */
async function warmUp(cases: readonly Case[]): Promise<Counted[]> {
  const results = await Promise.all(
    cases.map(async ({ agent, isFlash }) => {
      const results: Counted[] = [];
      for (let second = 0; isFlash; second += warmUpSeconds) {
        // Other devices each time: the times of one device must not run back.
        const load = { connections: 10, devices: 5, lines: 1_000, seconds: warmUpSeconds, prefix: `warm${second}` };
        const publishing = await connectLines(Number(new URL(agent.writeUrl).port), load);
        results.push({ ...(await publishing.start()), door: 'lines' });
        const { flashCreditBytes = 0 } = await agent.status();
        if (flashCreditBytes <= 0) break;
        if (second > warmUpSecondsMax) throw new Error(`still ${flashCreditBytes} bytes of credit after ${second} s`);
      }
      return results;
    }),
  );
  return results.flat();
}

function connectCase({ agent, rate, door }: Case, seconds: number): Promise<Publishing> {
  if (door === 'mqtt') {
    return connectLoad(agent.mqttPort, { connections: Math.min(rate, 50), window: 200, rate, seconds });
  }
  const load = { connections: 20, devices: 5, lines: 5_000, rate, seconds };
  return connectLines(Number(new URL(agent.writeUrl).port), load);
}

async function measure(
  cases: readonly Case[],
  seconds: number,
  runs: number,
  figures: Figures,
): Promise<readonly Counted[]> {
  const publishing = await Promise.all(cases.map((each) => connectCase(each, seconds * runs + 2)));
  const results = publishing.map((each) => each.start());
  await pause(1000);
  const states = [await Promise.all(cases.map(stateOf))];
  for (let round = 0; round < runs; round++) {
    await pause(seconds * 1000);
    states.push(await Promise.all(cases.map(stateOf)));
  }
  const published = await Promise.all(results);
  return published.map((result, index) => {
    const { title, door } = cases[index] as Case;
    // A machine that is too busy for the rate sends less.
    const perSecond = result.sent / Math.max(result.seconds, seconds * runs + 2);
    const own = states.map((each) => each[index] as State);
    own.slice(1).forEach((after, round) => addSpan(figures, title, perSecond, own[round] as State, after));
    figures.add(title, 'sent', 'readings/s', perSecond);
    figures.add(title, 'message → ack p50', 'ms', result.ackP50Ms);
    figures.add(title, 'message → ack p99', 'ms', result.ackP99Ms);
    return { ...result, door };
  });
}

type State = Awaited<ReturnType<typeof stateOf>>;

async function stateOf({ agent, link }: Case) {
  const { bytesUp, bytesDown } = link.stats();
  const { commits } = await agent.status();
  return { atMs: performance.now(), usage: agent.running.usage, commits, linkBytes: bytesUp + bytesDown };
}

function addSpan(figures: Figures, title: string, perSecond: number, before: State, after: State): void {
  const seconds = (after.atMs - before.atMs) / 1000;
  const { cpuSeconds, writtenBytes } = differenceOf(before.usage, after.usage);
  figures.add(title, 'written', 'B/reading', writtenBytes / (perSecond * seconds));
  figures.add(title, 'written a day', 'GB', (writtenBytes / seconds) * (secondsPerDay / 1e9));
  figures.add(title, 'commits', '1/s', (after.commits - before.commits) / seconds);
  figures.add(title, 'link, both ways', 'B/reading', (after.linkBytes - before.linkBytes) / (perSecond * seconds));
  figures.add(title, 'CPU', '% of a core', (cpuSeconds / seconds) * 100);
  figures.add(title, 'RSS', 'MB', after.usage.rssBytes / 1e6);
}
