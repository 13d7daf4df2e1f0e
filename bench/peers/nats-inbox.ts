/** A durable push consumer of the hub's stream; one ack after the commit stands for all before it. */
import { NatsClient } from './nats-client.ts';
import type { OpenInbox } from './sink.ts';

export const hubStream = 'READINGS';
const deliverSubject = 'deliver.sink';

export const natsInbox: OpenInbox = async (port, onMessage) => {
  let lastReply = '';
  const client = new NatsClient(port, (_subject, reply, payload) => {
    lastReply = reply;
    onMessage(payload);
  });
  client.subscribe(deliverSubject);
  await client.request(`$JS.API.CONSUMER.DURABLE.CREATE.${hubStream}.sink`, {
    stream_name: hubStream,
    config: {
      durable_name: 'sink',
      deliver_subject: deliverSubject,
      deliver_policy: 'all',
      ack_policy: 'all',
      ack_wait: 30_000_000_000,
      max_ack_pending: 20_000,
    },
  });
  return {
    ack() {
      client.publish(lastReply, '+ACK');
    },
  };
};
