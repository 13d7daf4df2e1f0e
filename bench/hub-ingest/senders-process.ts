/** Many senders as a process of its own (publisher-process.ts): each sends a batch every interval, all of them spread over it. */
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { parseOptions } from '@fogline/shared/cli-options';
import { percentile } from '../kit/figures.ts';
import { fail, type PublishResult, runPublisher } from '../load/publisher-process.ts';
import { readValues, threeDataSets } from '../load/values.ts';
import { Sender } from './sender.ts';

const options = {
  port: { type: 'port', isRequired: true, help: 'of the hub' },
  tokens: { type: 'text', isRequired: true, placeholder: 'FILE', help: 'JSON: agent → token' },
  series: { type: 'integer', default: 100, help: 'of each agent' },
  interval: { type: 'integer', default: 1_000, help: 'milliseconds between two batches of an agent' },
  seconds: { type: 'integer', default: 20, help: 'how long to send' },
} as const;

const connectingMax = 20;
const paceMs = 5;
/** Batches of one agent that are not acked; beyond it the agent leaves one out, and the rate is not sustained. */
const waitingMax = 32;
const drainMs = 60_000;

class Senders {
  readonly #options: ReturnType<typeof parseOptions<typeof options>>['values'];
  readonly #onDone: (result: PublishResult) => void;
  readonly #source: string;
  readonly #senders: Sender[] = [];
  readonly #ackMs: number[] = [];
  #next = 0;
  #startedMs = 0;
  #lastAckMs = 0;
  #cpu = process.cpuUsage();

  constructor(argv: readonly string[], onReady: () => void, onDone: (result: PublishResult) => void) {
    this.#options = parseOptions(argv, options).values;
    this.#onDone = onDone;
    const { source, columns } = readValues(threeDataSets);
    this.#source = source;
    const tokens = JSON.parse(readFileSync(this.#options.tokens, 'utf8')) as Record<string, string>;
    this.#connect(Object.entries(tokens), columns).then(onReady, fail);
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#cpu = process.cpuUsage();
    this.#pace();
  }

  async #connect(tokens: readonly (readonly [string, string])[], columns: readonly Int32Array[]): Promise<void> {
    const { port, series } = this.#options;
    for (let from = 0; from < tokens.length; from += connectingMax) {
      const some = tokens.slice(from, from + connectingMax).map(([agent, token], index) =>
        Sender.open(
          {
            port,
            agent,
            token,
            series,
            columns,
            firstRow: (from + index) * 97,
            onAck: (sentMs) => this.#acked(sentMs),
            onError: fail,
          },
          from + index + 1,
        ),
      );
      this.#senders.push(...(await Promise.all(some)));
    }
  }

  #acked(sentMs: number): void {
    this.#lastAckMs = performance.now();
    this.#ackMs.push(this.#lastAckMs - sentMs);
  }

  /** Who is due by the clock sends, in turn. */
  #pace(): void {
    const { interval, seconds } = this.#options;
    const nowMs = performance.now();
    const elapsedMs = Math.min(nowMs - this.#startedMs, seconds * 1000);
    const due = Math.floor((elapsedMs * this.#senders.length) / interval);
    for (; this.#next < due; this.#next++) {
      const sender = this.#senders[this.#next % this.#senders.length] as Sender;
      if (sender.waiting < waitingMax) sender.send(nowMs, Date.now());
    }
    if (elapsedMs < seconds * 1000) setTimeout(() => this.#pace(), paceMs);
    else this.#drain();
  }

  #drain(): void {
    const isDone = this.#senders.every(({ waiting }) => waiting === 0);
    if (!isDone && performance.now() - this.#startedMs < this.#options.seconds * 1000 + drainMs) {
      setTimeout(() => this.#drain(), paceMs);
      return;
    }
    const { user, system } = process.cpuUsage(this.#cpu);
    this.#ackMs.sort((a, b) => a - b);
    const total = (of: (sender: Sender) => number): number =>
      this.#senders.reduce((sum, sender) => sum + of(sender), 0);
    for (const sender of this.#senders) sender.close();
    this.#onDone({
      source: this.#source,
      sent: total(({ sent }) => sent),
      astray: 0,
      sumHundredths: total(({ sumHundredths }) => sumHundredths),
      seconds: (this.#lastAckMs - this.#startedMs) / 1000,
      payloadBytes: 0,
      frameBytes: 0,
      ackP50Ms: percentile(this.#ackMs, 0.5),
      ackP99Ms: percentile(this.#ackMs, 0.99),
      cpuSeconds: (user + system) / 1e6,
    });
  }
}

runPublisher((argv, onReady, onDone) => new Senders(argv, onReady, onDone));
