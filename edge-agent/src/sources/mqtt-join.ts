/**
 * A source at a broker that exists already. The agent joins it with a persistent session and QoS 1, and withholds each ack until the
 * readings are durable (P1): what was not acked, over any end of the agent, of the broker or of the link, the broker sends again.
 * During overload acks wait within a bounded window, and then the socket is not read: the broker queues.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { compileTopicPattern } from '@fogline/shared/topic-filter';
import { BrokerLink, defaultLinkLimits, type LinkLimits, type LinkMessage, type LinkOptions } from './broker-link.ts';
import type { DoorPorts, OpenDoor } from './door.ts';
import { MqttIntake } from './mqtt-intake.ts';
import type { SourceOptions } from './source-batcher.ts';

const backoff = { baseMs: 500, maxMs: 30_000, healthyMs: 60_000 } as const;

export interface MqttJoinOptions extends DoorPorts {
  readonly broker: Omit<LinkOptions, 'filters'>;
  readonly source: SourceOptions;
  readonly random: Random;
  readonly log: Logger;
  readonly limits?: Partial<LinkLimits>;
}

/** Joins as soon as the broker is there; that it is away is no error. Throws FoglineError config_invalid. */
export function joinBroker(options: MqttJoinOptions): OpenDoor {
  const member = new Member(options);
  member.connect();
  return member;
}

const nothing = Buffer.alloc(0);

class Member implements OpenDoor {
  readonly sources: readonly string[];
  readonly #options: MqttJoinOptions;
  readonly #intake: MqttIntake;
  readonly #link: LinkOptions;
  readonly #limits: LinkLimits;
  readonly #backoff: Backoff;
  readonly #hasTime: boolean;
  readonly #counts = { joined: 0, lost: 0, refused: 0 };
  #current: BrokerLink | undefined;
  #connection = 0;
  #openedAt: number | undefined;
  #lastReason = '';
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: MqttJoinOptions) {
    const { source, broker, random, limits } = options;
    this.#options = options;
    this.#intake = new MqttIntake([source], options);
    this.sources = this.#intake.names;
    this.#link = { ...broker, filters: source.topics.map((topic) => compileTopicPattern(topic).filter) };
    this.#limits = { ...defaultLinkLimits, ...limits };
    this.#backoff = new Backoff(backoff, random);
    this.#hasTime = 'time' in source.parse && source.parse.time !== undefined;
  }

  connect(): void {
    const connection = ++this.#connection;
    this.#openedAt = undefined;
    this.#current = new BrokerLink(
      this.#link,
      this.#limits,
      {
        onOpen: (granted) => this.#onOpen(granted),
        onMessage: (message, ack) => this.#onMessage(message, connection, ack),
        onClose: (reason) => this.#onClose(reason, connection),
      },
      this.#options.clock,
    );
  }

  release(source: string, tokens: readonly number[]): void {
    this.#intake.release(source, tokens);
  }

  pause(): void {
    this.#intake.pause();
  }

  resume(): void {
    this.#intake.resume();
  }

  sourceCounters(name: string): ReturnType<MqttIntake['sourceCounters']> {
    return this.#intake.sourceCounters(name);
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counts, topic_unmatched: this.#intake.unmatched };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#intake.close();
    this.#current?.close();
    return Promise.resolve();
  }

  #onOpen(granted: readonly number[]): void {
    const { log } = this.#options;
    this.#openedAt = this.#options.clock.monotonic();
    this.#counts.joined++;
    this.#lastReason = '';
    log.info(this.#address(), 'joined the broker');
    if (granted.includes(0)) {
      log.warn(this.#address(), 'the broker grants QoS 0 only: what it sends while this agent is away is lost');
    }
  }

  #onMessage({ topic, payload, qos, isRetained }: LinkMessage, connection: number, ack: () => void): void {
    const source = this.#intake.route(topic);
    if (source !== undefined && payload === undefined) source.drop(topic, nothing, 'payload_too_large');
    else if (source !== undefined && isRetained && !this.#hasTime)
      source.drop(topic, payload ?? nothing, 'retained_without_time');
    else {
      const arrival = { topic, payload: payload ?? nothing, qos, connection, isWill: false };
      return this.#intake.receive(arrival, (verdict) => {
        if (verdict === 'ok') ack();
      });
    }
    ack();
  }

  #onClose(reason: string, connection: number): void {
    const { clock, log } = this.#options;
    const healthyForMs = this.#openedAt === undefined ? 0 : clock.monotonic() - this.#openedAt;
    this.#counts[this.#openedAt === undefined ? 'refused' : 'lost']++;
    this.#intake.forget(connection);
    if (this.#isClosed) return;
    // Once for each reason: a broker may be away for long.
    if (reason !== this.#lastReason) log.warn({ ...this.#address(), reason }, 'the broker is not there; trying again');
    this.#lastReason = reason;
    this.#timer = clock.after('join broker', this.#backoff.nextDelayMs(healthyForMs), () => this.connect());
  }

  #address(): { broker: string; source: string } {
    const { host, port } = this.#link;
    return { broker: `${host}:${port}`, source: this.#options.source.name };
  }
}
