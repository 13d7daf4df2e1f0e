/**
 * What agents send, without agents: batches of sync protocol v1, over the wire that agents use; or the same readings as lines to
 * victoria-metrics. A process of its own: says `ready`, sends at its rate from each line `go` until a line `rest`, then says when everything
 * is acked what that was.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { createMqttWire } from '@fogline/edge-agent/uplink/mqtt-wire';
import { parseOptions } from '@fogline/shared/cli-options';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { encodeBatch, encodeHello, encodeSeries, encodeStatus } from '@fogline/shared/protocol/messages';
import { topicOf } from '@fogline/shared/protocol/topics';
import type { ReadingColumns } from '@fogline/shared/reading';
import { percentile } from '../kit/figures.ts';
import { fail } from './publisher-process.ts';
import { readValues, threeDataSets } from './values.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the hub for agents, or of victoria-metrics' },
  tokens: { type: 'text', help: 'file of agents and their tokens, as JSON; without it to victoria-metrics' },
  rate: { type: 'integer', default: 10_000, help: 'readings a second over all' },
} as const;

export const liveMetric = 'live';
const senders = 20;
const seriesPerSender = 50;
const rowsPerBatch = 100;
/** Batches without an ack, of one sender; what an agent is granted by default. */
const windowMax = 32;
const tickMs = 2;

