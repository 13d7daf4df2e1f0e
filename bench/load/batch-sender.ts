/**
 * What agents send, without agents: batches of sync protocol v1; or the same readings as lines to victoria-metrics. A process of its own:
 * says `ready`, sends at its rate from each line `go` until a line `rest`, all senders spread evenly, then says when everything is acked
 * what that was.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { parseOptions } from '@fogline/shared/cli-options';
import type { ReadingColumns, SeriesDefinition } from '@fogline/shared/reading';
import { percentile } from '../kit/figures.ts';
import { AgentSender } from './agent-sender.ts';
import { fail, type PublishResult } from './publisher-process.ts';
import { readValues, threeDataSets } from './values.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the hub for agents, or of victoria-metrics' },
  tokens: { type: 'text', help: 'file of agents and their tokens, as JSON; without it to victoria-metrics' },
  series: { type: 'integer', default: 50, help: 'of each sender' },
  each: { type: 'integer', default: 2, help: 'readings of each of them in a batch' },
  rate: { type: 'integer', default: 10_000, help: 'readings a second over all' },
} as const;

export const liveMetric = 'live';
const senders = 20;
/** Batches without an ack, of one sender; what an agent is granted by default. Beyond it one is left out, and the rate is not sustained. */
const windowMax = 32;
const connectingMax = 20;
const tickMs = 2;
const restMsMax = 60_000;

export interface SendResult
  extends Pick<
    PublishResult,
    'source' | 'sent' | 'sumHundredths' | 'seconds' | 'ackP50Ms' | 'ackP99Ms' | 'cpuSeconds'
  > {
  readonly ackMaxMs: number;
}

interface Outlet {
  send(rows: ReadingColumns, onAck: () => void): void;
}

export const senderNames = Array.from({ length: senders }, (_, index) => `live-${String(index).padStart(2, '0')}`);
const deviceOf = (series: number): string => `d${String(series).padStart(2, '0')}`;

/** What all series of a sender measured since its last batch. The columns of one batch lie where those of the last one lay. */
class Sensors {
  sumHundredths = 0;
  readonly #values: readonly Int32Array[];
  readonly #each: number;
  readonly #index: number;
  readonly #rows: ReadingColumns;
  #row: number;

