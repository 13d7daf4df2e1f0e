/**
 * A source at a broker that exists already. The agent joins it with a persistent session and QoS 1, and withholds each ack until the
 * readings are durable (P1): what was not acked, over any end of the agent, of the broker or of the link, the broker sends again.
 * During overload acks wait within a bounded window, and then the socket is not read: the broker queues.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { compileTopicPattern, topicMatches } from '@fogline/shared/topic-filter';
import type { ActuatorBroker, CommandHow } from '../actions/local-actuator.ts';
import { BrokerLink, defaultLinkLimits, type LinkLimits, type LinkMessage, type LinkOptions } from './broker-link.ts';
import type { DoorPorts, OpenDoor } from './door.ts';
import { MqttIntake, type Verdict } from './mqtt-intake.ts';
import { type Observer, observed } from './observe.ts';
import type { SourceOptions } from './source-batcher.ts';

const backoff = { baseMs: 500, maxMs: 30_000, healthyMs: 60_000 } as const;

export interface MqttJoinOptions extends DoorPorts {
  readonly broker: JoinedBroker;
  readonly source: SourceOptions;
  /** Sees every message beside the source, but those that the broker had kept: they tell of the past. */
  readonly observer?: Observer;
  readonly random: Random;
  readonly log: Logger;
  readonly limits?: Partial<LinkLimits>;
}

export interface JoinedBroker extends Omit<LinkOptions, 'filters'> {
  /** Filters of what actuators answer, beyond the topics of the source. */
  readonly answers: readonly string[];
}

export interface JoinedDoor extends OpenDoor, ActuatorBroker {}

/** Joins as soon as the broker is there; that it is away is no error. Throws FoglineError config_invalid. */
export function joinBroker(options: MqttJoinOptions): JoinedDoor {
  const member = new Member(options);
  member.connect();
  return member;
}

const nothing = Buffer.alloc(0);

class Member implements JoinedDoor {
  readonly sources: readonly string[];
  readonly #options: MqttJoinOptions;
  readonly #intake: MqttIntake;
  readonly #link: LinkOptions;
  readonly #limits: LinkLimits;
  readonly #backoff: Backoff;
  readonly #hasTime: boolean;
  readonly #receive: ReturnType<typeof observed>;
  readonly #counts = { joined: 0, lost: 0, refused: 0, paused: 0 };
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
    const filters = source.topics.map((topic) => compileTopicPattern(topic).filter);
    this.#link = { ...broker, filters };
    this.#receive = observed(options.observer, (message, done) => {
      if (this.#isAnswer(message.topic)) done('ok');
      else this.#intake.receive(message, done);
    });
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
        onOpen: (granted, refused) => this.#onOpen(granted, refused),
        onMessage: (message, ack) => this.#onMessage(message, connection, ack),
        onPause: () => this.#counts.paused++,
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

  /** With QoS 1, so that it is known to be taken; who listens, the broker alone knows. */
  command(topic: string, payload: string, { isRetained, timeoutMs }: CommandHow, end: (isDone: boolean) => void): void {
    let isEnded = false;
    const settle = (isDone: boolean): void => {
      if (isEnded) return;
      isEnded = true;
      timer.cancel();
      end(isDone);
    };
    const timer = this.#options.clock.after('joined command', timeoutMs, () => settle(false));
    if (this.#current === undefined) settle(false);
    else this.#current.publish(topic, payload, isRetained, settle);
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

  #onOpen(granted: readonly number[], refused: readonly string[]): void {
    const { log } = this.#options;
    this.#openedAt = this.#options.clock.monotonic();
    this.#counts.joined++;
    this.#lastReason = '';
    log.info(this.#address(), 'joined the broker');
    if (refused.length > 0) {
      const fields = { ...this.#address(), filters: refused.join(', ') };
      log.warn(fields, 'the broker refuses the subscription to what an actuator answers: its alarms stay unconfirmed');
    }
    if (granted.includes(0)) {
      log.warn(this.#address(), 'the broker grants QoS 0 only: what it sends while this agent is away is lost');
    }
  }

  #onMessage({ topic, payload, qos, isRetained }: LinkMessage, connection: number, ack: () => void): void {
    const source = this.#intake.route(topic);
    if (source !== undefined && payload === undefined) source.drop(topic, nothing, 'payload_too_large');
    else if (source !== undefined && isRetained && !this.#hasTime)
      source.drop(topic, payload ?? nothing, 'retained_without_time');
    else if (source !== undefined || !isRetained) {
      const arrival = { topic, payload: payload ?? nothing, qos, connection, isWill: false };
      const done = (verdict: Verdict): void => {
        if (verdict === 'ok') ack();
      };
      // What the broker had kept answers no command.
      if (isRetained) this.#intake.receive(arrival, done);
      else this.#receive(arrival, done);
      return;
    }
    ack();
  }

  /** True of what was subscribed to for answers alone. */
  #isAnswer(topic: string): boolean {
    return (
      this.#intake.route(topic) === undefined &&
      this.#options.broker.answers.some((filter) => topicMatches(filter, topic))
    );
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
