/**
 * The broker's memory, all of it bounded: retained messages, and the sessions of clients: subscriptions and queued messages of
 * those that asked for a persistent session, and the QoS 2 packet ids received and not yet released. Nothing survives the
 * process: what must, is made durable by the consumer of `onPublish` before the ack.
 *
 * The methods below `setup` are the persistence interface of aedes; their names are its. Those on the way of a publish answer at
 * once, not in a later turn: aedes numbers messages when they are published and takes for a duplicate what reaches a client after
 * a higher number, so a QoS 1 message overtaken by a QoS 0 message, which waits for nothing, would be lost.
 */
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { topicMatches } from '../topic-filter.ts';
import type { GateLimits } from './gate-limits.ts';
import { SubscriptionTree } from './subscription-tree.ts';

export interface StoredPacket {
  cmd: string;
  topic: string;
  payload: Buffer;
  qos: number;
  retain: boolean;
  dup?: boolean;
  brokerId?: string;
  brokerCounter?: number;
  messageId?: number | undefined;
}

interface Subscription {
  topic: string;
  qos: number;
}

interface ClientSubscription extends Subscription {
  clientId: string;
}

/** aedes passes its client object, or only an id. */
interface ClientRef {
  readonly id: string;
}

/** A QoS 2 publish between its arrival and its PUBREL. */
export interface Unreleased {
  /** Of topic and payload: tells a redelivery from a client that lost its state and counts ids from 1 again. */
  readonly fingerprint: string;
  /** The consumer said 'ok'. */
  isTaken: boolean;
  /** The broker took it: from here on a redelivery gets its PUBREC at once. */
  isStored: boolean;
  /** Redeliveries that came before that. */
  readonly waiters: ((error?: Error) => void)[];
}

export interface Session {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly isClean: boolean;
  /** Connections that use it: 0 offline, 2 while one takes over from another. */
  connections: number;
  /** Filters that were granted; aedes asks to store refused ones too. */
  readonly granted: Set<string>;
  readonly subscriptions: Map<string, number>;
  outgoing: StoredPacket[];
  outgoingBytes: number;
  readonly unreleased: Map<number, Unreleased>;
}

export class Sessions {
  readonly #limits: GateLimits;
  readonly #count: (reason: string) => void;
  readonly #byClientId = new Map<string, Session>();
  readonly #ofClient = new WeakMap<object, Session>();
  readonly #tree = new SubscriptionTree();
  readonly #retained = new Map<string, StoredPacket>();
  #retainedBytes = 0;

  constructor(limits: GateLimits, count: (reason: string) => void) {
    this.#limits = limits;
    this.#count = count;
  }

  /** A client was authenticated: opens or resumes its session. A session never passes to another user. */
  begin(client: ClientRef, isClean: boolean, username: string | undefined): Session {
    const old = this.#byClientId.get(client.id);
    if (old !== undefined && !isClean && old.username === username) {
      old.connections++;
      this.#ofClient.set(client, old);
      return old;
    }
    if (old !== undefined) this.#forget(old);
    const session: Session = {
      clientId: client.id,
      username,
      isClean,
      connections: 1,
      granted: new Set(),
      subscriptions: new Map(),
      outgoing: [],
      outgoingBytes: 0,
      unreleased: new Map(),
    };
    this.#ofClient.set(client, session);
    if (!isClean) {
      this.#byClientId.set(client.id, session);
      this.#evict();
    }
    return session;
  }

