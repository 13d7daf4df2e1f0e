/** A bare MQTT client for tests: sends exactly the bytes it is told and shows every frame that comes, in order. */
import { connect, type Socket } from 'node:net';

export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

export function frame(first: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length: number[] = [];
  let rest = body.length;
  do {
    const byte = rest & 127;
    rest >>>= 7;
    length.push(rest > 0 ? byte | 128 : byte);
  } while (rest > 0);
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

export interface ConnectOptions {
  readonly clientId?: string;
  readonly isClean?: boolean;
  readonly keepaliveSeconds?: number;
  readonly username?: string;
  readonly password?: string;
  readonly will?: { readonly topic: string; readonly payload: string; readonly qos?: 0 | 1 | 2 };
}

export function connectFrame(options: ConnectOptions = {}): Buffer {
  const { clientId = 'c', isClean = true, keepaliveSeconds = 0, username, password, will } = options;
  const flags =
    (isClean ? 2 : 0) |
    (will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3)) |
    (username === undefined ? 0 : 128) |
    (password === undefined ? 0 : 64);
  return frame(
    0x10,
    text('MQTT'),
    [4, flags, keepaliveSeconds >> 8, keepaliveSeconds & 255],
    text(clientId),
    ...(will === undefined ? [] : [text(will.topic), text(will.payload)]),
    ...(username === undefined ? [] : [text(username)]),
    ...(password === undefined ? [] : [text(password)]),
  );
}

export interface PublishOptions {
  readonly qos?: 0 | 1 | 2;
  readonly id?: number;
  readonly isRetained?: boolean;
  readonly isDuplicate?: boolean;
}

export function publishFrame(topic: string, payload: string | Buffer, options: PublishOptions = {}): Buffer {
  const { qos = 0, id = 1, isRetained = false, isDuplicate = false } = options;
  const first = 0x30 | (qos << 1) | (isRetained ? 1 : 0) | (isDuplicate ? 8 : 0);
  return frame(first, text(topic), qos === 0 ? [] : [id >> 8, id & 255], Buffer.from(payload));
}

export function subscribeFrame(id: number, ...filters: readonly (readonly [filter: string, qos: 0 | 1 | 2])[]): Buffer {
  return frame(0x82, [id >> 8, id & 255], ...filters.flatMap(([filter, qos]) => [text(filter), [qos]]));
}

export function pubrelFrame(id: number): Buffer {
  return frame(0x62, [id >> 8, id & 255]);
}

export const pingFrame = frame(0xc0);
export const disconnectFrame = frame(0xe0);

export class WireClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #buffer = Buffer.alloc(0);
  #frames: WireFrame[] = [];
  #waiters: ((frame: WireFrame | undefined) => void)[] = [];
  #isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#isClosed = true;
        for (const waiter of this.#waiters.splice(0)) waiter(undefined);
        resolve();
      });
    });
  }

  static async open(port: number): Promise<WireClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new WireClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Opens a connection, sends CONNECT and takes the CONNACK. */
  static async connect(port: number, options: ConnectOptions = {}): Promise<WireClient> {
    const client = await WireClient.open(port);
    client.send(connectFrame(options));
    const connack = await client.next();
    if (connack?.type !== 2 || connack.body[1] !== 0) throw new Error(`not accepted: ${JSON.stringify(connack)}`);
    return client;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The next frame, undefined when the connection closed before it came. */
  next(): Promise<WireFrame | undefined> {
    const ready = this.#frames.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Frames that are here and were not taken. */
  get waiting(): number {
    return this.#frames.length;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      let remaining = 0;
      let at = 1;
      for (; ; at++) {
        const byte = this.#buffer[at];
        if (byte === undefined) return;
        remaining |= (byte & 127) << (7 * (at - 1));
        if (byte < 128) break;
      }
      const end = at + 1 + remaining;
      if (this.#buffer.length < end) return;
      const first = this.#buffer[0] as number;
      const received = { type: first >> 4, flags: first & 15, body: this.#buffer.subarray(at + 1, end) };
      this.#buffer = this.#buffer.subarray(end);
      const waiter = this.#waiters.shift();
      if (waiter === undefined) this.#frames.push(received);
      else waiter(received);
    }
  }
}
