/**
 * A client that writes as Telegraf does: metrics in a bounded buffer, flushed in batches, oldest first; what a flush may not forget is kept
 * for the next. The two outputs take the status codes each in their own way (telegraf, plugins/outputs/influxdb and influxdb_v2,
 * models/running_output.go): v1 forgets a batch on 204 and on every 4xx and keeps it on anything else; v2 forgets on 2xx and on 4xx
 * but 401, 403, 413 and 429, halves a batch on 413, and on 429, 502, 503 and 504 waits for Retry-After or longer. A request that is
 * not answered within 5 s is given up, and its batch kept. What was taken is in a truth file.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { SeededRandom } from '@fogline/shared/random';
import { openTruth, type TruthMessage, type TruthWriter } from '../../src/fleet/truth-writer.ts';
import { loopback } from './ports.ts';
import type { Stage } from './stage.ts';

export interface TelegrafOptions {
  readonly version: 1 | 2;
  readonly port: number;
  readonly host: string;
  readonly truth: string;
  readonly random: SeededRandom;
  /** Metrics that arise between two flushes. */
  readonly metricsPerFlush: number;
  readonly flushMs: number;
  readonly token?: string;
}

export interface TelegrafCounts {
  /** Answers by status; 0 = none. */
  readonly answers: Readonly<Record<number, number>>;
  /** Metrics that a 4xx made it forget. */
  readonly rejected: number;
  /** Metrics for which the buffer had no room. */
  readonly overflowed: number;
  readonly splits: number;
}

const batchSize = 1_000;
const bufferLimit = 10_000;
const timeoutMs = 5_000;
/** Quicker than the real one, whose back-off grows to a minute. */
const backoffMsMax = 500;
const retryAfterMsMax = 600_000;

interface Metric extends TruthMessage {
  readonly line: string;
}

type Outcome = 'accepted' | 'rejected' | 'kept';

export class Telegraf {
  readonly #options: TelegrafOptions;
  readonly #truth: TruthWriter;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #answers: Record<number, number> = {};
  #buffer: Metric[] = [];
  #rejected = 0;
  #overflowed = 0;
  #splits = 0;
  #lastMs = 0;
  #retryAtMs = 0;
  #retries = 0;
  #isStopping = false;
  #isAbandoned = false;
  #ended: Promise<void> | undefined;

  constructor(stage: Stage, options: TelegrafOptions) {
    this.#options = options;
    this.#truth = openTruth(options.truth, Date.now());
    stage.onClose(async () => {
      this.#isStopping = true;
      this.#isAbandoned = true;
      this.#agent.destroy();
      await this.#ended?.catch(() => undefined);
      this.#truth.close();
    });
  }

  get counts(): TelegrafCounts {
    return {
      answers: this.#answers,
      rejected: this.#rejected,
      overflowed: this.#overflowed,
      splits: this.#splits,
    };
  }

  start(): void {
    this.#ended = this.#work();
    // Whoever finishes hears of it.
    this.#ended.catch(() => undefined);
  }

