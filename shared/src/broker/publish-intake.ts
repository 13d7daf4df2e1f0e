/**
 * The way of one publish from the broker to the consumer and back: permission, the QoS 2 duplicate check, the consumer's `done`.
 * The broker holds the ack until the callback is called, and closes the connection when it is called with an error.
 */
import { invariant } from '../errors.ts';
import { topicProblem } from '../topic-filter.ts';
import type { BrokerCounts } from './broker-counts.ts';
import type { BrokerOptions, InboundPublish, PublishVerdict } from './broker-port.ts';
import type { GateStream } from './gate-stream.ts';
import { fingerprintOf, type Session, type Unreleased } from './sessions.ts';

/** What aedes gives its hooks of a PUBLISH or a will. */
export interface HookPacket {
  /** A will has none. */
  cmd?: string;
  topic: string;
  payload: Buffer | string;
  qos: 0 | 1 | 2;
  retain: boolean;
  dup?: boolean;
  messageId?: number;
  /** Remaining length of the frame; a will has none. */
  length?: number;
}

export type HookCallback = (error?: Error | null) => void;

export interface Connection<Identity> {
  readonly id: number;
  readonly stream: GateStream;
  readonly address: string;
  /** '' until CONNECT was read. */
  clientId: string;
  /** Undefined until it was authenticated. */
  principal: { readonly identity: Identity } | undefined;
  session: Session | undefined;
  /** CONNACK was sent. */
  isReady: boolean;
  isWithoutId: boolean;
}

/** Ends the connection: the publish was not taken. */
export class PublishRefused extends Error {
  constructor() {
    super('publish refused');
  }
}

/** Nobody can subscribe to it, so what is published to it is acked and gone. */
const discardTopic = '$dropped';

export type IntakeOptions<Identity> = Pick<
  BrokerOptions<Identity>,
  'limits' | 'mayPublish' | 'onForbiddenPublish' | 'onPublish'
>;

export class PublishIntake<Identity> {
  readonly #options: IntakeOptions<Identity>;
  readonly #counts: BrokerCounts;

  constructor(options: IntakeOptions<Identity>, counts: BrokerCounts) {
    this.#options = options;
    this.#counts = counts;
  }

  receive(connection: Connection<Identity>, session: Session, packet: HookPacket, callback: HookCallback): void {
    const isWill = packet.cmd !== 'publish';
    // The broker checked the topic of a PUBLISH for wildcards, and that of a will for nothing.
    if (packet.topic.includes('\0') || (isWill && topicProblem(packet.topic) !== undefined)) {
      this.#counts.add('malformed_topic');
      callback(new PublishRefused());
      return;
    }
    const { identity } = principalOf(connection);
    if (packet.topic.startsWith('$') || !this.#options.mayPublish(identity, packet.topic)) {
      this.#forbid(connection, session, packet, isWill, callback);
    } else if (packet.qos === 2 && !isWill) {
      this.#receiveQos2(connection, session, packet, callback);
    } else {
      this.#hand(connection, packet, isWill, (verdict) => callback(verdict === 'ok' ? null : new PublishRefused()));
    }
  }

  #forbid(
    connection: Connection<Identity>,
    session: Session,
    packet: HookPacket,
    isWill: boolean,
    callback: HookCallback,
  ): void {
    this.#counts.add('forbidden_publish');
    this.#counts.logOnce('forbidden_publish', connection, `a publish to ${packet.topic} was refused`);
    if (isWill || this.#options.onForbiddenPublish === 'disconnect') {
      callback(new PublishRefused());
      return;
    }
    packet.topic = discardTopic;
    packet.payload = Buffer.alloc(0);
    packet.retain = false;
    if (packet.qos === 2 && packet.messageId !== undefined) {
      if (!session.unreleased.has(packet.messageId) && this.#isFull(session)) {
        callback(new PublishRefused());
        return;
      }
      // Booked as taken, so that its release finds it.
      const entry = { fingerprint: discardTopic, isTaken: true, isStored: false, waiters: [] };
      session.unreleased.set(packet.messageId, entry);
    }
    callback(null);
  }

  /** Comes here for redeliveries too; only a message that is new goes on to the consumer. */
  #receiveQos2(connection: Connection<Identity>, session: Session, packet: HookPacket, callback: HookCallback): void {
    const { unreleased } = session;
    const { messageId } = packet;
    invariant(messageId !== undefined, 'the gate lets no QoS 2 publish without a packet id pass');
    const fingerprint = fingerprintOf(packet.topic, Buffer.from(packet.payload));
    const known = unreleased.get(messageId);
    if (known !== undefined && known.fingerprint === fingerprint) {
      this.#counts.add('qos2_redelivery');
      const answer = (error?: Error): void => {
        // The broker answers it without publishing it, and so will not report it as published.
        if (packet.length !== undefined) connection.stream.settle(packet.length);
        callback(error ?? null);
      };
      if (known.isStored) answer();
      else known.waiters.push(answer);
      return;
    }
    // A known id with another message: the client lost its state and counts its packet ids anew.
    if (known !== undefined) this.#counts.add('qos2_id_reused');
    else if (this.#isFull(session)) {
      callback(new PublishRefused());
      return;
    }
    const entry: Unreleased = { fingerprint, isTaken: false, isStored: false, waiters: [] };
    unreleased.set(messageId, entry);
    this.#hand(connection, packet, false, (verdict) => {
      if (verdict === 'ok') {
        entry.isTaken = true;
        callback(null);
        return;
      }
      if (unreleased.get(messageId) === entry) unreleased.delete(messageId);
      callback(new PublishRefused());
      for (const refuse of entry.waiters.splice(0)) refuse(new PublishRefused());
    });
  }

  #isFull(session: Session): boolean {
    const isFull = session.unreleased.size >= this.#options.limits.unreleasedMax;
    if (isFull) this.#counts.add('unreleased_max');
    return isFull;
  }

  #hand(
    connection: Connection<Identity>,
    packet: HookPacket,
    isWill: boolean,
    answer: (verdict: PublishVerdict) => void,
  ): void {
    const message: InboundPublish<Identity> = {
      identity: principalOf(connection).identity,
      clientId: connection.clientId,
      connection: connection.id,
      topic: packet.topic,
      payload: typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload,
      qos: packet.qos,
      retain: packet.retain,
      isDuplicateFlag: packet.dup === true,
      isWill,
    };
    let isAnswered = false;
    const done = (verdict: PublishVerdict): void => {
      invariant(!isAnswered, 'a publish was answered twice');
      isAnswered = true;
      if (verdict === 'close' && !connection.stream.destroyed) this.#counts.add('publish_refused');
      answer(verdict);
    };
    try {
      this.#options.onPublish(message, done);
    } catch (error) {
      // A bug of the consumer: it must crash the process, and not end as a closed connection in the parser's guard.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

export function principalOf<Identity>(connection: Connection<Identity>): { readonly identity: Identity } {
  invariant(connection.principal !== undefined, 'a client acts before it was authenticated');
  return connection.principal;
}
