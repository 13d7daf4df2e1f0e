/**
 * One connection to an MQTT broker that the agent joined: a persistent session, QoS 1, and acks that leave when the agent says so, in
 * the order in which the messages came. Not mqtt.js: that hands out a message only after the ack of the one before, so with
 * acks that wait for commits it would take one message a commit, and no answer to a ping meanwhile.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AckQueue } from '@fogline/shared/broker/ack-queue';
import {
  connectFrame,
  disconnectFrame,
  pingFrame,
  pubackFrame,
  publishFrame,
  subscribeFrame,
} from '@fogline/shared/broker/client-frames';
import { packetType } from '@fogline/shared/broker/frame-cutter';
import type { Clock, Timer } from '@fogline/shared/clock';
import { Outgoing } from './outgoing.ts';
import { type Packet, PacketReader } from './packet-reader.ts';

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly clientId: string;
  /** The broker keeps no session: for a look at it, not for a source. */
  readonly isClean?: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly filters: readonly string[];
  /** More filters, without which the session is worth having; a broker may refuse them. */
  readonly answers?: readonly string[];
}

export interface LinkLimits {
  /** Of a whole message; the payload of a larger one is let go by, and it is acked. */
  readonly messageBytesMax: number;
  /** Messages, and their bytes, that were not acked; beyond it the socket is not read. */
  readonly unackedMax: number;
  readonly unackedBytesMax: number;
  /** What the broker has not taken of acks and commands; beyond it the socket is not read, and no command is taken. */
  readonly unsentBytesMax: number;
  /** For connection, session and subscription. */
  readonly openMs: number;
  /** Twice as long without a word ends the connection. */
  readonly keepaliveMs: number;
}

export const defaultLinkLimits: LinkLimits = {
  messageBytesMax: 256 * 1_024,
  unackedMax: 4_096,
  unackedBytesMax: 1_024 * 1_024,
  unsentBytesMax: 256 * 1_024,
  openMs: 10_000,
  keepaliveMs: 30_000,
};

export interface LinkMessage {
  readonly topic: string;
  /** A view, valid until the handler returns; undefined when the message was too large. */
  readonly payload: Buffer | undefined;
  readonly qos: 0 | 1;
  /** The broker kept it, perhaps for long, and gives it to a new subscription. */
  readonly isRetained: boolean;
}

export interface LinkEvents {
  /** The broker holds the session, grants every filter this QoS, and refuses these answers. */
  onOpen(granted: readonly number[], refused: readonly string[]): void;
  /** `ack` is called once the message may be forgotten by the broker. */
  onMessage(message: LinkMessage, ack: () => void): void;
  /** The window is full, or the broker does not read: nothing more is read for now. */
  onPause(): void;
  /** Once, whatever ended it. */
  onClose(reason: string): void;
}

const subscribeId = 1;
const refusals: readonly string[] = [
  '',
  'it does not speak MQTT 3.1.1',
  'it refuses the client id',
  'it is not available',
  'user name or password are wrong',
  'it does not allow this client',
];

export class BrokerLink {
  readonly #options: LinkOptions;
  readonly #limits: LinkLimits;
  readonly #events: LinkEvents;
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #reader: PacketReader;
  readonly #filters: readonly string[];
  readonly #acks = new AckQueue();
  readonly #outgoing = new Outgoing();
  #unackedBytes = 0;
  #isOpen = false;
  #isClosed = false;
  #hasSpoken = false;
  #timer: Timer;

