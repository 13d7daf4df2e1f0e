/** vmagent at the edge, which takes line protocol and writes on to victoria-metrics at the hub. */

import { untilListening } from '../kit/listening.ts';
import { Running } from '../kit/running.ts';
import { freePort } from '../kit/site.ts';
import { Victoria, victoriaFlags } from '../kit/victoria.ts';
import type { Stored, System, SystemKind } from './system.ts';

const metric = 'climate_temperature';
const agentFlags = ['-remoteWrite.sendTimeout=5s', '-loggerLevel=ERROR'];

export const victoria: SystemKind = {
  title: 'vmagent → victoria-metrics',
  doors: ['lines'],
  needs: [
    { program: 'vmagent', packageName: 'victoria-metrics' },
    { program: 'victoria-metrics', packageName: 'victoria-metrics' },
  ],
  durable:
    'nothing: vmagent acks from RAM and writes to disk only what the hub does not take; the hub flushes every second',
  configuration: `# edge\nvmagent ${agentFlags.join(' ')}\n# hub\nvictoria-metrics ${victoriaFlags.join(' ')}`,
  async start(place) {
    const hub = await Victoria.start(`${place.folder}/hub`);
    const port = await freePort();
    const edge = new Running('vmagent', 'vmagent', [
      ...agentFlags,
      `-remoteWrite.url=http://127.0.0.1:${await place.link(hub.port)}/api/v1/write`,
      `-remoteWrite.tmpDataPath=${place.folder}/edge`,
      `-httpListenAddr=127.0.0.1:${port}`,
    ]);
    await untilListening(port);
    return systemOf(edge, hub, port);
  },
};

function systemOf(edge: Running, hub: Victoria, port: number): System {
  return {
    port,
    usage: () => ({ edge: edge.usage, hub: hub.running.usage }),
    arrived: () => arrivedAt(hub),
    async queryEach() {
      await hub.flush();
      const query = `sum_over_time(${metric}[2d])`;
      const time = String(Math.floor(Date.now() / 1000) + 86_400);
      await hub.get(`/api/v1/query?${new URLSearchParams({ query, time }).toString()}`);
    },
    async stored() {
      await hub.flush();
      return await storedAt(hub);
    },
    async close() {
      for (const process of [edge, hub]) await process.stop('SIGKILL');
    },
  };
}

async function arrivedAt(hub: Victoria): Promise<number> {
  const text = await hub.get('/metrics');
  const value = /^vm_rows_inserted_total\{type="promremotewrite"\} (\S+)$/m.exec(text)?.[1];
  if (value === undefined) throw new Error('victoria-metrics does not say how many rows were inserted');
  return Number(value);
}

interface ExportedBlock {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
  readonly timestamps: readonly number[];
}

async function storedAt(hub: Victoria): Promise<Stored> {
  const range = { 'match[]': metric, start: '-2d', end: '2d' };
  const now = Math.floor(Date.now() / 1000);
  const asked = { ...range, start: String(now - 86_400), end: String(now + 172_800) };
  const response = await hub.answer(`/api/v1/export?${new URLSearchParams(asked).toString()}`);
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
