/** A bare MQTT client for tests: sends exactly the bytes it is told and shows every frame that comes, in order. */
import { connect, type Socket } from 'node:net';
import { type ConnectOptions, connectFrame } from '../client-frames.ts';

export type { ConnectOptions } from '../client-frames.ts';
export {
  connectFrame,
  disconnectFrame,
  frame,
  pingFrame,
  publishFrame,
  pubrelFrame,
  subscribeFrame,
} from '../client-frames.ts';

export interface WireFrame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

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