  constructor(options: LinkOptions, limits: LinkLimits, events: LinkEvents, clock: Clock) {
    this.#options = options;
    this.#limits = limits;
    this.#events = events;
    this.#clock = clock;
    this.#filters = [...options.filters, ...(options.answers ?? [])];
    this.#reader = new PacketReader(limits.messageBytesMax, (packet) => this.#take(packet));
    this.#socket = socketTo(options);
    this.#socket.setNoDelay(true);
    this.#socket.on(options.isTls ? 'secureConnect' : 'connect', () => this.#greet());
    this.#socket.on('data', (chunk) => {
      this.#hasSpoken = true;
      if (!this.#reader.feed(chunk)) this.#end('it does not speak MQTT');
    });
    this.#socket.on('drain', () => this.#readOn());
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('the connection was closed'));
    this.#timer = clock.after('broker link open', limits.openMs, () =>
      this.#end(`no session within ${limits.openMs} ms`),
    );
  }

  /**
   * Publishes with QoS 1; `end` is called once, at once or later: true when the broker has taken it, false when there is no session, it
   * takes nothing, or it ended before, so that nobody knows.
   */
  publish(topic: string, payload: string, isRetained: boolean, end: (isTaken: boolean) => void): void {
    const mayWrite = this.#isOpen && !this.#isClosed && this.#socket.writableLength < this.#limits.unsentBytesMax;
    const id = mayWrite ? this.#outgoing.add(end) : undefined;
    if (id === undefined) end(false);
    else this.#socket.write(publishFrame(topic, payload, { qos: 1, id, isRetained }));
  }

  /** Leaves politely; the broker keeps the session. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#socket.end(disconnectFrame);
    this.#socket.destroySoon();
    this.#outgoing.fail();
  }

  #greet(): void {
    const { clientId, isClean = false, username, password } = this.#options;
    const keepaliveSeconds = Math.ceil(this.#limits.keepaliveMs / 1_000);
    this.#socket.write(
      connectFrame({
        clientId,
        isClean,
        keepaliveSeconds,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      }),
    );
  }

  #take(packet: Packet): void {
    if (this.#isClosed) return;
    switch (packet.type) {
      case packetType.connack:
        return this.#onConnack(packet.body);
      case suback:
        return this.#onSuback(packet.body);
      case packetType.publish:
        return this.#onPublish(packet);
      case packetType.puback:
        if (packet.body.length !== 2) return this.#end('it sent a broken ack');
        return this.#outgoing.acked(packet.body.readUInt16BE(0));
      case pingresp:
        return;
      default:
        this.#end(`it sent a packet of type ${packet.type}`);
    }
  }

  #onConnack(body: Buffer): void {
    const code = body[1];
    if (body.length !== 2 || code === undefined) return this.#end('it does not speak MQTT');
    if (code !== 0) return this.#end(refusals[code] ?? `it refuses with code ${code}`);
    // Also into a session that is there: the filters may have changed since.
    this.#socket.write(subscribeFrame(subscribeId, ...this.#filters.map((filter) => [filter, 1] as const)));
  }

  #onSuback(body: Buffer): void {
    const granted = [...body.subarray(2)];
    if (granted.length !== this.#filters.length || body.readUInt16BE(0) !== subscribeId) {
      return this.#end('it answers another subscription');
    }
    const refused = this.#filters.filter((_, index) => (granted[index] ?? 0) > 2);
    const needed = refused.filter((filter) => this.#options.filters.includes(filter));
    if (needed.length > 0) return this.#end(`it refuses the subscription to ${needed.join(', ')}`);
    this.#isOpen = true;
    this.#timer.cancel();
    this.#ping();
    this.#events.onOpen(granted, refused);
  }

  #onPublish({ flags, body, isCut }: Packet): void {
    const qos = (flags >> 1) & 3;
    const topicEnd = body.length < 2 ? Number.POSITIVE_INFINITY : 2 + body.readUInt16BE(0);
    const start = topicEnd + (qos === 0 ? 0 : 2);
    if (qos > 1 || start > body.length) return this.#end('it sent a broken message');
    const topic = body.toString('utf8', 2, topicEnd);
    const payload = isCut ? undefined : body.subarray(start);
    const message = { topic, payload, isRetained: (flags & 1) === 1 };
    if (qos === 0) return this.#events.onMessage({ ...message, qos: 0 }, () => undefined);
    const id = body.readUInt16BE(topicEnd);
    const bytes = body.length;
    this.#acks.push(1, id);
    this.#unackedBytes += bytes;
    let isAcked = false;
    this.#events.onMessage({ ...message, qos: 1 }, () => {
      if (isAcked || this.#isClosed) return;
      isAcked = true;
      this.#unackedBytes -= bytes;
      this.#acks.ack(1, id);
      this.#sendAcks();
    });
    if (!this.#isFull(1) || this.#socket.isPaused()) return;
    this.#socket.pause();
    this.#events.onPause();
  }

  /** In the order in which the messages came (MQTT 3.1.1 §4.6). */
  #sendAcks(): void {
    const frames: Buffer[] = [];
    for (let ack = this.#acks.shift(); ack !== 0; ack = this.#acks.shift()) frames.push(pubackFrame(ack & 0xffff));
    if (frames.length > 0) this.#socket.write(Buffer.concat(frames));
    this.#readOn();
  }

  #readOn(): void {
    if (this.#socket.isPaused() && !this.#isFull(2)) this.#socket.resume();
  }

  /** Half of the limit must be free before more is read. */
  #isFull(part: number): boolean {
    const { unackedMax, unackedBytesMax, unsentBytesMax } = this.#limits;
    return (
      this.#acks.length * part >= unackedMax ||
      this.#unackedBytes * part >= unackedBytesMax ||
      this.#socket.writableLength * part >= unsentBytesMax
    );
  }

  #ping(): void {
    const { keepaliveMs } = this.#limits;
    this.#hasSpoken = true;
    let taken = -1;
    const next = (): void => {
      const { writableLength, bytesWritten } = this.#socket;
      const before = taken;
      taken = bytesWritten - writableLength;
      if (writableLength > 0 && taken === before) return this.#end('it takes nothing');
      // Whoever is not read cannot be heard.
      if (!this.#hasSpoken && !this.#socket.isPaused()) return this.#end('it is silent');
      this.#hasSpoken = false;
      this.#socket.write(pingFrame);
      this.#timer = this.#clock.after('broker link ping', keepaliveMs, next);
    };
    // The broker waits one and a half times as long for a word of ours.
    this.#timer = this.#clock.after('broker link ping', keepaliveMs, next);
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#socket.destroy();
    this.#outgoing.fail();
    this.#events.onClose(this.#isOpen ? reason : `no session: ${reason}`);
  }
}

const suback = 9;
const pingresp = 13;

function socketTo({ host, port, isTls, ca, cert, key }: LinkOptions): Socket {
  if (!isTls) return connectTcp({ host, port });
  return connectTls({
    host,
    port,
    rejectUnauthorized: true,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}
