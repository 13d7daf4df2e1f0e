/**
 * The wire over MQTT 3.1.1, and the only file of the agent that imports mqtt.js: clean session, no reconnect, no resend, no
 * queue. One connection lives until it fails or is closed; then a new client is made. The socket is made here, because
 * mqtt.js's own `connect` loads its WebSocket and SOCKS code as well, which stays in memory.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { messageOf } from '@fogline/shared/errors';
import { type IClientOptions, MqttClient } from 'mqtt';
import { writeToStream } from 'mqtt-packet';
import type { Wire, WireEvents, WireOptions } from './wire.ts';

/** The uplink has a time-out of its own, by a clock that knows when the process was away; mqtt.js's must not come first. */
const connectTimeoutMs = 2 ** 31 - 1;
/** Of an idle connection; while something waits for the hub, the uplink asks sooner. */
const keepaliveS = 30;

// Otherwise the first packet fills a table of 65,536 little buffers: 8 MB for the process. aedes writes by the same module.
writeToStream.cacheNumbers = false;

export interface MqttWireOptions {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** PEM of the authority that signed the hub's certificate; the system's when undefined. */
  readonly ca?: string;
}

export function createMqttWire(options: MqttWireOptions): Wire {
  let current: MqttClient | undefined;
  const close = (): void => {
    const client = current;
    current = undefined;
    client?.removeAllListeners();
    // An error after the end is nobody's business, but an unheard 'error' event would end the process.
    client?.on('error', () => undefined);
    client?.end(true);
  };
  return {
    open(wireOptions, events) {
      close();
      const heard = (): void => {
        if (current === client) events.onHeard();
      };
      const client = new MqttClient(() => socketTo(options, heard), clientOptions(wireOptions));
      current = client;
      listen(client, wireOptions, events, () => current === client, close);
    },
    publish(topic, payload, isRetained, reference) {
      const client = current;
      if (client === undefined) return;
      const published = pending.get(client);
      client.publish(
        topic,
        Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
        { qos: 1, retain: isRetained },
        (error) => {
          if (!error && current === client) published?.(reference);
        },
      );
    },
    ping() {
      current?.sendPing();
      // Who asks decides how long an answer may take.
      current?.reschedulePing(true);
    },
    close,
  };
}

/** Who hears of the acks of a client's publishes. */
const pending = new WeakMap<MqttClient, (reference: number) => void>();

function socketTo({ host, port, isTls, ca }: MqttWireOptions, heard: () => void): Socket {
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = isTls
    ? connectTls({ host, port, rejectUnauthorized: true, ...servername, ...(ca === undefined ? {} : { ca }) })
    : connectTcp({ host, port });
  for (const sign of ['connect', 'secureConnect', 'data']) socket.on(sign, heard);
  return socket;
}

function clientOptions(wire: WireOptions): IClientOptions {
  return {
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    connectTimeout: connectTimeoutMs,
    keepalive: keepaliveS,
    clientId: wire.clientId,
    username: wire.username,
    password: wire.password,
    will: { topic: wire.will.topic, payload: Buffer.from(wire.will.payload), qos: 1, retain: true },
  };
}

function listen(
  client: MqttClient,
  options: WireOptions,
  events: WireEvents,
  isCurrent: () => boolean,
  close: () => void,
): void {
  let problem = 'the connection was closed';
  const fail = (reason: string): void => {
    if (!isCurrent()) return;
    close();
    events.onClose(reason);
  };
  pending.set(client, (reference) => events.onAck(reference));
  client.on('connect', () => {
    client.subscribe([...options.subscribe], { qos: 1 }, (error, granted) => {
      if (!isCurrent()) return;
      if (error) fail(`subscribing failed: ${messageOf(error)}`);
      else if (granted?.some(({ qos }) => qos > 2)) fail('the hub refused the subscription');
      else events.onOpen();
    });
  });
  client.on('message', (topic, payload) => {
    if (isCurrent()) events.onMessage(topic, payload);
  });
  client.on('error', (error) => {
    problem = reasonOf(error);
  });
  client.on('close', () => fail(problem));
}

/** Return codes of CONNACK for who may not connect. */
const refusedCodes: readonly unknown[] = [4, 5];

function reasonOf(error: Error): string {
  return 'code' in error && refusedCodes.includes(error.code)
    ? 'the hub refuses this agent: agent.id is not enrolled there, or the token is not the one it was given'
    : messageOf(error);
}
