/** A subscriber as mqtt.js has it: it acks each message when its handler returned, which is before the commit. */
import { connect } from 'mqtt';
import type { OpenInbox } from './sink.ts';

const filter = 'sensors/#';

export const mqttInbox: OpenInbox = async (port, onMessage) => {
  const client = connect(`mqtt://127.0.0.1:${port}`, { clientId: 'sink', clean: false, keepalive: 60 });
  client.on('message', (_topic, payload) => onMessage(payload.toString()));
  await new Promise<void>((resolve) => void client.once('connect', () => resolve()));
  await client.subscribeAsync(filter, { qos: 1 });
  return { ack: () => {} };
};
