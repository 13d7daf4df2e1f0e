/**
 * The MQTT door of the agent: one broker on one address, serving one or more sources. Each publish on a source's topic is decoded on
 * the spot; its ack (QoS 1 and 2) leaves when the core released the token that stands for it, which it does once the
 * batch is durable (P1). Everything published is delivered to local subscribers as well, after that. A crash loses what was not acked;
 * its senders send it again.
 */
import { openBroker } from '@fogline/shared/broker/broker';
import type { Broker, BrokerLog, BrokerTls, InboundPublish, PublishVerdict } from '@fogline/shared/broker/broker-port';
import { defaultGateLimits, type GateLimits } from '@fogline/shared/broker/gate-limits';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import type { IngestPort, RejectionListener, SourceControl, Token } from './batch-port.ts';
import { authenticator, checkAccess, type LocalAccess, type LocalIdentity } from './local-access.ts';
import { type Observer, observed } from './observe.ts';
import { SourceBatcher, type SourceOptions } from './source-batcher.ts';

/** A batch waits at most so long for more. */
export const batchWaitMsMax = 10;
/** Topics remembered with their source; beyond it all are looked up anew. */
const routesMax = 20_000;

export interface MqttListenOptions {
  readonly listener: LocalAccess & { readonly port: number };
  readonly sources: readonly SourceOptions[];
  readonly ingest: IngestPort;
  readonly onRejected?: RejectionListener;
  readonly clock: Clock;
  readonly log: BrokerLog;
  readonly tls?: BrokerTls;
  readonly limits?: Partial<GateLimits>;
  /** Sees every publish beside the sources. */
  readonly observer?: Observer;
}

export interface SourceCounters {
  /** Since the start. */
  readonly readings: number;
  readonly series: number;
  /** By reason; see decoders/rejections.ts. */
  readonly rejected: Readonly<Record<string, number>>;
}

export interface MqttListener extends SourceControl {
  readonly port: number;
  readonly address: string;
  /** To local subscribers, not to the sources: alarms and other output of the agent. */
  publish: Broker['publish'];
  isHeard: Broker['isHeard'];
  connectionCount(): number;
  /** Refusals, drops and pauses of the broker by reason, and `topic_unmatched`. */
  counters(): Readonly<Record<string, number>>;
  sourceCounters(source: string): SourceCounters;
  /** Submits what was decoded and closes all connections; what was not acked then will be sent again. */
  close(): Promise<void>;
}

/** @throws FoglineError config_invalid, address_in_use, unavailable. */
export async function openMqttListener(options: MqttListenOptions): Promise<MqttListener> {
  checkAccess(options.listener);
  const door = new Door(options);
  const { listener, clock, log, tls } = options;
  const broker = await openBroker<LocalIdentity>({
    host: listener.host,
    port: listener.port,
    ...(tls === undefined ? {} : { tls }),
    limits: { ...defaultGateLimits, ...options.limits },
    clock,
    log,
    onForbiddenPublish: 'drop',
    authenticate: authenticator(listener),
    mayPublish: () => true,
    maySubscribe: () => true,
    onPublish: observed(options.observer, (message, done) => door.receive(message, done)),
    onDisconnect: ({ connection }) => door.forget(connection),
  });
  return {
    port: broker.port,
    address: broker.address,
    publish: (topic, payload, how) => broker.publish(topic, payload, how),
    isHeard: (topic) => broker.isHeard(topic),
    release: (source, tokens) => door.release(source, tokens),
    pause: () => door.pause(),
    resume: () => door.resume(),
    connectionCount: () => broker.connectionCount(),
    counters: () => ({ ...broker.counters(), topic_unmatched: door.unmatched }),
    sourceCounters: (source) => door.sourceCounters(source),
    async close() {
      door.close();
      await broker.close();
    },
  };
}

type Done = (verdict: PublishVerdict) => void;

/** A publish that came during overload and whose sender can wait. */
interface Held {
  readonly connection: number;
  readonly isWill: boolean;
  readonly source: SourceBatcher;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly done: Done;
}

