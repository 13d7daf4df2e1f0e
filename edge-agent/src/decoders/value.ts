/**
 * A payload that is one value: a number, a boolean (true, false, on, off, 1, 0) or a text. The metric is the captured level `{metric}`
 * of the topic, or the only one that is configured.
 */
import { isUtf8 } from 'node:buffer';
import type { Decoder, DecoderPorts, Message, Reader, Sender, ValueConfig } from './decoder.ts';
import { type DeviceSeries, deviceSeries, type Slot } from './device-series.ts';
import { autoMetric, compileMetric, invalid, type Marker, type Metric } from './metric.ts';
import { parseNumber } from './number-text.ts';
import { ReadingWriter } from './reading-writer.ts';
import type { RejectionReason, Rejections } from './rejections.ts';

export const metricCapture = 'metric';
const valueBytesMax = 1_024;

const words: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['on', true],
  ['false', false],
  ['off', false],
]);

export class ValueDecoder implements Decoder {
  /** By captured level; undefined in auto mode. */
  readonly #metrics: ReadonlyMap<string, Metric> | undefined;
  readonly #missing: readonly Marker[];
  readonly #skip: ReadonlySet<string>;
  readonly #ports: DecoderPorts;

  /** @throws FoglineError config_invalid. */
  constructor({ metrics, missing = [], skip = [] }: ValueConfig, ports: DecoderPorts) {
    if (metrics !== 'auto' && metrics.length === 0) throw invalid('metrics', 'name at least one metric, or write auto');
    this.#metrics =
      metrics === 'auto' ? undefined : new Map(metrics.map((metric) => [metric.field, compileMetric(metric, missing)]));
    this.#missing = missing;
    this.#skip = new Set(skip);
    this.#ports = ports;
  }

  bind({ source, device, captures }: Sender): Reader | undefined {
    const captured = captures.find(([name]) => name === metricCapture)?.[1];
    const own = deviceSeries(
      device ?? source,
      captures.filter(([name]) => name !== metricCapture),
    );
    if (own === undefined || captured === '') return undefined;
    const metric = this.#metricOf(captured);
    return new ValueReader(metric === undefined ? undefined : { metric, id: -1 }, own, this.#ports);
  }

  /** Undefined when values of this name are not wanted. */
  #metricOf(captured: string | undefined): Metric | undefined {
    if (this.#metrics === undefined) {
      const name = captured ?? 'value';
      return this.#skip.has(name) ? undefined : autoMetric(name, 'number', this.#missing);
    }
    return captured === undefined ? [...this.#metrics.values()][0] : this.#metrics.get(captured);
  }
}

class ValueReader implements Reader {
  readonly #slot: Slot | undefined;
  readonly #own: DeviceSeries;
  readonly #rejections: Rejections;
  readonly #writer: ReadingWriter;

  constructor(slot: Slot | undefined, own: DeviceSeries, { registry, rejections, out }: DecoderPorts) {
    this.#slot = slot;
    this.#own = own;
    this.#rejections = rejections;
    this.#writer = new ReadingWriter(registry, out);
  }

  read(message: Message): void {
    message.position = message.payload.length;
    const problem = this.#slot === undefined ? 'no_known_field' : this.#readValue(message, this.#slot);
    if (problem !== undefined) this.#rejections.add(problem);
  }

  #readValue({ payload, nowMs }: Message, slot: Slot): RejectionReason | undefined {
    if (payload.length > valueBytesMax) return 'payload_too_large';
    if (!isUtf8(payload)) return 'not_utf8';
    this.#writer.at(nowMs, false);
    const value = this.#valueOf(payload, slot);
    return value === undefined ? 'wrong_type' : this.#writer.add(value, slot, this.#own);
  }

  #valueOf(payload: Buffer, slot: Slot): number | boolean | string | undefined {
    const text = payload.toString('utf8', 0, payload.length).trim();
    const { metric } = slot;
    if (metric.type === 'text' || metric.missing.includes(text)) return text;
    const bytes = Buffer.from(text);
    const number = parseNumber(bytes, 0, bytes.length);
    if (!Number.isNaN(number)) return number;
    const word = words.get(text.toLowerCase());
    // Auto mode learns the type from the first value.
    if (word !== undefined && metric.isAuto && slot.id < 0) slot.metric = { ...metric, type: 'boolean' };
    return word;
  }
}
