/** The load generator (publisher-process.ts) of line protocol: keep-alive connections, a request at a time on each. */
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { percentile } from '../kit/figures.ts';
import { LineConnection } from './line-connection.ts';
import { fail, type PublishResult, runPublisher } from './publisher-process.ts';
import { readValues, threeDataSets } from './values.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the agent' },
  connections: { type: 'integer', default: 5, help: 'TCP connections' },
  devices: { type: 'integer', default: 10, help: 'of each connection' },
  lines: { type: 'integer', default: 1_000, help: 'of a request' },
  seconds: { type: 'integer', default: 10, help: 'how long to send' },
  rate: { type: 'integer', default: 0, help: 'readings a second over all; 0: as fast as answers allow' },
  prefix: { type: 'text', default: 'mote', help: 'of device names' },
  astray: { type: 'integer', default: 0, help: 'so many readings are sent where nobody counts them' },
} as const;

class LinePublisher {
  readonly #options: ReturnType<typeof parseOptions<typeof options>>['values'];
  readonly #connections: LineConnection[];
  readonly #source: string;
  readonly #onDone: (result: PublishResult) => void;
  readonly #ackMs: number[] = [];
  #ready = 0;
  #sent = 0;
  #startedMs = 0;
  #cpu = process.cpuUsage();
  #isDone = false;

  constructor(argv: readonly string[], onReady: () => void, onDone: (result: PublishResult) => void) {
    this.#options = parseOptions(argv, options).values;
    this.#onDone = onDone;
    const { source, columns } = readValues(threeDataSets);
    this.#source = source;
    const { connections, devices, lines, port, prefix, astray } = this.#options;
    this.#connections = Array.from({ length: connections }, (_, index) => {
      const own = Array.from({ length: devices }, (__, device) => index * devices + device);
      return new LineConnection({
        port,
        devices: own.map((device) => `${prefix}-${String(device).padStart(4, '0')}`),
        columns: own.map((device) => columns[device % columns.length] ?? new Int32Array(1)),
        linesPerRequest: lines,
        firstRow: index * 97,
        astray: index === 0 ? astray : 0,
        onReady: () => {
          if (++this.#ready === connections) onReady();
        },
        onAnswer: (connection) => this.#answered(connection),
        onError: fail,
      });
    });
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#cpu = process.cpuUsage();
    if (this.#options.rate > 0) this.#pace();
    else for (const connection of this.#connections) this.#post(connection, performance.now());
  }

  #isOver(nowMs: number): boolean {
    return nowMs - this.#startedMs >= this.#options.seconds * 1000;
  }

  #post(connection: LineConnection, nowMs: number): void {
    this.#sent += connection.post(Date.now(), nowMs);
  }

  #pace(): void {
    const nowMs = performance.now();
    if (this.#isOver(nowMs)) {
      this.#finish();
      return;
    }
    const { rate, lines } = this.#options;
    const due = ((nowMs - this.#startedMs) * rate) / 1000;
    // In turn, so that all have sent about as much.
    for (const connection of this.#connections.toSorted((a, b) => a.sent - b.sent)) {
      if (this.#sent + lines > due) break;
      if (connection.isIdle) this.#post(connection, nowMs);
    }
    setTimeout(() => this.#pace(), 1);
  }

  #answered(connection: LineConnection): void {
    const nowMs = performance.now();
    this.#ackMs.push(nowMs - connection.sentAtMs);
    if (this.#isOver(nowMs)) this.#finish();
    else if (this.#options.rate === 0) this.#post(connection, nowMs);
  }

  #finish(): void {
    if (this.#isDone || this.#connections.some(({ isIdle }) => !isIdle)) return;
    this.#isDone = true;
    const { user, system } = process.cpuUsage(this.#cpu);
    const total = (of: (connection: LineConnection) => number): number =>
      this.#connections.reduce((sum, connection) => sum + of(connection), 0);
    for (const connection of this.#connections) connection.end();
    const requests = total((connection) => connection.requests);
    this.#onDone({
      source: this.#source,
      sent: this.#sent,
      astray: Math.min(this.#connections[0]?.sent ?? 0, this.#options.astray),
      sumHundredths: total((connection) => connection.sumHundredths),
      seconds: (performance.now() - this.#startedMs) / 1000,
      payloadBytes: Math.round(total((connection) => connection.bodyBytes) / requests),
      frameBytes: Math.round(total((connection) => connection.wireBytes) / requests),
      ackP50Ms: percentile(this.#ackMs, 0.5),
      ackP99Ms: percentile(this.#ackMs, 0.99),
      cpuSeconds: (user + system) / 1e6,
    });
  }
}

if (import.meta.main) runPublisher((argv, onReady, onDone) => new LinePublisher(argv, onReady, onDone));