class Door implements SourceControl {
  readonly #sources: readonly SourceBatcher[];
  readonly #clock: Clock;
  readonly #routes = new Map<string, SourceBatcher | undefined>();
  /** Who waits, by token, per source. Bounded by the gate's budget of pending bytes. */
  readonly #waiting = new Map<string, Map<Token, Done>>();
  #held: Held[] = [];
  #nextToken: Token = 1;
  #isPaused = false;
  #isClosed = false;
  #timer: Timer | undefined;
  unmatched = 0;

  constructor({ sources, ingest, onRejected, clock }: MqttListenOptions) {
    this.#clock = clock;
    this.#sources = sources.map((source) => new SourceBatcher(source, ingest, onRejected));
    for (const { name } of this.#sources) {
      if (this.#waiting.has(name)) {
        throw new FoglineError('config_invalid', `two sources are named "${name}"`, { details: { name } });
      }
      this.#waiting.set(name, new Map());
    }
  }

  receive(message: InboundPublish<LocalIdentity>, done: Done): void {
    const { topic, payload, qos, connection, isWill } = message;
    const source = this.#route(topic);
    if (source === undefined) {
      this.unmatched++;
      done('ok');
      return;
    }
    if (!this.#isPaused) {
      this.#take(source, topic, payload, qos === 0 ? undefined : done);
      if (qos === 0) done('ok');
    } else if (qos === 0) {
      source.drop(topic, payload, 'qos0_dropped_overload');
      done('ok');
    } else {
      this.#held.push({ connection, isWill, source, topic, payload: payload.slice(), done });
    }
  }

  release(source: string, tokens: readonly Token[]): void {
    const waiting = this.#waiting.get(source);
    if (waiting === undefined) return;
    for (const token of tokens) {
      const done = waiting.get(token);
      waiting.delete(token);
      done?.('ok');
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    let taken = 0;
    // Taking may submit a batch, and the core may answer with the next pause.
    for (const { source, topic, payload, done } of this.#held) {
      if (this.#isPaused) break;
      taken++;
      this.#take(source, topic, payload, done);
    }
    this.#held = this.#held.slice(taken);
  }

  /** A connection is gone: what it still waited to hand over will be sent again, and must not be kept for every attempt. */
  forget(connection: number): void {
    const gone = this.#held.filter((entry) => entry.connection === connection && !entry.isWill);
    if (gone.length === 0) return;
    this.#held = this.#held.filter((entry) => entry.connection !== connection || entry.isWill);
    for (const { done } of gone) done('close');
  }

  sourceCounters(name: string): SourceCounters {
    const source = this.#sources.find((candidate) => candidate.name === name);
    if (source === undefined) throw new FoglineError('not_found', `no source is named "${name}"`);
    return { readings: source.readings, series: source.seriesCount, rejected: source.rejections.toObject() };
  }

  close(): void {
    this.#submitAll();
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #take(source: SourceBatcher, topic: string, payload: Uint8Array, done: Done | undefined): void {
    if (this.#isClosed) return;
    let token: Token | undefined;
    if (done !== undefined) {
      token = this.#nextToken++;
      this.#waiting.get(source.name)?.set(token, done);
    }
    source.take(topic, payload, this.#clock.now(), token);
    if (source.hasWork) {
      this.#timer ??= this.#clock.after('mqtt source batch', batchWaitMsMax, () => this.#submitAll());
    }
  }

  #submitAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const source of this.#sources) source.submit();
  }

  /** The source of a topic: the first whose pattern matches. */
  #route(topic: string): SourceBatcher | undefined {
    const known = this.#routes.get(topic);
    if (known !== undefined || this.#routes.has(topic)) return known;
    const source = this.#sources.find((candidate) => candidate.matches(topic));
    if (this.#routes.size >= routesMax) this.#routes.clear();
    this.#routes.set(topic, source);
    return source;
  }
}
