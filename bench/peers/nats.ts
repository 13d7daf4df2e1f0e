/**
 * nats-server as a leaf at the edge, taking MQTT into a JetStream stream; the hub's stream sources from it over the leaf connection,
 * which is how its documentation stores and forwards; a consumer stores in SQLite.
 */

import { untilListening } from '../kit/listening.ts';
import { Running } from '../kit/running.ts';
import { freePort } from '../kit/site.ts';
import { brokeredSystem, startSink, writeConfig } from './brokered.ts';
import { NatsClient } from './nats-client.ts';
import { hubStream } from './nats-inbox.ts';
import { type SystemKind, until } from './system.ts';

const edgeStream = 'EDGE';

const hubText = 'jetstream { domain: hub }, leafnodes { port, advertise: the link }, ping_interval: 5s, ping_max: 1';
const edgeText =
  'jetstream { domain: edge }, mqtt { port, max_ack_pending: 65535 }, leafnodes { reconnect: 1, remotes: [hub] }, ping_interval: 5s, ping_max: 1';

export const nats: SystemKind = {
  title: 'nats-server leaf (MQTT, JetStream) → nats-server → SQLite',
  doors: ['mqtt'],
  needs: [{ program: 'nats-server', packageName: 'nats-server' }],
  durable: 'edge and hub: written to files, fsynced every 2 minutes; hub consumer after COMMIT with synchronous=FULL',
  configuration: [
    `# edge\n${edgeText}`,
    `stream ${edgeStream}: subjects sensors.>, file storage`,
    `# hub\n${hubText}`,
    `stream ${hubStream}: source ${edgeStream} of domain edge, file storage`,
    '# consumer: durable, push, ack all, 20,000 pending; transactions of 1,000 or 20 ms, ack after COMMIT',
  ].join('\n'),
  async start(place) {
    const [hubPort, leafPort, edgePort, port] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const start = (name: string, listen: number, more: string): Running => {
      const store = `jetstream { store_dir: "${place.folder}/${name}", domain: ${name} }\n`;
      const text = `listen: 127.0.0.1:${listen}\nserver_name: ${name}\nping_interval: "5s"\nping_max: 1\n${store}${more}`;
      return new Running(`nats-${name}`, 'nats-server', ['-c', writeConfig(place, `${name}.conf`, text)]);
    };
    // A leaf goes on at the address that the hub advertises.
    const linkPort = await place.link(leafPort);
    const own = `listen: "127.0.0.1:${leafPort}", advertise: "127.0.0.1:${linkPort}"`;
    const hub = start('hub', hubPort, `leafnodes { ${own} }\n`);
    await untilListening(hubPort);
    const leaf = `leafnodes { reconnect: 1, remotes: [ { url: "nats-leaf://127.0.0.1:${linkPort}" } ] }\n`;
    const mqtt = `mqtt { listen: "127.0.0.1:${port}", max_ack_pending: 65535 }\n`;
    const edge = start('edge', edgePort, `${leaf}${mqtt}`);
    await untilListening(port);
    await createStreams(edgePort, hubPort);
    const sink = await startSink(place, 'nats', hubPort);
    return brokeredSystem({ edge, hub, sink, port });
  },
};

async function createStreams(edgePort: number, hubPort: number): Promise<void> {
  const edge = new NatsClient(edgePort, () => {});
  const hub = new NatsClient(hubPort, () => {});
  const file = { storage: 'file', retention: 'limits', num_replicas: 1 };
  await edge.request(`$JS.API.STREAM.CREATE.${edgeStream}`, { name: edgeStream, subjects: ['sensors.>'], ...file });
  const external = { api: '$JS.edge.API', deliver: '' };
  const source = { name: edgeStream, external };
  await hub.request(`$JS.API.STREAM.CREATE.${hubStream}`, { name: hubStream, sources: [source], ...file });
  // The edge serves its API over the leaf connection as soon as that stands.
  await until('the hub follows the stream of the edge', async () => {
    const { sources } = await hub.request(`$JS.API.STREAM.INFO.${hubStream}`, null);
    const [first] = (sources ?? []) as { readonly active: number; readonly error?: unknown }[];
    return first !== undefined && first.active >= 0 && first.error === undefined;
  });
  edge.close();
  hub.close();
}