  /** Gathers nothing new; resolves when the buffer is empty. */
  async finish(): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
    this.#truth.flush();
  }

  async #work(): Promise<void> {
    if (this.#options.version === 1) await this.#post('/query', 'q=CREATE+DATABASE+%22telegraf%22');
    while (!this.#isAbandoned && (!this.#isStopping || this.#buffer.length > 0)) {
      if (!this.#isStopping) this.#gather();
      await this.#flush();
      await sleep(this.#options.flushMs);
    }
  }

  #gather(): void {
    for (let n = 0; n < this.#options.metricsPerFlush; n++) this.#buffer.push(this.#next());
    const surplus = Math.max(0, this.#buffer.length - bufferLimit);
    this.#overflowed += surplus;
    this.#buffer.splice(0, surplus);
    this.#truth.flush();
  }

  #next(): Metric {
    const { host, random } = this.#options;
    this.#lastMs = Math.max(this.#lastMs + 1, Date.now());
    const [timeMs, temperature, humidity] = [this.#lastMs, random.below(4_000) / 100, random.unit() * 100];
    const nanoseconds = `${timeMs}${String(random.below(1_000_000)).padStart(6, '0')}`;
    const metric = {
      device: host,
      timeMs,
      values: `{"climate_temperature":${temperature},"climate_humidity":${humidity}}`,
      line: `climate,host=${host} temperature=${temperature},humidity=${humidity} ${nanoseconds}\n`,
    };
    this.#truth.sent(metric, 1);
    return metric;
  }

  async #flush(): Promise<void> {
    const batches = Math.floor(this.#buffer.length / batchSize) + 1;
    for (let batch = 0; batch < batches && this.#buffer.length > 0; batch++) {
      const metrics = this.#buffer.slice(0, batchSize);
      const outcomes = await this.#write(metrics);
      for (const [index, metric] of metrics.entries()) if (outcomes[index] === 'accepted') this.#truth.acked(metric);
      this.#rejected += outcomes.filter((outcome) => outcome === 'rejected').length;
      this.#buffer = [
        ...metrics.filter((_, index) => outcomes[index] === 'kept'),
        ...this.#buffer.slice(metrics.length),
      ];
      if (outcomes.includes('kept')) return;
    }
  }

  async #write(metrics: readonly Metric[]): Promise<Outcome[]> {
    const all = (outcome: Outcome): Outcome[] => metrics.map(() => outcome);
    if (this.#options.version === 1) return all(await this.#writeV1(metrics));
    if (Date.now() < this.#retryAtMs) return all('kept');
    return this.#writeV2(metrics);
  }

  async #writeV1(metrics: readonly Metric[]): Promise<Outcome> {
    const { status } = await this.#post('/write?db=telegraf', metrics.map(({ line }) => line).join(''));
    if (status === 204) return 'accepted';
    return status >= 400 && status < 500 ? 'rejected' : 'kept';
  }

  async #writeV2(metrics: readonly Metric[]): Promise<Outcome[]> {
    const body = gzipSync(metrics.map(({ line }) => line).join(''));
    const { status, retryAfter } = await this.#post('/api/v2/write?bucket=b&org=o', body, 'gzip');
    const all = (outcome: Outcome): Outcome[] => metrics.map(() => outcome);
    if (status >= 200 && status < 300) {
      this.#retries = 0;
      return all('accepted');
    }
    if (status === 413 && metrics.length > 1) {
      this.#splits++;
      const middle = Math.floor(metrics.length / 2);
      return [...(await this.#writeV2(metrics.slice(0, middle))), ...(await this.#writeV2(metrics.slice(middle)))];
    }
    if ([429, 502, 503, 504].includes(status)) {
      this.#retries++;
      const backoffMs = Math.min((this.#retries ** 2 / 40) * 1_000, backoffMsMax);
      this.#retryAtMs = Date.now() + Math.max(backoffMs, Math.min(Number(retryAfter ?? 0) * 1_000, retryAfterMsMax));
      return all('kept');
    }
    return all(status >= 400 && status < 500 && ![401, 403].includes(status) ? 'rejected' : 'kept');
  }

  #post(path: string, body: string | Buffer, encoding?: string): Promise<{ status: number; retryAfter?: string }> {
    const { port, token } = this.#options;
    const headers = {
      'content-type': 'text/plain; charset=utf-8',
      'user-agent': 'Telegraf/1.30.0',
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      ...(token === undefined ? {} : { authorization: `Token ${token}` }),
    };
    return new Promise((resolve) => {
      const settle = (status: number, retryAfter?: string): void => {
        this.#answers[status] = (this.#answers[status] ?? 0) + 1;
        resolve(retryAfter === undefined ? { status } : { status, retryAfter });
      };
      const outgoing = request({ host: loopback, port, path, method: 'POST', headers, agent: this.#agent });
      const limit = setTimeout(() => outgoing.destroy(new Error('no answer')), timeoutMs);
      let isSettled = false;
      const once = (status: number, retryAfter?: string): void => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(limit);
        settle(status, retryAfter);
      };
      outgoing.on('error', () => once(0));
      outgoing.on('response', (response) => {
        response.on('error', () => once(0));
        // Without a whole answer it is none.
        response.on('end', () => once(response.statusCode ?? 0, response.headers['retry-after']));
        response.on('close', () => once(0));
        response.resume();
      });
      outgoing.end(body);
    });
  }
}
