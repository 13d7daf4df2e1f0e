/**
 * What ingest's acks wait when others want something of the hub: alone; with 200 viewers, half of them frozen; with heavy queries, one after
 * the other; and alone again, which tells how much of the difference is noise. Generator, hub, viewers and whoever asks are processes of their own.
 */
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures } from '../kit/figures.ts';
import { lossAtHub } from '../kit/hub-count.ts';
import { enrolSenders, Ingest } from '../kit/ingest.ts';
import { argumentsOf, pause, Running } from '../kit/running.ts';
import { freePort, Site } from '../kit/site.ts';
import { liveMetric } from '../load/batch-sender.ts';
import { copyFolder, storeOf, storeOptions } from '../query/folders.ts';
import { hubStoreIn } from '../query/hub-store.ts';
import { heavyPath } from '../query/questions.ts';
import type { Viewed } from './viewers.ts';

const options = {
  ...storeOptions,
  viewers: { type: 'integer', default: 200, help: 'half of them frozen' },
  rate: { type: 'integer', default: 10_000, help: 'readings a second of ingest' },
  seconds: { type: 'integer', default: 10, help: 'of each state' },
  rounds: { type: 'integer', default: 6, help: 'of all states' },
} as const;

const states = ['alone', 'viewers', 'heavy query', 'alone again'] as const;
type State = (typeof states)[number];

const warmUpMs = 5_000;
const script = new URL('./viewers.ts', import.meta.url);

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const { data, content } = storeOf(values);
  const store = await hubStoreIn(data, content);
  const figures = new Figures();
  const site = new Site();
  try {
    copyFolder(store, site.hubFolder);
    const tokens = enrolSenders(site.hubFolder);
    const mqttPort = await freePort();
    await site.startHub(mqttPort, 'forever');
    const ingest = await Ingest.connect({ port: mqttPort, rate: values.rate, tokens });
    const others: Others = {
      url: site.httpUrl,
      heavy: heavyPath(content),
      viewers: values.viewers,
      figures,
    };
    // Not everything is compiled yet.
    ingest.go();
    await pause(warmUpMs);
    await ingest.rest();
    for (let round = 0; round < values.rounds; round++) {
      const p99 = new Map<State, number>();
      for (const state of states) {
        const end = await begin(state, others);
        ingest.go();
        await pause(values.seconds * 1_000);
        const { sent, seconds, ackP50Ms, ackP99Ms, ackMaxMs } = await ingest.rest();
        await end();
        p99.set(state, ackP99Ms);
        figures.add(state, 'sent and acked', 'readings/s', sent / seconds);
        figures.add(state, 'ack p50', 'ms', ackP50Ms);
        figures.add(state, 'ack p99', 'ms', ackP99Ms);
        figures.add(state, 'slowest ack', 'ms', ackMaxMs);
      }
      const of = (state: State): number => p99.get(state) ?? Number.NaN;
      const idle = (of('alone') + of('alone again')) / 2;
      figures.add('ack p99 of that alone', 'viewers', '', of('viewers') / idle);
      figures.add('ack p99 of that alone', 'heavy query', '', of('heavy query') / idle);
      figures.add('ack p99 of that alone', 'noise: alone again', '', of('alone again') / of('alone'));
    }
    figures.add(
      'all',
      'lost',
      'readings',
      await lossAtHub(site.httpUrl, ingest.sent, ingest.sumHundredths, [liveMetric]),
    );
    figures.add('all', 'hub RSS, peak', 'MB', site.hub.usage.peakRssBytes / 1e6);
    await ingest.stop();
  } finally {
    await site.close();
  }
  figures.print({
    bench: 'viewers',
    command: ['npm run bench -- viewers', ...args].join(' '),
    notes: {
      readings: content.readings,
      ingest: `${values.rate} readings/s in 100 batches/s of 20 agents, fsynced before each ack`,
      viewers: `${values.viewers}, half server-sent events, half WebSockets, each of 50 series; half of them never read`,
      'heavy query': heavyPath(content),
    },
  });
}

interface Others {
  readonly url: string;
  readonly heavy: string;
  readonly viewers: number;
  readonly figures: Figures;
}

/** Returns what ends it. */
async function begin(state: State, others: Others): Promise<() => Promise<void>> {
  switch (state) {
    case 'viewers':
      return await beginViewers(others);
    case 'heavy query':
      return beginQueries(others);
    case 'alone':
    case 'alone again':
      return () => Promise.resolve();
  }
}

async function beginViewers({ url, viewers, figures }: Others): Promise<() => Promise<void>> {
  const args = argumentsOf({ port: new URL(url).port, count: viewers, frozen: Math.floor(viewers / 2) });
  const process = new Running('the viewers', script, args);
  await process.line('ready');
  process.say('go');
  return async () => {
    process.say('rest');
    const { bytes, leastBytes, cutOff } = await process.result<Viewed>();
    if (bytes === 0) throw new Error('the viewers saw nothing');
    figures.add('viewers', 'seen by those that read', 'MB', bytes / 1e6);
    figures.add('viewers', 'seen by the one that got least', 'MB', leastBytes / 1e6);
    figures.add('viewers', 'frozen ones cut off', '', cutOff);
    await process.stop('SIGKILL');
  };
}

/** One after the other, each to the last page. */
function beginQueries({ url, heavy, figures }: Others): () => Promise<void> {
  let isOver = false;
  let answers = 0;
  const asking = (async () => {
    while (!isOver) {
      for (let cursor: string | null = ''; cursor !== null && !isOver; ) {
        const response = await fetch(`${url}${heavy}${cursor === '' ? '' : `&cursor=${cursor}`}`);
        const text = await response.text();
        if (!response.ok) throw new Error(`${heavy}: ${response.status} ${text}`);
        answers++;
        cursor = (JSON.parse(text) as { readonly next: string | null }).next;
      }
    }
  })();
  return async () => {
    isOver = true;
    await asking;
    figures.add('heavy query', 'pages answered', '', answers);
  };
}