export interface SendResult {
  readonly sent: number;
  readonly batches: number;
  readonly sumHundredths: number;
  readonly seconds: number;
  /** From handing a batch to the system to its ack. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  readonly ackMaxMs: number;
}

interface Outlet {
  send(rows: ReadingColumns, onAck: () => void): void;
}

export const senderNames = Array.from({ length: senders }, (_, index) => `live-${String(index).padStart(2, '0')}`);
const deviceOf = (series: number): string => `d${String(series).padStart(2, '0')}`;

class Session {
  readonly #outlets: readonly Outlet[];
  readonly #columns = readValues(threeDataSets).columns;
  readonly #waiting: number[];
  readonly #periodMs: number;
  readonly #ackMs: number[] = [];
  readonly #startedMs = performance.now();
  readonly #nextMs: number[];
  readonly #rows: number[];
  #sent = 0;
  #batches = 0;
  #sumHundredths = 0;
  #isResting = false;
  #onDone: (result: SendResult) => void = () => {};

  constructor(outlets: readonly Outlet[], rate: number, rows: number[]) {
    this.#outlets = outlets;
    this.#rows = rows;
    this.#periodMs = (1_000 * rowsPerBatch * senders) / rate;
    this.#waiting = outlets.map(() => 0);
    this.#nextMs = outlets.map((_, index) => this.#startedMs + (index * this.#periodMs) / senders);
    this.#tick();
  }

  rest(): Promise<SendResult> {
    this.#isResting = true;
    return new Promise((resolve) => {
      this.#onDone = resolve;
      this.#finish();
    });
  }

  #tick(): void {
    if (this.#isResting) return;
    const nowMs = performance.now();
    for (const index of this.#outlets.keys()) {
      const due = this.#nextMs[index] as number;
      if (due > nowMs || (this.#waiting[index] as number) >= windowMax) continue;
      this.#nextMs[index] = due + this.#periodMs;
      this.#send(index);
    }
    setTimeout(() => this.#tick(), tickMs);
  }

  #send(index: number): void {
    const beganMs = performance.now();
    this.#waiting[index] = (this.#waiting[index] as number) + 1;
    this.#batches++;
    this.#sent += rowsPerBatch;
    this.#outlets[index]?.send(this.#batchOf(index), () => {
      this.#ackMs.push(performance.now() - beganMs);
      this.#waiting[index] = (this.#waiting[index] as number) - 1;
      if (this.#isResting) this.#finish();
    });
  }

  /** What all series of a sender measured since its last batch. */
  #batchOf(sender: number): ReadingColumns {
    const count = rowsPerBatch;
    const each = count / seriesPerSender;
    const row = (this.#rows[sender] = (this.#rows[sender] ?? 0) + each);
    const nowMs = Date.now();
    const value = Float64Array.from({ length: count }, (_, at) => {
      const column = this.#columns[(sender + Math.floor(at / each)) % this.#columns.length] ?? new Int32Array(1);
      const hundredths = column[(row + (at % each)) % column.length] ?? 0;
      this.#sumHundredths += hundredths;
      return hundredths / 100;
    });
    return {
      count,
      series: Uint32Array.from({ length: count }, (_, at) => Math.floor(at / each)),
      time: Float64Array.from({ length: count }, (_, at) => {
        return nowMs - Math.round((this.#periodMs * (each - 1 - (at % each))) / each);
      }),
      value,
      flags: new Uint8Array(count),
      strings: [],
    };
  }

  #finish(): void {
    if (this.#waiting.some((count) => count > 0)) return;
    this.#onDone({
      sent: this.#sent,
      batches: this.#batches,
      sumHundredths: this.#sumHundredths,
      seconds: (performance.now() - this.#startedMs) / 1_000,
      ackP50Ms: percentile(this.#ackMs, 0.5),
      ackP99Ms: percentile(this.#ackMs, 0.99),
      ackMaxMs: Math.max(...this.#ackMs),
    });
  }
}

/** Resolves when the hub knows this agent and has its series. */
function hubOutlet(port: number, agent: string, index: number, token: string): Promise<Outlet> {
  const epoch = (0xb0 + index).toString(16).padStart(16, '0');
  const zero = [0, 0, 0, 0];
  const wire = createMqttWire({ host: '127.0.0.1', port, isTls: false });
  const acks = new Map<number, () => void>();
  let next = 1;
  let reference = 0;
  const publish = (kind: 'hello' | 'series' | 'batch', payload: Uint8Array, onAck: () => void): void => {
    acks.set(++reference, onAck);
    wire.publish(topicOf(agent, kind), payload, false, reference);
  };
  const outlet: Outlet = {
    send(rows, onAck) {
      const range = { lane: 2 as const, first: next, last: next + rows.count - 1 };
      next += rows.count;
      const parts = [{ kind: 'readings' as const, bytes: encodeReadings(rows, 'fast') }];
      publish('batch', encodeBatch({ agent, epoch, ...range, parts }), onAck);
    },
  };
  return new Promise((resolve) => {
    const offer = { epoch, parent: undefined, seriesBase: 0, seriesCount: seriesPerSender, last: zero };
    const session = { session: index + 1, page: 1, pages: 1, current: epoch, software: 'bench', clockMs: Date.now() };
    wire.open(
      {
        clientId: `${agent}:${epoch}`,
        username: agent,
        password: token,
        subscribe: [topicOf(agent, 'welcome'), topicOf(agent, 'flow')],
        will: { topic: topicOf(agent, 'status'), payload: encodeStatus({ agent, epoch, isOnline: false }) },
      },
      {
        onOpen() {
          const hello = { agent, ...session, isClockTrusted: true, queued: zero, epochs: [offer] };
          publish('hello', encodeHello(hello), () => {
            publish('series', encodeSeries({ agent, epoch, first: 0, definitions: definitions() }), () => {
              resolve(outlet);
            });
          });
        },
        onMessage: () => undefined,
        onHeard: () => undefined,
        onAck(acked) {
          const onAck = acks.get(acked);
          acks.delete(acked);
          onAck?.();
        },
        onClose: (reason) => fail(new Error(`${agent}: ${reason}`)),
      },
    );
  });
}

function definitions() {
  return Array.from({ length: seriesPerSender }, (_, series) => ({
    stream: 'raw',
    device: deviceOf(series),
    metric: liveMetric,
    unit: '',
    kind: 'reading' as const,
    type: 'number' as const,
    sampling: 'all' as const,
    tags: [],
    widthMs: 0,
    holdMs: 0,
  }));
}

function victoriaOutlet(port: number, agent: string): Promise<Outlet> {
  const connections = new Agent({ keepAlive: true, maxSockets: windowMax });
  return Promise.resolve({
    send(rows, onAck) {
      let body = '';
      for (let row = 0; row < rows.count; row++) {
        const labels = `agent="${agent}",device="${deviceOf(rows.series[row] ?? 0)}"`;
        body += `${liveMetric}{${labels}} ${rows.value[row]} ${rows.time[row]}\n`;
      }
      const path = '/api/v1/import/prometheus';
      const asked = request({ host: '127.0.0.1', port, path, method: 'POST', agent: connections }, (response) => {
        if (response.statusCode !== 204) fail(new Error(`${path}: ${response.statusCode}`));
        response.resume().on('end', onAck);
      });
      asked.on('error', fail);
      asked.end(body);
    },
  });
}

async function main(): Promise<void> {
  const { port, tokens: file, rate } = parseOptions(process.argv.slice(2), options).values;
  const tokens = file === undefined ? undefined : (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>);
  const outlets = await Promise.all(
    senderNames.map((agent, index) =>
      tokens === undefined ? victoriaOutlet(port, agent) : hubOutlet(port, agent, index, tokens[agent] ?? ''),
    ),
  );
  const rows: number[] = [];
  let session: Session | undefined;
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'go') session = new Session(outlets, rate, rows);
    else if (line === 'rest') console.log(`result ${JSON.stringify(await session?.rest())}`);
  }
  process.exit(0);
}

if (import.meta.main) await main();
