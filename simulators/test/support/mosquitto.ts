/**
 * Devices that publish with the stock `mosquitto_pub -l -q 1`, a few hundred lines a run. What was acked is what mosquitto_pub itself says
 * (`-d`); what a run ends without, the next one sends again, byte for byte the same.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '@fogline/shared/random';
import { openTruth, type TruthWriter } from '../../src/fleet/truth-writer.ts';
import { loopback } from './ports.ts';
import type { Stage } from './stage.ts';

export const hasMosquitto = spawnSync('mosquitto_pub', ['--help']).error === undefined;

const linesPerRun = 400;
const linesPerFeed = 20;
const feedMs = 100;
/** A run that does not come to its end by itself, because the broker died at a bad moment, is ended. */
const runMs = 20_000;

interface Line {
  readonly device: string;
  readonly timeMs: number;
  readonly topic: string;
  readonly payload: string;
  readonly values: string;
}

export class MosquittoDevice {
  readonly #device: string;
  readonly #port: number;
  readonly #random: SeededRandom;
  readonly #truth: TruthWriter;
  #unacked: Line[] = [];
  #isStopping = false;
  #isAbandoned = false;
  #lastMs = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<void> | undefined;

  constructor(
    stage: Stage,
    options: { readonly device: string; readonly port: number; readonly truth: string; readonly random: SeededRandom },
  ) {
    this.#device = options.device;
    this.#port = options.port;
    this.#random = options.random;
    this.#truth = openTruth(options.truth, Date.now());
    stage.onClose(async () => {
      this.#isStopping = true;
      this.#isAbandoned = true;
      this.#child?.kill('SIGKILL');
      await this.#ended?.catch(() => undefined);
      this.#truth.close();
    });
  }

  start(): void {
    this.#ended = this.#work();
    // Whoever finishes hears of it.
    this.#ended.catch(() => undefined);
  }

  /** Sends nothing new; resolves when everything was acked. */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
  }

  async #work(): Promise<void> {
    while (!this.#isAbandoned && (!this.#isStopping || this.#unacked.length > 0)) await this.#run();
    this.#truth.flush();
  }

  async #run(): Promise<void> {
    const where = ['-h', loopback, '-p', `${this.#port}`, '-t', `sensors/${this.#device}/climate`];
    const child = spawn('mosquitto_pub', ['-d', '-l', '-q', '1', ...where], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child = child;
    const lines: Line[] = [];
    const acked = new Set<number>();
    child.stdin.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    // Lines are numbered from 1 in the order in which they are read.
    createInterface({ input: child.stdout }).on('line', (said) => {
      const id = /received PUBACK \(Mid: (\d+)/.exec(said)?.[1];
      if (id !== undefined) acked.add(Number(id));
    });
    await this.#feed(child, lines);
    child.stdin.end();
    const limit = new AbortController();
    const tooLong = sleep(runMs, true, { signal: limit.signal }).catch(() => false);
    if ((await Promise.race([closed, tooLong])) === true) child.kill('SIGKILL');
    limit.abort();
    await closed;
    this.#unacked = [];
    for (const [index, line] of lines.entries()) {
      if (acked.has(index + 1)) this.#truth.acked(line);
      else this.#unacked.push(line);
    }
  }

  async #feed(child: ChildProcess, lines: Line[]): Promise<void> {
    const again = this.#unacked;
    while (lines.length < linesPerRun && child.exitCode === null && child.signalCode === null) {
      const now = again.splice(0, linesPerFeed);
      if (!this.#isStopping) while (now.length < linesPerFeed) now.push(this.#next());
      if (now.length === 0) return;
      lines.push(...now);
      this.#truth.flush();
      child.stdin?.write(now.map((line) => `${line.payload}\n`).join(''));
      await sleep(feedMs);
    }
    lines.push(...again.splice(0));
  }

  #next(): Line {
    this.#lastMs = Math.max(this.#lastMs + 1, Date.now());
    const [timeMs, temp, hum] = [this.#lastMs, this.#random.below(4_000) / 100, this.#random.below(1_000) / 10];
    const line = {
      device: this.#device,
      timeMs,
      topic: `sensors/${this.#device}/climate`,
      payload: `{"ts":${timeMs},"temp":${temp},"hum":${hum}}`,
      values: `{"temperature":${temp},"humidity":${hum}}`,
    };
    this.#truth.sent(line, 1);
    return line;
  }
}