  constructor(values: readonly Int32Array[], series: number, each: number, index: number) {
    this.#values = values;
    this.#each = each;
    this.#index = index;
    this.#row = index * 97;
    const count = series * each;
    this.#rows = {
      count,
      series: Uint32Array.from({ length: count }, (_, at) => Math.floor(at / each)),
      time: new Float64Array(count),
      value: new Float64Array(count),
      flags: new Uint8Array(count),
      strings: [],
    };
  }

  read(wallMs: number, periodMs: number): ReadingColumns {
    const { count, series, time, value } = this.#rows;
    for (let at = 0; at < count; at++) {
      const within = at % this.#each;
      const values = this.#values[(this.#index + (series[at] as number)) % this.#values.length] as Int32Array;
      const hundredths = values[(this.#row + within) % values.length] as number;
      time[at] = wallMs - Math.round((periodMs * (this.#each - 1 - within)) / this.#each);
      value[at] = hundredths / 100;
      this.sumHundredths += hundredths;
    }
    this.#row += this.#each;
    return this.#rows;
  }
}

interface Sender {
  readonly outlet: Outlet;
  readonly sensors: Sensors;
}

interface Pace {
  readonly rowsPerBatch: number;
  /** Between two batches of a sender. */
  readonly periodMs: number;
}

class Session {
  readonly #senders: readonly Sender[];
  readonly #pace: Pace;
  readonly #source: string;
  readonly #waiting: number[];
  readonly #ackMs: number[] = [];
  readonly #sumBefore: number;
  readonly #startedMs = performance.now();
  readonly #cpu = process.cpuUsage();
  #next = 0;
  #batches = 0;
  #onDone: ((result: SendResult) => void) | undefined;

  constructor(senders: readonly Sender[], pace: Pace, source: string) {
    this.#senders = senders;
    this.#pace = pace;
    this.#source = source;
    this.#waiting = senders.map(() => 0);
    this.#sumBefore = this.#sumHundredths;
    this.#tick();
  }

  async rest(): Promise<SendResult> {
    const patience = setTimeout(() => fail(new Error('acks do not come')), restMsMax);
    const result = await new Promise<SendResult>((resolve) => {
      this.#onDone = resolve;
      this.#finish();
    });
    clearTimeout(patience);
    return result;
  }

  get #sumHundredths(): number {
    return this.#senders.reduce((sum, { sensors }) => sum + sensors.sumHundredths, 0);
  }

  /** Who is due by the clock sends, in turn. */
  #tick(): void {
    if (this.#onDone !== undefined) return;
    const due = ((performance.now() - this.#startedMs) * this.#senders.length) / this.#pace.periodMs;
    for (; this.#next < due; this.#next++) {
      const index = this.#next % this.#senders.length;
      if ((this.#waiting[index] as number) < windowMax) this.#send(index);
    }
    setTimeout(() => this.#tick(), tickMs);
  }

  #send(index: number): void {
    const beganMs = performance.now();
    const { outlet, sensors } = this.#senders[index] as Sender;
    this.#waiting[index] = (this.#waiting[index] as number) + 1;
    this.#batches++;
    outlet.send(sensors.read(Date.now(), this.#pace.periodMs), () => {
      this.#ackMs.push(performance.now() - beganMs);
      this.#waiting[index] = (this.#waiting[index] as number) - 1;
      this.#finish();
    });
  }

  #finish(): void {
    if (this.#onDone === undefined || this.#ackMs.length < this.#batches) return;
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#onDone({
      source: this.#source,
      sent: this.#batches * this.#pace.rowsPerBatch,
      sumHundredths: this.#sumHundredths - this.#sumBefore,
      seconds: (performance.now() - this.#startedMs) / 1_000,
      ackP50Ms: percentile(this.#ackMs, 0.5),
      ackP99Ms: percentile(this.#ackMs, 0.99),
      ackMaxMs: percentile(this.#ackMs, 1),
      cpuSeconds: (user + system) / 1e6,
    });
  }
}

function hubOutlet(port: number, agent: string, token: string, index: number, series: number): Promise<Outlet> {
  const epoch = (0xb0 + index).toString(16).padStart(16, '0');
  const definitions = Array.from({ length: series }, (_, at) => definitionOf(at));
  return AgentSender.open({ port, agent, token, epoch, definitions, onError: fail });
}

function definitionOf(series: number): SeriesDefinition {
  const of = { kind: 'reading', type: 'number', sampling: 'all', tags: [], widthMs: 0, holdMs: 0 } as const;
  return { stream: 'raw', device: deviceOf(series), metric: liveMetric, unit: '', ...of };
}

function victoriaOutlet(port: number, agent: string): Outlet {
  const connections = new Agent({ keepAlive: true, maxSockets: windowMax });
  return {
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
  };
}

/** Some at a time, so that those who wait for the hub do not wait for all others. */
async function hubOutlets(port: number, file: string, series: number): Promise<Outlet[]> {
  const tokens = Object.entries(JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>);
  const outlets: Outlet[] = [];
  while (outlets.length < tokens.length) {
    const some = tokens.slice(outlets.length, outlets.length + connectingMax);
    const opening = some.map(([agent, token], at) => hubOutlet(port, agent, token, outlets.length + at, series));
    outlets.push(...(await Promise.all(opening)));
  }
  return outlets;
}

async function main(): Promise<void> {
  const { port, tokens, series, each, rate } = parseOptions(process.argv.slice(2), options).values;
  const { source, columns } = readValues(threeDataSets);
  const outlets =
    tokens === undefined
      ? senderNames.map((agent) => victoriaOutlet(port, agent))
      : await hubOutlets(port, tokens, series);
  const all = outlets.map((outlet, index) => ({ outlet, sensors: new Sensors(columns, series, each, index) }));
  const rowsPerBatch = series * each;
  const pace = { rowsPerBatch, periodMs: (1_000 * rowsPerBatch * all.length) / rate };
  let session: Session | undefined;
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'go') session = new Session(all, pace, source);
    else if (line === 'rest') console.log(`result ${JSON.stringify(await session?.rest())}`);
  }
  process.exit(0);
}

if (import.meta.main) await main();
