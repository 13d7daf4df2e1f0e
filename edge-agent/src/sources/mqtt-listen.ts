/**
 * The MQTT door of the agent: one broker on one address, serving one or more sources. Each publish on a source's topic is decoded on
 * the spot; its ack (QoS 1 and 2) leaves when the core released the token that stands for it, which it does once the
 * batch is durable (P1). Everything published is delivered to local subscribers as well, after that. A crash loses what was not acked;
 * its senders send it again.
 */
import { isIPv6 } from 'node:net';
import { openBroker } from '@fogline/shared/broker/broker';
import type { BrokerLog, BrokerTls } from '@fogline/shared/broker/broker-port';
import { defaultGateLimits, type GateLimits } from '@fogline/shared/broker/gate-limits';
import type { ActuatorBroker } from '../actions/local-actuator.ts';
import type { DoorPorts, OpenDoor } from './door.ts';
import { authenticator, checkAccess, type LocalAccess, type LocalIdentity } from './local-access.ts';
import { MqttIntake } from './mqtt-intake.ts';
import { type Observer, observed } from './observe.ts';
import type { SourceOptions } from './source-batcher.ts';

export interface MqttListenOptions extends DoorPorts {
  readonly listener: LocalAccess & { readonly port: number; readonly tls?: BrokerTls };
  readonly sources: readonly SourceOptions[];
  readonly log: BrokerLog;
  readonly limits?: Partial<GateLimits>;
  /** Sees every publish beside the sources. */
  readonly observer?: Observer;
  /** False while the observer would do nothing with any of them; without it, it always might. */
  readonly isObserving?: () => boolean;
}

/** Commands go to local subscribers, not to the sources. */
export interface MqttListener extends OpenDoor, ActuatorBroker {
  readonly port: number;
  readonly address: string;
  /** `mqtt://host:port` or `mqtts://host:port`. */
  readonly url: string;
  connectionCount(): number;
}

/** @throws FoglineError config_invalid, address_in_use, unavailable. */
export async function openMqttListener(options: MqttListenOptions): Promise<MqttListener> {
  checkAccess('MQTT', options.listener);
  const intake = new MqttIntake(options.sources, options);
  const { listener, clock, log, observer } = options;
  const { isObserving = () => observer !== undefined } = options;
  const { host, port, tls } = listener;
  const broker = await openBroker<LocalIdentity>({
    host,
    port,
    ...(tls === undefined ? {} : { tls }),
    limits: { ...defaultGateLimits, ...options.limits },
    clock,
    log,
    onForbiddenPublish: 'drop',
    authenticate: authenticator(listener),
    mayPublish: () => true,
    maySubscribe: () => true,
    onPublish: observed(observer, (message, done) => intake.receive(message, done)),
    lane: (topic) => intake.laneTaker(topic, isObserving),
    onDisconnect: ({ connection }) => intake.forget(connection),
  });
  return {
    port: broker.port,
    address: broker.address,
    url: `${tls === undefined ? 'mqtt' : 'mqtts'}://${isIPv6(broker.address) ? `[${broker.address}]` : broker.address}:${broker.port}`,
    sources: intake.names,
    command(topic, payload, { qos, isRetained }, end) {
      // To nobody it would be lost: after a restart its actuators are not back yet. What is retained waits for them by itself.
      const isTaken = isRetained || broker.isHeard(topic);
      if (isTaken) broker.publish(topic, payload, { qos, retain: isRetained });
      end(isTaken);
    },
    release: (source, tokens) => intake.release(source, tokens),
    pause: () => intake.pause(),
    resume: () => intake.resume(),
    connectionCount: () => broker.connectionCount(),
    counters: () => ({ ...broker.counters(), topic_unmatched: intake.unmatched }),
    sourceCounters: (source) => intake.sourceCounters(source),
    async close() {
      intake.close();
      await broker.close();
    },
  };
}
