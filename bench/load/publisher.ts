/** The load generator (publisher-process.ts) of many connections, single readings, QoS 1, raw MQTT bytes. */
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { percentile } from '../kit/figures.ts';
import { Connection } from './connection.ts';
import { fail, type PublishResult, runPublisher } from './publisher-process.ts';
import { readValues, threeDataSets } from './values.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the agent' },
  connections: { type: 'integer', default: 50, help: 'TCP connections' },
  devices: { type: 'integer', default: 1, help: 'that share a connection' },
  window: { type: 'integer', default: 200, help: 'unacked messages a connection' },
  seconds: { type: 'integer', default: 10, help: 'how long to send' },
  readings: { type: 'integer', default: 0, help: 'stop after so many; 0: by time' },
  rate: { type: 'integer', default: 0, help: 'readings a second over all; 0: as fast as acks allow' },
  three: { type: 'flag', help: 'values of three data sets instead of one' },
  astray: { type: 'integer', default: 0, help: 'so many readings are sent where nobody stores them' },
  prefix: { type: 'text', default: 'mote', help: 'of device names' },
  coalesce: { type: 'flag', help: 'one write for all that the window has room for, instead of one a message' },
} as const;

const writesPerTurn = 256;
const ackSampleEvery = 16;

class Publisher {
  readonly #options: ReturnType<typeof parseOptions<typeof options>>['values'];
  readonly #connections: Connection[];
  readonly #source: string;
  readonly #ackMs: number[] = [];
  readonly #done: (result: PublishResult) => void;
  #ready = 0;
  #sent = 0;
  #acked = 0;
  #next = 0;
  #startedMs = 0;
  #cpu = process.cpuUsage();
  #hasStarted = false;
  #hasStopped = false;
  #isPumpDue = false;

  constructor(argv: readonly string[], onReady: () => void, onDone: (result: PublishResult) => void) {
    this.#options = parseOptions(argv, options).values;
    this.#done = onDone;
    const { connections, devices, window, port, prefix, astray, three } = this.#options;
    const { source, columns } = readValues(three ? threeDataSets : undefined);
    this.#source = source;
    if (window % devices !== 0) throw new RangeError('the window is no multiple of the devices of a connection');
    this.#connections = Array.from({ length: connections }, (_, index) => {
      return new Connection({
        host: '127.0.0.1',
        port,
        devices: Array.from({ length: devices }, (__, device) => {
          return `${prefix}-${String(index * devices + device).padStart(4, '0')}`;
        }),
        window,
        columns: Array.from({ length: devices }, (__, device) => {
          return columns[(index * devices + device) % columns.length] ?? new Int32Array(1);
        }),
        firstRow: index * 97,
        astray: index === 0 ? astray : 0,
        onReady: () => {
          if (++this.#ready === connections) onReady();
        },
        onAcks: (connection, count) => this.#acks(connection, count),
        onError: fail,
      });
    });
  }

  start(): void {
    this.#hasStarted = true;
    this.#startedMs = performance.now();
    this.#cpu = process.cpuUsage();
    if (this.#options.rate > 0) this.#pace();
    else this.#pump();
  }

  /** How many may be sent now by the clock and the count. */
  #allowed(nowMs: number): number {
    const { readings, seconds, rate } = this.#options;
    const elapsedMs = nowMs - this.#startedMs;
    if (readings === 0 && elapsedMs >= seconds * 1000) return 0;
    const left = readings === 0 ? Number.POSITIVE_INFINITY : readings - this.#sent;
    return rate === 0 ? left : Math.min(left, Math.floor((elapsedMs * rate) / 1000) + 1 - this.#sent);
  }

  #isOver(nowMs: number): boolean {
    const { readings, seconds } = this.#options;
    return readings > 0 ? this.#sent >= readings : nowMs - this.#startedMs >= seconds * 1000;
  }

  #pace(): void {
    if (this.#hasStopped) return;
    this.#pump();
    setTimeout(() => this.#pace(), 1);
  }

  /** Round robin over the connections, some at a time so that acks are read in between. */
  #pump(): void {
    this.#isPumpDue = false;
    const { coalesce, window } = this.#options;
    const nowMs = performance.now();
    const wallMs = Date.now();
    const budget = Math.min(this.#allowed(nowMs), coalesce ? Number.POSITIVE_INFINITY : writesPerTurn);
    let turn = 0;
    let idle = 0;
    while (turn < budget && idle < this.#connections.length) {
      const connection = this.#connections[this.#next] as Connection;
      this.#next = (this.#next + 1) % this.#connections.length;
      const sent = connection.send(coalesce ? Math.min(window, budget - turn) : 1, wallMs, nowMs, coalesce);
      idle = sent === 0 ? idle + 1 : 0;
      turn += sent;
    }
    this.#sent += turn;
    if (this.#isOver(nowMs)) this.#finish();
    else if (this.#options.rate === 0 && turn === budget && turn > 0) this.#pumpSoon();
  }

  #pumpSoon(): void {
    if (this.#isPumpDue || !this.#hasStarted || this.#hasStopped) return;
    this.#isPumpDue = true;
    setImmediate(() => this.#pump());
  }

  #acks(connection: Connection, count: number): void {
    const { window, rate } = this.#options;
    const nowMs = performance.now();
    for (let i = 0; i < count; i++) {
      if ((this.#acked + i) % ackSampleEvery === 0) {
        this.#ackMs.push(nowMs - (connection.sentAt[(connection.acked + i) % window] ?? nowMs));
      }
    }
    this.#acked += count;
    if (this.#hasStopped) this.#finish();
    else if (rate === 0) this.#pumpSoon();
  }

  #finish(): void {
    this.#hasStopped = true;
    if (this.#acked < this.#sent) return;
    const [first] = this.#connections;
    const { user, system } = process.cpuUsage(this.#cpu);
    for (const connection of this.#connections) connection.end();
    this.#done({
      source: this.#source,
      sent: this.#sent,
      astray: Math.min(first?.sent ?? 0, this.#options.astray),
      sumHundredths: this.#connections.reduce((sum, { sumHundredths }) => sum + sumHundredths, 0),
      seconds: (performance.now() - this.#startedMs) / 1000,
      payloadBytes: first?.ring.payloadBytes ?? 0,
      frameBytes: first?.ring.frameBytes ?? 0,
      ackP50Ms: percentile(this.#ackMs, 0.5),
      ackP99Ms: percentile(this.#ackMs, 0.99),
      cpuSeconds: (user + system) / 1e6,
    });
  }
}

if (import.meta.main) runPublisher((argv, onReady, onDone) => new Publisher(argv, onReady, onDone));
