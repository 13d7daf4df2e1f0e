/** Fogline: every reading as one stream beside a window of ten seconds, profile `prompt`. */
import { appliedAtHub, heldAtHub, seriesAtHub } from '../kit/hub-count.ts';
import { freePort, Site } from '../kit/site.ts';
import type { Door, Stored, System, SystemKind } from './system.ts';

const sources: Readonly<Record<Door, { readonly source: string; readonly match: string }>> = {
  mqtt: { source: 'climate', match: 'temperature{stream="live"}' },
  lines: { source: 'telegraf', match: 'climate_temperature{stream="lines"}' },
};
const pipelines = [
  'live: { from: climate }',
  'lines: { from: telegraf }',
  'mean: { from: climate, window: { every: 10s } }',
  'lines_mean: { from: telegraf, window: { every: 10s } }',
];

export const fogline: SystemKind = {
  title: 'Fogline',
  doors: ['mqtt', 'lines'],
  needs: [],
  durable: 'edge and hub: COMMIT with synchronous=FULL before each ack',
  configuration: `buffer: { commit: prompt }\npipelines:\n${pipelines.map((line) => `  ${line}`).join('\n')}`,
  async start(place) {
    const site = new Site(place.profile);
    const hubPort = await freePort();
    await site.startHub(hubPort);
    const agent = site.addAgent({ id: 'edge', commit: 'prompt', pipelines }, await place.link(hubPort));
    await agent.start();
    await agent.untilConnected();
    const port = place.door === 'mqtt' ? agent.mqttPort : Number(new URL(agent.writeUrl).port);
    return systemOf(site, agent.running, port, sources[place.door].match);
  },
};

function systemOf(site: Site, edge: Site['hub'], port: number, match: string): System {
  return {
    port,
    usage: () => ({ edge: edge.usage, hub: site.hub.usage }),
    arrived: () => appliedAtHub(site.httpUrl),
    async queryEach() {
      await heldAtHub(site.httpUrl, match);
    },
    stored: () => storedAt(site.httpUrl, match),
    close: () => site.close(),
  };
}

/** Throws when the roll-ups and the readings themselves disagree. */
async function storedAt(httpUrl: string, match: string): Promise<Stored> {
  const times = new Map<string | number, number>();
  let rows = 0;
  let distinct = 0;
  let sumHundredths = 0;
  for await (const { id, columns } of seriesAtHub(httpUrl, { match })) {
    const { time = [], value = [] } = columns;
    rows += time.length;
    // Pages and columns are in the order of time.
    for (const each of time) {
      if (each !== times.get(id)) distinct++;
      times.set(id, each);
    }
    for (const each of value) sumHundredths += Math.round(each * 100);
  }
  const { count } = await heldAtHub(httpUrl, match);
  if (count !== rows) throw new Error(`the hub has ${rows} readings, and ${count} in its roll-ups`);
  return { rows, distinct, sumHundredths };
}
