/**
 * What an agent writes to its medium, as the operating system counts it (pages made dirty, by process), with the hub connected and
 * every batch acked. The profile `flash` saves bytes up while little happens; they are used up before anything is counted.
 * All agents run side by side: bytes of a process do not depend on its neighbours.
 */
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { lossAtHub, untilApplied } from '../kit/hub-count.ts';
import { connectLoad } from '../kit/load.ts';
import { differenceOf } from '../kit/process-stats.ts';
import { pause } from '../kit/running.ts';
import { type AgentOptions, type AgentProcess, freePort, Site } from '../kit/site.ts';
import type { PublishResult } from '../load/publisher-process.ts';

const options = {
  seconds: { type: 'integer', default: 60, help: 'of each span; the profile flash checkpoints once a minute' },
  runs: { type: 'integer', default: 3, help: 'spans, one after the other on the same processes' },
} as const;

const rates = [25, 1000] as const;
const profiles: readonly (Omit<AgentOptions, 'id'> & { readonly title: string })[] = [
  { title: 'flash, 1 GiB a day (default)', commit: 'flash' },
  { title: 'flash, 16 MiB a day (least)', commit: 'flash', buffer: ['flash_per_day: 16MiB'] },
  { title: 'prompt', commit: 'prompt' },
];
/** Spends the credit of the default budget within half a minute; a busy machine commits less often, and takes longer. */
const warmUpRate = 1000;
const warmUpSeconds = 8;
const warmUpSecondsMax = 480;
/** Commits a second when only the budget of the day is left. */
const settledCommitsMax = 4;
const secondsPerDay = 86_400;

interface Case {
  readonly title: string;
  readonly rate: number;
  readonly isFlash: boolean;
  readonly agent: AgentProcess;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const figures = new Figures();
  const site = new Site();
  try {
    const hubPort = await freePort();
    await site.startHub(hubPort);
    const cases: Case[] = rates.flatMap((rate) =>
      profiles.map(({ title, ...profile }, index) => ({
        title: `${rate} readings/s, ${title}`,
        rate,
        isFlash: profile.commit === 'flash',
        agent: site.addAgent({ id: `edge-${rate}-${index}`, ...profile }, hubPort),
      })),
    );
    for (const { agent } of cases) await agent.start();
    for (const { agent } of cases) await agent.untilConnected();
    const warmed = await warmUp(cases);
    const measured = await measure(cases, values.seconds, values.runs, figures);
    const all = [...warmed, ...measured];
    const sent = all.reduce((sum, result) => sum + result.sent, 0);
    const sum = all.reduce((total, result) => total + result.sumHundredths, 0);
    await untilApplied(site.httpUrl, sent);
    figures.add('all', 'lost', 'readings', await lossAtHub(site.httpUrl, sent, sum));
    const durable = 'PUBACK after COMMIT with synchronous=FULL; bytes are write_bytes of /proc/PID/io';
    const notes = { data: measured[0]?.source ?? '', durable };
    figures.print({ bench: 'flash', command: ['npm run bench -- flash', ...args].join(' '), notes });
  } finally {
    await site.close();
  }
}

/** Loads every agent until its commits are paced by the budget alone. */
async function warmUp(cases: readonly Case[]): Promise<PublishResult[]> {
  return await Promise.all(
    cases.map(async ({ agent, isFlash }) => {
      const load = { connections: 50, window: 200, rate: warmUpRate, seconds: warmUpSeconds };
      const results: PublishResult[] = [];
      for (let second = 0; ; second += warmUpSeconds) {
        const { commits } = await agent.status();
        // Other devices each time: the times of one device must not run back.
        const publishing = await connectLoad(agent.mqttPort, { ...load, prefix: `warm${second}` });
        results.push(await publishing.start());
        const perSecond = ((await agent.status()).commits - commits) / warmUpSeconds;
        if (!isFlash || perSecond <= settledCommitsMax) break;
        if (second > warmUpSecondsMax) throw new Error(`still ${perSecond} commits a second after ${second} s`);
      }
      return results;
    }),
  ).then((results) => results.flat());
}

async function measure(
  cases: readonly Case[],
  seconds: number,
  runs: number,
  figures: Figures,
): Promise<PublishResult[]> {
  const publishing = await Promise.all(
    cases.map(({ agent, rate }) => {
      const connections = Math.min(rate, 50);
      return connectLoad(agent.mqttPort, { connections, window: 200, rate, seconds: seconds * runs + 2 });
    }),
  );
  const results = publishing.map((each) => each.start());
  await pause(1000);
  for (let round = 0; round < runs; round++) {
    const before = await Promise.all(cases.map(stateOf));
    await pause(seconds * 1000);
    for (const [index, each] of cases.entries()) {
      const start = before[index];
      if (start !== undefined) addSpan(figures, each, start, await stateOf(each));
    }
  }
  return await Promise.all(results);
}

type State = Awaited<ReturnType<typeof stateOf>>;

async function stateOf({ agent }: Case) {
  return { atMs: performance.now(), usage: agent.running.usage, commits: (await agent.status()).commits };
}

function addSpan(figures: Figures, { title, rate }: Case, before: State, after: State): void {
  const seconds = (after.atMs - before.atMs) / 1000;
  const { cpuSeconds, writtenBytes } = differenceOf(before.usage, after.usage);
  figures.add(title, 'written', 'B/reading', writtenBytes / (rate * seconds));
  figures.add(title, 'written a day', 'GB', (writtenBytes / seconds) * (secondsPerDay / 1e9));
  figures.add(title, 'commits', '1/s', (after.commits - before.commits) / seconds);
  figures.add(title, 'CPU', '% of a core', (cpuSeconds / seconds) * 100);
  figures.add(title, 'RSS', 'MB', after.usage.rssBytes / 1e6);
}
