/**
 * The MQTT broker as the rest of Fogline sees it: types only. `broker.ts` opens one (aedes behind a frame gate).
 *
 * Promise (P1): the PUBACK of a QoS 1 publish and the PUBREC of a QoS 2 publish leave only after the consumer called `done`,
 * and in the order in which the publishes arrived on that connection.
 */
import type { Clock } from '../clock.ts';
import type { LaneTaker } from './fast-lane.ts';
import type { GateLimits } from './gate-limits.ts';

/** A pino logger fits. */
export interface BrokerLog {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface BrokerTls {
  readonly key: Buffer | string;
  readonly cert: Buffer | string;
  /** When given, clients must present a certificate signed by it. */
  readonly ca?: Buffer | string;
}

export interface ConnectingClient {
  /** As sent, '' included when the client left the choice to the broker. */
  readonly clientId: string;
  readonly username?: string;
  readonly password?: Uint8Array;
  readonly address: string;
}

export interface InboundPublish<Identity> {
  readonly identity: Identity;
  readonly clientId: string;
  /** Distinguishes two connections of one client id within this process. */
  readonly connection: number;
  readonly topic: string;
  /** A view into a shared buffer: valid until `onPublish` returns; copy what must live longer. */
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** The sender's DUP flag: a hint, never a proof. */
  readonly isDuplicateFlag: boolean;
  /** The last will of a client that vanished; nobody waits for its ack. */
  readonly isWill: boolean;
}

/** 'ok' acks and delivers to local subscribers; 'close' closes the connection without ack. */
export type PublishVerdict = 'ok' | 'close';

export interface BrokerOptions<Identity> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls?: BrokerTls;
  readonly limits: GateLimits;
  readonly clock: Clock;
  readonly log: BrokerLog;
  /**
   * What happens on a publish that `mayPublish` denies; MQTT 3.1.1 knows no negative PUBACK. 'drop' acks and discards it, as
   * mosquitto does: a sensor does not resend for ever. 'disconnect' closes the connection, as AWS IoT does: a publisher that must
   * know its data was not taken (an agent) keeps it. Both are counted and logged once per client.
   */
  readonly onForbiddenPublish: 'disconnect' | 'drop';
  /**
   * Must also decide whether this identity may use this client id: a session belongs to its client id. 'unavailable': nobody may now, and
   * who comes later may be taken.
   */
  authenticate(client: ConnectingClient): Identity | 'refused' | 'unavailable';
  mayPublish(identity: Identity, topic: string): boolean;
  maySubscribe(identity: Identity, filter: string): boolean;
  /**
   * Called once per message, wills included; a QoS 2 redelivery does not come here again. Must not throw. `done` must be called
   * exactly once, at any time; what is delivered to local subscribers is delivered then.
   */
  onPublish(message: InboundPublish<Identity>, done: (verdict: PublishVerdict) => void): void;
  /**
   * Who takes publishes on this topic instead of `onPublish` while nobody has subscribed to it; see fast-lane.ts. Asked once in a
   * while for each topic; the answer must not change.
   */
  lane?(topic: string): LaneTaker | undefined;
  /** The session is ready: CONNACK was sent. */
  onConnect?(client: BrokerClient<Identity>): void;
  /** The granted filters, after SUBACK. */
  onSubscribed?(client: BrokerClient<Identity>, filters: readonly string[]): void;
  /** The connection of a client that was reported by `onConnect` is gone. */
  onDisconnect?(client: BrokerClient<Identity>): void;
}

export interface BrokerClient<Identity> {
  readonly identity: Identity;
  readonly clientId: string;
  readonly connection: number;
}

export interface Broker {
  readonly port: number;
  readonly address: string;
  /** To all subscribers; a retained one replaces what the topic holds. */
  publish(topic: string, payload: Uint8Array | string, options: { qos: 0 | 1 | 2; retain: boolean }): void;
  /** A client that is connected, or whose session waits for it, has subscribed to this topic. */
  isHeard(topic: string): boolean;
  /** Closes the connection of this client, if it has one. */
  disconnect(clientId: string): void;
  connectionCount(): number;
  /** Every refusal, drop and pause, counted by reason since the start, and what went by the fast lane. */
  counters(): Readonly<Record<string, number>>;
  /** Stops listening and closes every connection; wills are not sent, because no device died. */
  close(): Promise<void>;
}
