/**
 * The standard questions over more than a hundred million readings, asked over HTTP of a hub and of victoria-metrics with the same readings,
 * by turns in one run; both idle, then each while 10,000 readings a second come in. Before anything is timed both must give the same
 * answers, reading by reading counted, or the run fails; and afterwards each must hold what it acked.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { parseOptions } from '@fogline/shared/cli-options';
import { Figures, percentile } from '../kit/figures.ts';
import { lossAtHub } from '../kit/hub-count.ts';
import { enrolSenders, Ingest } from '../kit/ingest.ts';
import { pause, type Running } from '../kit/running.ts';
import { freePort, Site } from '../kit/site.ts';
import { Victoria, victoriaFlags } from '../kit/victoria.ts';
import { liveMetric } from '../load/batch-sender.ts';
import type { Content } from './content.ts';
import { copyFolder, storeOf, storeOptions } from './folders.ts';
import { addStoreFigures, hubStoreIn } from './hub-store.ts';
import { type Asked, countQuestion, type Numbers, questionsOver } from './questions.ts';
import { addVictoriaFigures, victoriaStoreIn } from './victoria-store.ts';

const options = {
  ...storeOptions,
  rounds: { type: 'integer', default: 3, help: 'of all questions, idle and under ingest' },
  asks: {
    type: 'integer',
    default: 40,
    help: 'of each question a round; a fourth of that where whole days are asked for',
  },
  rate: { type: 'integer', default: 10_000, help: 'readings a second of ingest' },
  plant: { type: 'integer', default: 0, help: 'so many readings more at victoria-metrics: the run must fail' },
  profile: { type: 'text', placeholder: 'DIR', help: 'CPU profiles of the hub' },
} as const;

/** Rounded once here, added up there. */
const relativeErrorMax = 1e-9;
const warmUpMs = 3_000;

interface Pair {
  readonly hub: Running;
  readonly hubUrl: string;
  readonly victoria: Victoria;
}

export async function run(args: string[]): Promise<void> {
  const { values } = parseOptions(args, options);
  const { data, content } = storeOf(values);
  const { readings } = content;
  const figures = new Figures();
  const hubStore = await hubStoreIn(data, content);
  const victoriaStore = await victoriaStoreIn(data, content);
  addStoreFigures(hubStore, readings, figures);
  addVictoriaFigures(victoriaStore, readings, figures);
  const folder = mkdtempSync(join(data, 'run-'));
  const site = new Site(values.profile);
  let victoria: Victoria | undefined;
  try {
    copyFolder(hubStore, site.hubFolder);
    const tokens = enrolSenders(site.hubFolder);
    const mqttPort = await freePort();
    await site.startHub(mqttPort, 'forever');
    victoria = await Victoria.start(copyFolder(victoriaStore, join(folder, 'victoria')));
    const pair = { hub: site.hub, hubUrl: site.httpUrl, victoria };
    await plant(victoria, values.plant, content);
    await compare(pair, [countQuestion(content), ...questionsOver(content)]);
    const asks = { rounds: values.rounds, asks: values.asks };
    await measure(pair, questionsOver(content), asks, figures, 'idle');
    const ingest = {
      hub: await Ingest.connect({ port: mqttPort, rate: values.rate, tokens }),
      victoria: await Ingest.connect({ port: victoria.port, rate: values.rate }),
    };
    await measure(pair, questionsOver(content), asks, figures, 'under ingest', ingest);
    figures.add(
      'ingest',
      'lost at the hub',
      'readings',
      await lossAtHub(site.httpUrl, ingest.hub.sent, ingest.hub.sumHundredths, [liveMetric]),
    );
    figures.add('ingest', 'lost at victoria-metrics', 'readings', ingest.victoria.sent - (await storedAt(victoria)));
    for (const one of [ingest.hub, ingest.victoria]) await one.stop();
    figures.add('memory', 'hub, RSS at its peak', 'MB', site.hub.usage.peakRssBytes / 1e6);
    figures.add('memory', 'victoria-metrics, RSS at its peak', 'MB', victoria.running.usage.peakRssBytes / 1e6);
  } finally {
    await victoria?.stop();
    await site.close();
    rmSync(folder, { recursive: true, force: true });
  }
  figures.print({
    bench: 'query',
    command: ['npm run bench -- query', ...args].join(' '),
    notes: {
      readings,
      values: content.source,
      ingest: `${values.rate} readings/s; the hub has fsynced what it acks, victoria-metrics has it in memory`,
      'victoria-metrics': victoriaFlags.join(' '),
    },
  });
}

interface Asks {
  readonly rounds: number;
  readonly asks: number;
}

interface Ingests {
  readonly hub: Ingest;
  readonly victoria: Ingest;
}

