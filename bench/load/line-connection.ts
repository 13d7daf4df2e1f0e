/** One client of the load that posts line protocol: a request at a time, the next when 204 came. The same readings as over MQTT. */
import { connect, type Socket } from 'node:net';
import { TextWriter } from '@fogline/simulators/fleet/text-writer';
import { DeviceClock } from './device-clock.ts';

/** Where the readings are stored, and what is counted nowhere. */
const measurements = { ingest: 'climate', astray: 'weather' } as const;
/** Of the header of a request, before its body. */
const headRoomBytes = 256;

export interface LineConnectionOptions {
  readonly port: number;
  /** They send in turn. */
  readonly devices: readonly string[];
  readonly linesPerRequest: number;
  /** Values of each device, in hundredths, sent round and round. */
  readonly columns: readonly Int32Array[];
  readonly firstRow: number;
  /** So many readings of the beginning go to a measurement that nobody counts. */
  readonly astray: number;
  readonly onReady: () => void;
  readonly onAnswer: (connection: LineConnection) => void;
  readonly onError: (error: Error) => void;
}

export class LineConnection {
  sent = 0;
  acked = 0;
  /** Of all values sent but those that went astray, in hundredths. */
  sumHundredths = 0;
  /** Of all requests, without and with their heads. */
  bodyBytes = 0;
  wireBytes = 0;
  requests = 0;
  /** When the request on the way left; monotonic ms. */
  sentAtMs = 0;
  readonly #options: LineConnectionOptions;
  readonly #socket: Socket;
  readonly #clock: DeviceClock;
  readonly #writer = new TextWriter();
  readonly #beforeValue: readonly [ingest: Buffer, astray: Buffer][];
  #row: number;
  #timeMs = 0;
  #answer = '';

  constructor(options: LineConnectionOptions) {
    this.#options = options;
    this.#row = options.firstRow;
    this.#clock = new DeviceClock(options.firstRow);
    this.#beforeValue = options.devices.map((device) => [
      beforeValue(measurements.ingest, device),
      beforeValue(measurements.astray, device),
    ]);
    this.#socket = connect({ host: '127.0.0.1', port: options.port, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('connect', options.onReady);
    this.#socket.on('data', (text: string) => this.#receive(text));
    this.#socket.on('error', options.onError);
    this.#socket.on('close', () => {
      if (!this.isIdle) options.onError(new Error('closed with a request on the way'));
    });
  }

  get isIdle(): boolean {
    return this.sent === this.acked;
  }

  /** Posts one request, to be called when idle. Returns its lines. */
  post(wallMs: number, nowMs: number): number {
    const { linesPerRequest } = this.#options;
    const writer = this.#writer;
    writer.at = 0;
    writer.reserve(headRoomBytes);
    writer.at = headRoomBytes;
    for (let i = 0; i < linesPerRequest; i++) this.#line(wallMs);
    const length = writer.at - headRoomBytes;
    const head = `POST /write HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: ${length}\r\n\r\n`;
    const from = headRoomBytes - head.length;
    writer.bytes.write(head, from, 'latin1');
    // The buffer is filled again only after the answer, so the socket may keep it.
    this.#socket.write(writer.bytes.subarray(from, writer.at));
    this.bodyBytes += length;
    this.wireBytes += head.length + length;
    this.requests++;
    this.sentAtMs = nowMs;
    return linesPerRequest;
  }

  end(): void {
    this.#socket.end();
  }

  #line(wallMs: number): void {
    const { columns, astray } = this.#options;
    const device = this.sent % columns.length;
    if (device === 0) {
      this.#timeMs = this.#clock.next(wallMs);
      this.#row++;
    }
    const column = columns[device] as Int32Array;
    const hundredths = column[this.#row % column.length] as number;
    const isAstray = this.sent < astray;
    if (!isAstray) this.sumHundredths += hundredths;
    this.sent++;
    const writer = this.#writer;
    const [ingest, other] = this.#beforeValue[device] as [Buffer, Buffer];
    writer.put(isAstray ? other : ingest);
    writer.decimal(hundredths, 2);
    writer.byte(0x20);
    writer.integer(this.#timeMs);
    writer.put(nanoseconds);
  }

  #receive(text: string): void {
    this.#answer += text;
    if (!this.#answer.includes('\r\n\r\n')) return;
    if (!this.#answer.startsWith('HTTP/1.1 204 ')) {
      this.#options.onError(new Error(`answered ${this.#answer.slice(0, 300)}`));
      return;
    }
    this.#answer = '';
    this.acked = this.sent;
    this.#options.onAnswer(this);
  }
}

const nanoseconds = Buffer.from('000000\n');

function beforeValue(measurement: string, device: string): Buffer {
  return Buffer.from(`${measurement},device=${device} temperature=`);
}
