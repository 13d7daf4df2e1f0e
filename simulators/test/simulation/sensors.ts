/**
 * Simulated sensors of one agent: they send readings with source time, wait for the release of each message, and send again,
 * in order, whatever was not released when the agent went down. What they sent and what was acknowledged is the truth that
 * the checks hold everything against.
 */
import type { SourceBatch, SourceSeriesDefinition } from '@fogline/edge-agent/sources/batch-port';
import type { SeededRandom } from '@fogline/shared/random';

export interface TruthReading {
  readonly device: string;
  readonly time: number;
  readonly value: number;
  isAcked: boolean;
}

export const simSource = 'climate';
const simMetric = 'temperature';

export class SimSensors {
  readonly truth: TruthReading[] = [];
  readonly #random: SeededRandom;
  readonly #devices: number;
  readonly #readingsMax: number;
  readonly #lastTime: number[];
  readonly #level: number[];
  /** token → the readings of its message. */
  readonly #waiting = new Map<number, TruthReading[]>();
  #nextToken = 1;
  #defined = 0;

  /** A message has up to `readingsMax` readings. */
  constructor(devices: number, readingsMax: number, random: SeededRandom, startMs: number) {
    this.#readingsMax = readingsMax;
    this.#devices = devices;
    this.#random = random;
    this.#lastTime = Array.from({ length: devices }, (_, i) => startMs + i);
    this.#level = Array.from({ length: devices }, () => 15 + random.below(1000) / 100);
  }

  /** A fresh message of readings of one device; mostly newer than the last, sometimes late. */
  send(now: number): SourceBatch {
    const device = this.#random.below(this.#devices);
    const readings: TruthReading[] = [];
    for (let n = 1 + this.#random.below(this.#readingsMax); n > 0; n--) readings.push(this.#reading(device, now));
    return this.#message(this.#nextToken++, readings);
  }

  /** The agent started anew: everything that was not released goes again, under the same tokens. */
  resend(): SourceBatch[] {
    this.#defined = 0;
    return [...this.#waiting].map(([token, readings]) => this.#message(token, readings));
  }

  release(tokens: readonly number[]): void {
    for (const token of tokens) {
      for (const reading of this.#waiting.get(token) ?? []) reading.isAcked = true;
      this.#waiting.delete(token);
    }
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  #reading(device: number, now: number): TruthReading {
    const previous = this.#lastTime[device] ?? 0;
    const isLate = this.#random.chance(0.08);
    const time = isLate
      ? previous - 1 - this.#random.below(90_000)
      : Math.max(previous + 1, Math.min(previous + 1 + this.#random.below(4000), now));
    if (!isLate) this.#lastTime[device] = time;
    if (this.#random.chance(0.6))
      this.#level[device] = (this.#level[device] ?? 0) + (this.#random.below(101) - 50) / 100;
    const reading = {
      device: `d${device}`,
      time,
      value: Math.round((this.#level[device] ?? 0) * 100) / 100,
      isAcked: false,
    };
    this.truth.push(reading);
    return reading;
  }

  #message(token: number, readings: TruthReading[]): SourceBatch {
    this.#waiting.set(token, readings);
    const newSeries: SourceSeriesDefinition[] = [];
    while (this.#defined < this.#devices) {
      newSeries.push({
        id: this.#defined,
        device: `d${this.#defined}`,
        metric: simMetric,
        unit: '°C',
        type: 'number',
        tags: [],
      });
      this.#defined++;
    }
    const count = readings.length;
    return {
      source: simSource,
      newSeries,
      columns: {
        count,
        series: Uint32Array.from(readings, (reading) => Number(reading.device.slice(1))),
        time: Float64Array.from(readings, (reading) => reading.time),
        value: Float64Array.from(readings, (reading) => reading.value),
        flags: new Uint8Array(count),
        strings: [],
      },
      hasSourceTime: new Uint8Array(count).fill(1),
      tokens: [token],
    };
  }
}
