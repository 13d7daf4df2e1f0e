/**
 * MQTT 3.1.1 over TCP or TLS as a wire, nothing more: clean session, no reconnect, no store; what was not acked when the connection
 * goes is the lane's to send again. Written for many connections and many messages: one timer looks after the keepalive of all, acks are
 * reported without an object each. Bytes from the broker are bounded and checked; nonsense ends the connection.
 */
import { type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { FrameWriter } from './mqtt-frames.ts';
import type { Session, SessionEvents, Wire } from './wire.ts';

export interface MqttWireOptions {
  /** `mqtt://HOST:PORT` or `mqtts://…`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM of who may sign the broker's certificate; default: whom the system trusts. */
  readonly ca?: string;
  /** Pings after this much time; as much again without any answer ends the connection. */
  readonly keepaliveSeconds: number;
  readonly clock: Clock;
}

const connectTimeoutMs = 10_000;
const lookMs = 1_000;
/** Never that of a publish (`packetIdMax`). */
const subscriptionId = 65_535;
/** Of a packet from the broker: commands to actuators are short. */
const inboundBytesMax = 64 * 1024;
const refusals = ['', 'protocol version', 'client id', 'server unavailable', 'user name or password', 'not authorised'];

/** Throws `usage` for a URL that is none. */
export function createMqttWire(options: MqttWireOptions): Wire {
  const { clock, keepaliveSeconds } = options;
  const target = targetOf(options.url);
  const sessions = new Set<MqttSession>();
  let timer: Timer | undefined;
  const look = (): void => {
    timer = clock.after('mqtt keepalive', lookMs, look);
    const nowMs = clock.monotonic();
    for (const session of sessions) session.look(nowMs, keepaliveSeconds * 1_000);
  };
  return {
    framing: 'mqtt',
    connect(clientId, events) {
      if (timer === undefined) look();
      const session: MqttSession = new MqttSession(target, options, clientId, {
        ...events,
        onClosed(reason) {
          sessions.delete(session);
          events.onClosed(reason);
        },
      });
      sessions.add(session);
      return session;
    },
    close: () => timer?.cancel(),
  };
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

function targetOf(url: string): Target {
  const match = /^(mqtts?):\/\/(?:\[([0-9A-Fa-f:]+)\]|([^/:[\]]+))(?::(\d{1,5}))?\/?$/.exec(url);
  if (match === null) throw new FoglineError('usage', `"${url}" is not an MQTT address: write mqtt://127.0.0.1:1883`);
  const isTls = match[1] === 'mqtts';
  return { host: match[2] ?? match[3] ?? '', port: Number(match[4] ?? (isTls ? 8883 : 1883)), isTls };
}

class MqttSession implements Session {
  readonly #events: SessionEvents;
  readonly #socket: Socket;
  readonly #replies = new FrameWriter(64);
  #reason = 'closed';
  #isOpen = false;
  #rest: Buffer = Buffer.alloc(0);
  /** Monotonic ms. */
  readonly #clock: Clock;
  readonly #startedMs: number;
  #heardMs: number;
  #pingedMs: number;

  constructor({ host, port, isTls }: Target, options: MqttWireOptions, clientId: string, events: SessionEvents) {
    this.#events = events;
    this.#clock = options.clock;
    this.#startedMs = this.#heardMs = this.#pingedMs = options.clock.monotonic();
    const ca = options.ca === undefined ? {} : { ca: options.ca };
    this.#socket = isTls ? tlsConnect({ host, port, servername: host, ...ca }) : tcpConnect({ host, port });
    this.#socket.setNoDelay(true);
    this.#socket.once(isTls ? 'secureConnect' : 'connect', () => {
      const frame = new FrameWriter(256);
      frame.connect({ clientId, ...options });
      this.#socket.write(frame.bytes.subarray(0, frame.at));
    });
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error) => {
      this.#reason = error.message === '' ? 'refused' : error.message;
    });
    this.#socket.once('close', () => events.onClosed(this.#reason));
  }

  write(bytes: Buffer, mark: number): void {
    this.#socket.write(bytes, (error) => {
      if (error === undefined || error === null) this.#events.onWritten(mark);
    });
  }

  subscribe(filters: readonly string[]): void {
    const frame = new FrameWriter(256);
    frame.subscribe(subscriptionId, filters, 1);
    this.#socket.write(frame.bytes.subarray(0, frame.at));
  }

  end(): void {
    if (!this.#isOpen) {
      this.#socket.destroy();
      return;
    }
    const frame = new FrameWriter(2);
    frame.disconnect();
    this.#socket.end(frame.bytes.subarray(0, frame.at));
    // Whatever still comes is of no interest, and a broker that does not close must not hold us.
    this.#socket.destroySoon();
  }

  look(nowMs: number, keepaliveMs: number): void {
    if (!this.#isOpen) {
      if (nowMs - this.#startedMs > connectTimeoutMs) this.#fail('the broker did not accept the connection in time');
    } else if (nowMs - this.#pingedMs >= keepaliveMs) {
      if (this.#heardMs < this.#pingedMs) {
        this.#fail('the broker is silent');
        return;
      }
      this.#pingedMs = nowMs;
      this.#replies.ping();
      this.#reply();
    }
  }

  #fail(reason: string): void {
    this.#reason = reason;
    this.#socket.destroy();
  }

  #reply(): void {
    const { bytes, at } = this.#replies;
    if (at === 0) return;
    this.#socket.write(Buffer.from(bytes.subarray(0, at)));
    this.#replies.at = 0;
  }

  #receive(chunk: Buffer): void {
    this.#heardMs = this.#clock.monotonic();
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    if (!this.#isOpen && bytes.length > 0 && bytes[0] !== 0x20) {
      this.#fail('this is no MQTT broker');
      return;
    }
    while (at + 2 <= bytes.length) {
      let length = bytes[at + 1] as number;
      let bodyAt = at + 2;
      if (length >= 0x80) {
        const digits = digitsOf(bytes, at + 1);
        if (digits === incomplete) break;
        length = lengthOf(bytes, at + 1, digits);
        bodyAt = at + 1 + digits;
      }
      if (length > inboundBytesMax) {
        this.#fail('the broker sent a packet that is too long, or is no MQTT broker');
        return;
      }
      if (bodyAt + length > bytes.length) break;
      const reason = this.#packet(bytes, at, bodyAt, length);
      if (reason !== undefined) {
        this.#fail(reason);
        return;
      }
      at = bodyAt + length;
    }
    this.#rest = at === bytes.length ? nothing : bytes.subarray(at);
    this.#reply();
  }

  /** Why the connection must end; undefined = go on. */
  #packet(bytes: Buffer, at: number, bodyAt: number, length: number): string | undefined {
    const type = (bytes[at] as number) >> 4;
    if (!this.#isOpen) return this.#connack(type, bytes, bodyAt, length);
    if (type === 4 || type === 5 || type === 7) {
      if (length !== 2) return 'the broker sent a malformed ack';
      const id = ((bytes[bodyAt] as number) << 8) | (bytes[bodyAt + 1] as number);
      if (type === 5) this.#replies.pubrel(id);
      else this.#events.onAck(id);
      return undefined;
    }
    if (type === 3) return this.#publish(bytes, at, bodyAt, length);
    if (type === 9) return bytes[bodyAt + 2] === 0x80 ? 'the broker refused a subscription' : undefined;
    return type === 13 ? undefined : `the broker sent a packet of type ${type}`;
  }

  #connack(type: number, bytes: Buffer, bodyAt: number, length: number): string | undefined {
    if (type !== 2 || length !== 2) return 'this is no MQTT broker';
    const code = bytes[bodyAt + 1] as number;
    if (code !== 0) return `the broker refused the connection: ${refusals[code] ?? `code ${code}`}`;
    this.#isOpen = true;
    this.#events.onOpen();
    return undefined;
  }

  #publish(bytes: Buffer, at: number, bodyAt: number, length: number): string | undefined {
    const qos = ((bytes[at] as number) >> 1) & 3;
    const end = bodyAt + length;
    const topicEnd = length < 2 ? end + 1 : bodyAt + 2 + bytes.readUInt16BE(bodyAt);
    const payloadAt = topicEnd + (qos > 0 ? 2 : 0);
    if (qos > 1 || payloadAt > end) return 'the broker sent a malformed message';
    if (qos === 1) this.#replies.puback(bytes.readUInt16BE(topicEnd));
    this.#events.onMessage(bytes.toString('utf8', bodyAt + 2, topicEnd), bytes.toString('utf8', payloadAt, end));
    return undefined;
  }
}

const nothing = Buffer.alloc(0);
const incomplete = -1;

/** How many bytes the remaining length takes; 5 where the fourth does not end it. */
function digitsOf(bytes: Buffer, at: number): number {
  for (let digits = 1; digits <= 4; digits++) {
    const digit = bytes[at + digits - 1];
    if (digit === undefined) return incomplete;
    if (digit < 0x80) return digits;
  }
  return 5;
}

function lengthOf(bytes: Buffer, at: number, digits: number): number {
  if (digits > 4) return Infinity;
  let length = 0;
  for (let i = digits - 1; i >= 0; i--) length = length * 128 + ((bytes[at + i] as number) & 0x7f);
  return length;
}
