/**
 * The only file of the simulators that imports mqtt. mqtt.js is a wire here, nothing more: clean session, no reconnect, no
 * store; what was not acked when the connection goes is forgotten here and sent again by the lane.
 */
import { FoglineError } from '@fogline/shared/errors';
import mqtt from 'mqtt';
import type { Qos, Session, SessionEvents, Wire } from './wire.ts';

export interface MqttWireOptions {
  /** `mqtt://HOST:PORT` or `mqtts://…`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Pings after this much silence; twice that without an answer ends the connection. */
  readonly keepaliveSeconds: number;
}

const connectTimeoutMs = 10_000;

/** Throws `usage` for a URL that is none. */
export function createMqttWire(options: MqttWireOptions): Wire {
  if (!/^mqtts?:\/\/(\[[0-9A-Fa-f:]+\]|[^/:]+)(:\d{1,5})?\/?$/.test(options.url)) {
    throw new FoglineError('usage', `"${options.url}" is not an MQTT address: write mqtt://127.0.0.1:1883`);
  }
  return { connect: (clientId, events) => new MqttSession(options, clientId, events) };
}

class MqttSession implements Session {
  readonly #client: mqtt.MqttClient;
  readonly #events: SessionEvents;
  #settled: number[] = [];
  #unsettled = 0;
  #reason = 'closed';
  #isClosed = false;

  constructor(options: MqttWireOptions, clientId: string, events: SessionEvents) {
    this.#events = events;
    this.#client = mqtt.connect(options.url, {
      clientId,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      connectTimeout: connectTimeoutMs,
      keepalive: options.keepaliveSeconds,
      // Publishing must not keep a dead connection looking alive.
      reschedulePings: false,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: options.password }),
    });
    this.#client.once('connect', () => events.onOpen());
    this.#client.on('error', (error) => {
      this.#reason = error.message === '' ? 'refused' : error.message;
    });
    this.#client.once('close', () => this.#close());
  }

  publish(handle: number, topic: string, payload: string, qos: Qos): void {
    this.#unsettled++;
    this.#client.publish(topic, payload, { qos }, (error) => {
      this.#unsettled--;
      if (error || this.#isClosed) return;
      if (this.#settled.push(handle) === 1) setImmediate(() => this.#report());
    });
  }

  end(): void {
    // mqtt.js would wait for acks that may never come before it sends DISCONNECT.
    this.#client.end(this.#unsettled > 0);
  }

  /** Everything that was acked in one turn of the event loop goes up as one list. */
  #report(): void {
    if (this.#settled.length === 0) return;
    const settled = this.#settled;
    this.#settled = [];
    this.#events.onSettled(settled);
  }

  #close(): void {
    this.#report();
    this.#isClosed = true;
    this.#client.end(true);
    this.#events.onClosed(this.#reason);
  }
}