/** Round by round each question of one, then of the other; both have been asked everything before. */
async function measure(
  { hub, hubUrl, victoria }: Pair,
  questions: readonly Asked[],
  { rounds, asks }: Asks,
  figures: Figures,
  state: string,
  ingests?: Ingests,
): Promise<void> {
  const sides = [
    {
      title: 'hub',
      process: hub,
      url: hubUrl,
      path: (asked: Asked, turn: number) => asked.hub(turn),
      ingest: ingests?.hub,
    },
    {
      title: 'victoria-metrics',
      process: victoria.running,
      url: victoria.url,
      path: (asked: Asked, turn: number) => asked.victoria(turn),
      ingest: ingests?.victoria,
    },
  ];
  for (let round = 0; round < rounds; round++) {
    const medians = new Map<string, number[]>();
    for (const { title, process, url, path, ingest } of sides) {
      ingest?.go();
      if (ingest !== undefined) await pause(warmUpMs);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (const asked of questions) {
        const scenario = `${asked.name}, ${state}`;
        const times: number[] = [];
        const count = asked.isLong === true ? Math.ceil(asks / 4) : asks;
        const { cpuSeconds } = process.usage;
        for (let turn = 0; turn < count; turn++) {
          const beganMs = performance.now();
          await bodyOf(url + path(asked, round * count + turn), agent);
          times.push(performance.now() - beganMs);
        }
        const cpuMs = (process.usage.cpuSeconds - cpuSeconds) * 1_000;
        if (ingest === undefined) figures.add(scenario, `${title}, CPU of an answer`, 'ms', cpuMs / count);
        const p50 = percentile(times, 0.5);
        figures.add(scenario, `${title}, p50`, 'ms', p50);
        figures.add(scenario, `${title}, p99`, 'ms', percentile(times, 0.99));
        medians.set(scenario, [...(medians.get(scenario) ?? []), p50]);
      }
      agent.destroy();
      if (ingest === undefined) continue;
      const { sent, seconds, ackP50Ms, ackP99Ms } = await ingest.rest();
      figures.add('ingest', `${title}, sent and acked`, 'readings/s', sent / seconds);
      figures.add('ingest', `${title}, ack p50`, 'ms', ackP50Ms);
      figures.add('ingest', `${title}, ack p99`, 'ms', ackP99Ms);
    }
    for (const [scenario, [own = Number.NaN, theirs = Number.NaN]] of medians) {
      figures.add(scenario, 'p50 of the hub, of victoria-metrics’', '', own / theirs);
    }
  }
}

/** Throws where the systems do not agree. */
async function compare({ hubUrl, victoria }: Pair, questions: readonly Asked[]): Promise<void> {
  for (const asked of questions) {
    const ours = asked.numbersOfHub(await bodyOf(hubUrl + asked.hub(0)));
    const theirs = asked.numbersOfVictoria(await bodyOf(victoria.url + asked.victoria(0)));
    const problem = differenceOf(ours, theirs);
    if (problem !== undefined) throw new Error(`${asked.name}: hub and victoria-metrics differ: ${problem}`);
  }
}

function differenceOf(ours: Numbers, theirs: Numbers): string | undefined {
  if (ours.size === 0 || ours.size !== theirs.size) return `${ours.size} series, and ${theirs.size}`;
  for (const [name, own] of ours) {
    const other = theirs.get(name) ?? [];
    if (own.length !== other.length) return `${name}: ${own.length} numbers, and ${other.length}`;
    const at = own.findIndex((value, index) => {
      return Math.abs(value - (other[index] ?? Number.NaN)) > relativeErrorMax * Math.abs(value);
    });
    if (at >= 0) return `${name}: ${own[at]}, and ${other[at]}`;
  }
  return undefined;
}

async function plant(victoria: Victoria, count: number, { gateways, endMs }: Content): Promise<void> {
  const [gateway] = gateways;
  if (count === 0 || gateway === undefined) return;
  const metric = { __name__: gateway.metric, agent: gateway.agent, device: gateway.devices[0] };
  const timestamps = Array.from({ length: count }, (_, index) => endMs - 500 - index * 1_000);
  await victoria.post('/api/v1/import', JSON.stringify({ metric, values: timestamps.map(() => 1), timestamps }));
  await victoria.flush();
}

async function storedAt(victoria: Victoria): Promise<number> {
  await victoria.flush();
  const query = `sum(count_over_time(${liveMetric}[1d]))`;
  const time = String(Math.floor(Date.now() / 1_000) + 3_600);
  const answer = await victoria.get(`/api/v1/query?${new URLSearchParams({ query, time, nocache: '1' }).toString()}`);
  const { result } = (JSON.parse(answer) as { data: { result: readonly { value: readonly [number, string] }[] } }).data;
  return Number(result[0]?.value[1] ?? 0);
}

/** The whole body. Throws what is not 200. */
function bodyOf(url: string, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get(url, agent === undefined ? {} : { agent }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${url}: ${response.statusCode} ${text.slice(0, 500)}`));
      });
    });
    asked.on('error', reject);
  });
}
