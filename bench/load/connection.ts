/**
 * One sensor connection of the load: QoS 1 within a window. Every ack is checked: it must be a PUBACK, and the one that is due,
 * for acks leave in the order of the publishes.
 */
import { connect, type Socket } from 'node:net';
import { DeviceClock } from './device-clock.ts';
import { connectFrame, FrameRing } from './frames.ts';

const packetIdMax = 65_535;
const connackBytes = 4;
const pubackBytes = 4;

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** They send in turn. */
  readonly devices: readonly string[];
  /** A multiple of the number of devices. */
  readonly window: number;
  /** Values of each device, sent round and round. */
  readonly columns: readonly Int32Array[];
  readonly firstRow: number;
  /** So many messages of the beginning go to a topic that is stored nowhere. */
  readonly astray?: number;
  readonly onReady: () => void;
  readonly onAcks: (connection: Connection, count: number) => void;
  readonly onError: (error: Error) => void;
}

export class Connection {
  readonly ring: FrameRing;
  /** When each message of the window was handed to the system, by slot; monotonic ms. */
  readonly sentAt: Float64Array;
  sent = 0;
  acked = 0;
  /** Of all values sent but those that went astray, in hundredths. */
  sumHundredths = 0;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #name: string;
  #timeMs = 0;
  readonly #clock: DeviceClock;
  #row: number;
  #isReady = false;
  #partial: Buffer = Buffer.alloc(0);

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#row = options.firstRow;
    this.#clock = new DeviceClock(options.firstRow);
    this.#name = options.devices[0] ?? '';
    this.ring = new FrameRing(options.devices, options.window);
    this.sentAt = new Float64Array(options.window);
    this.#socket = connect({ host: options.host, port: options.port, noDelay: true });
    this.#socket.on('connect', () => void this.#socket.write(connectFrame(this.#name)));
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', options.onError);
    this.#socket.on('close', () => {
      if (this.sent > this.acked) options.onError(new Error(`${this.#name}: closed with unacked messages`));
    });
  }

  get room(): number {
    return this.#options.window - (this.sent - this.acked);
  }

  /** Sends up to `count` messages that the window has room for: each in a write of its own, or all in one. */
  send(count: number, wallMs: number, nowMs: number, isCoalesced: boolean): number {
    const { window } = this.#options;
    const total = Math.min(count, this.room);
    for (let i = 0; i < total; i++) {
      const slot = this.sent % window;
      this.#patch(slot, wallMs);
      this.sentAt[slot] = nowMs;
      this.sent++;
      if (!isCoalesced) this.#socket.write(this.ring.frames[slot] as Buffer);
    }
    if (isCoalesced && total > 0) this.#writeLast(total);
    return total;
  }

  end(): void {
    this.#socket.end(Buffer.from([0xe0, 0]));
  }

  #writeLast(count: number): void {
    const { window } = this.#options;
    const from = (this.sent - count) % window;
    const head = Math.min(count, window - from);
    this.#socket.cork();
    this.#socket.write(this.ring.span(from, head));
    if (head < count) this.#socket.write(this.ring.span(0, count - head));
    this.#socket.uncork();
  }

  #patch(slot: number, wallMs: number): void {
    const { columns, window } = this.#options;
    const device = this.sent % columns.length;
    if (device === 0) {
      this.#timeMs = this.#clock.next(wallMs);
      this.#row++;
    }
    const { astray = 0 } = this.#options;
    if (this.sent < astray + window) this.ring.address(slot, this.sent < astray);
    const column = columns[device] as Int32Array;
    const hundredths = column[this.#row % column.length] as number;
    if (this.sent >= astray) this.sumHundredths += hundredths;
    this.ring.patch(slot, (this.sent % packetIdMax) + 1, hundredths, this.#timeMs);
  }

  #receive(chunk: Buffer): void {
    let bytes: Buffer = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    if (!this.#isReady) {
      if (bytes.length < connackBytes) {
        this.#partial = bytes;
        return;
      }
      if (bytes[0] !== 0x20 || bytes[3] !== 0) {
        this.#options.onError(new Error(`${this.#name}: CONNECT was refused`));
        return;
      }
      this.#isReady = true;
      bytes = bytes.subarray(connackBytes);
      this.#options.onReady();
    }
    const acks = Math.floor(bytes.length / pubackBytes);
    for (let i = 0; i < acks; i++) this.#check(bytes, i * pubackBytes, this.acked + i);
    this.#partial = bytes.subarray(acks * pubackBytes);
    if (acks === 0) return;
    this.#options.onAcks(this, acks);
    this.acked += acks;
  }

  #check(bytes: Buffer, at: number, index: number): void {
    const due = (index % packetIdMax) + 1;
    if (bytes[at] === 0x40 && bytes.readUInt16BE(at + 2) === due) return;
    this.#options.onError(new Error(`${this.#name}: got ${bytes.toString('hex', at, at + 4)}, due was ack ${due}`));
  }
}