  /** A connection that began is gone. */
  end(session: Session): void {
    session.connections--;
    if (session.connections > 0 || this.#byClientId.get(session.clientId) !== session) return;
    // The end of the map is who left last.
    this.#byClientId.delete(session.clientId);
    this.#byClientId.set(session.clientId, session);
  }

  of(client: object): Session | undefined {
    return this.#ofClient.get(client);
  }

  /** A persistent session has subscribed to it. */
  isAwaited(topic: string): boolean {
    return this.#tree.match(topic).size > 0;
  }

  /** A filter that may no longer be held, in whatever state it is. */
  revoke(session: Session, filter: string): void {
    session.granted.delete(filter);
    session.subscriptions.delete(filter);
    this.#tree.delete(filter, session.clientId);
  }

  #evict(): void {
    if (this.#byClientId.size <= this.#limits.sessionsMax) return;
    for (const session of this.#byClientId.values()) {
      if (session.connections > 0) continue;
      this.#count('session_evicted');
      this.#forget(session);
      return;
    }
  }

  #forget(session: Session): void {
    for (const filter of session.subscriptions.keys()) this.#tree.delete(filter, session.clientId);
    session.subscriptions.clear();
    if (this.#byClientId.get(session.clientId) === session) this.#byClientId.delete(session.clientId);
  }

  async setup(_broker: unknown): Promise<void> {}

  storeRetained(packet: StoredPacket): PromiseLike<void> {
    this.#retain(packet);
    return settled(undefined);
  }

  #retain(packet: StoredPacket): void {
    const old = this.#retained.get(packet.topic);
    const oldBytes = old === undefined ? 0 : retainedBytes(old);
    if (packet.payload.length === 0) {
      this.#retained.delete(packet.topic);
      this.#retainedBytes -= oldBytes;
      return;
    }
    const copy = copyOf(packet);
    const bytes = this.#retainedBytes - oldBytes + retainedBytes(copy);
    const isNewTopicTooMany = old === undefined && this.#retained.size >= this.#limits.retainedTopicsMax;
    if (isNewTopicTooMany || bytes > this.#limits.retainedBytesMax) {
      // What the topic held is out of date now: nothing is better than a stale value.
      this.#retained.delete(packet.topic);
      this.#retainedBytes -= oldBytes;
      this.#count('retained_dropped');
      return;
    }
    this.#retained.set(packet.topic, copy);
    this.#retainedBytes = bytes;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retainedBy(filters));
  }

