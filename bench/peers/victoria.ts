/** vmagent at the edge, which takes line protocol and writes on to victoria-metrics at the hub. */

import { Running } from '../kit/running.ts';
import { freePort } from '../kit/site.ts';
import { type Stored, type System, type SystemKind, untilListening } from './system.ts';

const metric = 'climate_temperature';
const agentFlags = ['-remoteWrite.sendTimeout=5s', '-loggerLevel=ERROR'];
const hubFlags = ['-retentionPeriod=1y', '-selfScrapeInterval=0s', '-loggerLevel=ERROR'];

export const victoria: SystemKind = {
  title: 'vmagent → victoria-metrics',
  doors: ['lines'],
  needs: [
    { program: 'vmagent', packageName: 'victoria-metrics' },
    { program: 'victoria-metrics', packageName: 'victoria-metrics' },
  ],
  durable:
    'nothing: vmagent acks from RAM and writes to disk only what the hub does not take; the hub flushes every second',
  configuration: `# edge\nvmagent ${agentFlags.join(' ')}\n# hub\nvictoria-metrics ${hubFlags.join(' ')}`,
  async start(place) {
    const [hubPort, port] = [await freePort(), await freePort()];
    const hub = new Running('victoria-metrics', 'victoria-metrics', [
      ...hubFlags,
      `-storageDataPath=${place.folder}/hub`,
      `-httpListenAddr=127.0.0.1:${hubPort}`,
    ]);
    await untilListening(hubPort);
    const edge = new Running('vmagent', 'vmagent', [
      ...agentFlags,
      `-remoteWrite.url=http://127.0.0.1:${await place.link(hubPort)}/api/v1/write`,
      `-remoteWrite.tmpDataPath=${place.folder}/edge`,
      `-httpListenAddr=127.0.0.1:${port}`,
    ]);
    await untilListening(port);
    return systemOf(edge, hub, port, `http://127.0.0.1:${hubPort}`);
  },
};

function systemOf(edge: Running, hub: Running, port: number, hubUrl: string): System {
  return {
    port,
    usage: () => ({ edge: edge.usage, hub: hub.usage }),
    arrived: () => arrivedAt(hubUrl),
    async queryEach() {
      await get(`${hubUrl}/internal/force_flush`);
      const query = `sum_over_time(${metric}[2d])`;
      const time = String(Math.floor(Date.now() / 1000) + 86_400);
      await get(`${hubUrl}/api/v1/query?${new URLSearchParams({ query, time }).toString()}`);
    },
    async stored() {
      await get(`${hubUrl}/internal/force_flush`);
      return await storedAt(hubUrl);
    },
    async close() {
      for (const process of [edge, hub]) await process.stop('SIGKILL');
    },
  };
}

async function arrivedAt(hubUrl: string): Promise<number> {
  const text = await (await get(`${hubUrl}/metrics`)).text();
  const value = /^vm_rows_inserted_total\{type="promremotewrite"\} (\S+)$/m.exec(text)?.[1];
  if (value === undefined) throw new Error('victoria-metrics does not say how many rows were inserted');
  return Number(value);
}

interface ExportedBlock {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
  readonly timestamps: readonly number[];
}

async function storedAt(hubUrl: string): Promise<Stored> {
  const range = { 'match[]': metric, start: '-2d', end: '2d' };
  const now = Math.floor(Date.now() / 1000);
  const asked = { ...range, start: String(now - 86_400), end: String(now + 172_800) };
  const response = await get(`${hubUrl}/api/v1/export?${new URLSearchParams(asked).toString()}`);
  let rows = 0;
  let distinct = 0;
  let sumHundredths = 0;
  for await (const line of linesOf(response)) {
    const { values, timestamps } = JSON.parse(line) as ExportedBlock;
    rows += values.length;
    // One line a series, in the order of time.
    timestamps.forEach((time, at) => {
      if (at === 0 || time !== timestamps[at - 1]) distinct++;
    });
    for (const value of values) sumHundredths += Math.round(value * 100);
  }
  return { rows, distinct, sumHundredths };
}

async function* linesOf(response: Response): AsyncGenerator<string> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}
