/** mosquitto at the edge, bridged to a mosquitto at the hub, whose subscriber stores in SQLite. */

import { untilListening } from '../kit/listening.ts';
import { Running } from '../kit/running.ts';
import { freePort } from '../kit/site.ts';
import { brokeredSystem, startSink, writeConfig } from './brokered.ts';
import type { SystemKind } from './system.ts';

/** No limit of its own loses or delays a message; a dead link is noticed within seconds. */
const both = `allow_anonymous true
log_type error
max_queued_messages 0
max_inflight_messages 0
persistence true
autosave_interval 1800
set_tcp_nodelay true
`;
const bridge = `connection hub
topic sensors/# out 1
cleansession false
bridge_protocol_version mqttv311
notifications false
keepalive_interval 5
restart_timeout 1
start_type automatic
`;

export const mosquitto: SystemKind = {
  title: 'mosquitto bridge → mosquitto → SQLite',
  doors: ['mqtt'],
  needs: [{ program: 'mosquitto', packageName: 'mosquitto' }],
  durable:
    'nothing at the edge: acked from RAM, saved every 30 minutes; the consumer at the hub (mqtt.js) acks before its COMMIT, which has synchronous=FULL',
  configuration: `# both\n${both}# edge\n${bridge}# consumer: mqtt.js, JSON.parse, transactions of 1,000 or 20 ms, synchronous=FULL`,
  async start(place) {
    const [hubPort, port] = [await freePort(), await freePort()];
    const start = (name: string, listen: number, more: string): Running => {
      const where = `listener ${listen} 127.0.0.1\npersistence_location ${place.folder}/\npersistence_file ${name}.db\n`;
      return new Running(name, 'mosquitto', ['-c', writeConfig(place, `${name}.conf`, `${both}${where}${more}`)]);
    };
    const hub = start('mosquitto-hub', hubPort, '');
    await untilListening(hubPort);
    const sink = await startSink(place, 'mqtt', hubPort);
    const edge = start('mosquitto-edge', port, `${bridge}address 127.0.0.1:${await place.link(hubPort)}\n`);
    await untilListening(port);
    return brokeredSystem({ edge, hub, sink, port });
  },
};