  createRetainedStream(filter: string): Readable {
    return Readable.from(this.#retainedBy([filter]));
  }

  *#retainedBy(filters: readonly string[]): Generator<StoredPacket> {
    for (const filter of filters) {
      const exact = this.#retained.get(filter);
      if (exact !== undefined) yield exact;
      if (!/[+#]/.test(filter)) continue;
      for (const packet of this.#retained.values()) if (topicMatches(filter, packet.topic)) yield packet;
    }
  }

  async addSubscriptions(client: ClientRef, subscriptions: readonly Subscription[]): Promise<void> {
    const session = this.#ofClient.get(client);
    if (session === undefined || session.isClean) return;
    for (const { topic, qos } of subscriptions) {
      if (!session.granted.has(topic)) continue;
      session.subscriptions.set(topic, qos);
      if (qos > 0) this.#tree.set(topic, session.clientId, qos);
      else this.#tree.delete(topic, session.clientId);
    }
  }

  async removeSubscriptions(client: ClientRef, filters: readonly string[]): Promise<void> {
    const session = this.#ofClient.get(client);
    if (session === undefined) return;
    for (const filter of filters) this.revoke(session, filter);
  }

  async subscriptionsByClient(client: ClientRef): Promise<Subscription[]> {
    const session = this.#byClientId.get(client.id);
    return session === undefined ? [] : [...session.subscriptions].map(([topic, qos]) => ({ topic, qos }));
  }

  subscriptionsByTopic(topic: string): PromiseLike<ClientSubscription[]> {
    if (this.#tree.size === 0) return settled([]);
    return settled([...this.#tree.match(topic)].map(([clientId, qos]) => ({ clientId, topic, qos })));
  }

  async cleanSubscriptions(client: ClientRef): Promise<void> {
    const session = this.#byClientId.get(client.id);
    if (session !== undefined) this.#forget(session);
  }

  async countOffline(): Promise<{ subsCount: number; clientsCount: number }> {
    return { subsCount: this.#tree.size, clientsCount: this.#byClientId.size };
  }

  outgoingEnqueue(subscription: { clientId: string; qos?: number }, packet: StoredPacket): PromiseLike<void> {
    this.#enqueue(subscription.clientId, subscription.qos ?? packet.qos, packet);
    return settled(undefined);
  }

  outgoingEnqueueCombi(subscriptions: readonly ClientSubscription[], packet: StoredPacket): PromiseLike<void> {
    for (const { clientId, qos } of subscriptions) this.#enqueue(clientId, qos, packet);
    return settled(undefined);
  }

  #enqueue(clientId: string, qosMax: number, packet: StoredPacket): void {
    const session = this.#byClientId.get(clientId);
    if (session === undefined) return;
    const copy = copyOf(packet);
    copy.qos = Math.min(qosMax, packet.qos);
    const bytes = session.outgoingBytes + copy.payload.length;
    if (session.outgoing.length >= this.#limits.offlineMessagesMax || bytes > this.#limits.offlineBytesMax) {
      this.#count('offline_queue_full');
      return;
    }
    session.outgoing.push(copy);
    session.outgoingBytes = bytes;
  }

  /**
   * A queued message was given its packet id, or was answered by PUBREC and waits as PUBREL. When the queue was full as it came,
   * there is none: an online client gets it all the same, without a redelivery.
   */
  outgoingUpdate(client: ClientRef, packet: StoredPacket): PromiseLike<void> {
    const outgoing = this.#byClientId.get(client.id)?.outgoing ?? [];
    for (let i = outgoing.length - 1; i >= 0; i--) {
      const queued = outgoing[i] as StoredPacket;
      if (packet.brokerId !== undefined && queued.brokerId === packet.brokerId) {
        if (queued.brokerCounter !== packet.brokerCounter) continue;
        queued.messageId = packet.messageId;
        break;
      }
      if (queued.messageId === packet.messageId) {
        outgoing[i] = { ...packet, payload: queued.payload };
        break;
      }
    }
    return settled(undefined);
  }

  /** aedes calls it without a packet id for a duplicate that it does not deliver; then nothing is cleared. */
  async outgoingClearMessageId(client: ClientRef, packet: { messageId?: number }): Promise<StoredPacket | undefined> {
    const session = this.#byClientId.get(client.id);
    if (session === undefined || packet.messageId === undefined) return undefined;
    const index = session.outgoing.findIndex((queued) => queued.messageId === packet.messageId);
    if (index < 0) return undefined;
    const [removed] = session.outgoing.splice(index, 1);
    session.outgoingBytes -= removed?.payload.length ?? 0;
    return removed;
  }

  outgoingStream(client: ClientRef): Readable {
    return Readable.from([...(this.#byClientId.get(client.id)?.outgoing ?? [])]);
  }

  async incomingStorePacket(client: object, packet: { messageId: number }): Promise<void> {
    const entry = this.#ofClient.get(client)?.unreleased.get(packet.messageId);
    if (entry === undefined || !entry.isTaken) return;
    entry.isStored = true;
    for (const resume of entry.waiters.splice(0)) queueMicrotask(() => resume());
  }

  /** @throws when there is none: aedes asks this way whether a publish is new. */
  async incomingGetPacket(client: object, packet: { messageId: number; cmd: string }): Promise<object> {
    const unreleased = this.#ofClient.get(client)?.unreleased;
    const entry = unreleased?.get(packet.messageId);
    if (entry?.isStored === true) return entry;
    // Released before its PUBREC: the client gave the message up, the id is free again.
    if (packet.cmd === 'pubrel') unreleased?.delete(packet.messageId);
    throw new Error('not received yet');
  }

  async incomingDelPacket(client: object, packet: { messageId: number }): Promise<void> {
    if (this.#ofClient.get(client)?.unreleased.delete(packet.messageId) !== true) throw new Error('not received');
  }

  async cleanIncoming(client: object): Promise<void> {
    const session = this.#ofClient.get(client);
    if (session?.isClean === true) session.unreleased.clear();
  }

  // A will is kept with its connection, by aedes; storing it serves brokers that take over from one that died.
  async putWill(): Promise<void> {}
  async getWill(): Promise<undefined> {}
  async delWill(): Promise<void> {}

  streamWill(): Readable {
    return Readable.from([]);
  }

  async destroy(): Promise<void> {
    this.#retained.clear();
    this.#byClientId.clear();
  }
}

/** A payload is a view into what the socket delivered: kept longer, it is copied. */
function copyOf(packet: StoredPacket): StoredPacket {
  const copy: StoredPacket = {
    cmd: packet.cmd,
    topic: packet.topic,
    payload: Buffer.from(packet.payload),
    qos: packet.qos,
    retain: packet.retain,
    messageId: packet.messageId,
  };
  if (packet.brokerId !== undefined) copy.brokerId = packet.brokerId;
  if (packet.brokerCounter !== undefined) copy.brokerCounter = packet.brokerCounter;
  return copy;
}

function retainedBytes(packet: StoredPacket): number {
  return packet.payload.length + packet.topic.length;
}

/** Tells messages apart that carry the same packet id. */
export function fingerprintOf(topic: string, payload: Uint8Array): string {
  return hash('sha1', Buffer.concat([Buffer.from(`${topic}\0`), payload]));
}

/** A result that calls back at once, where a promise would wait for the next turn. */
function settled<Value>(value: Value): PromiseLike<Value> {
  return {
    // oxlint-disable-next-line unicorn/no-thenable -- on purpose: aedes calls nothing but `then`.
    then: (resolve) => Promise.resolve(resolve?.(value)) as never,
  };
}
