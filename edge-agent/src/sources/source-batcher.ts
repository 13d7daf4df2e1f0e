/**
 * One source at work: decodes messages into the current batch as they come and submits it when it is full or due. A message whose
 * sender waits leaves a token in the batch, rows or not, so that senders are answered in the order in which they came.
 */
import { compileTopicPattern, type TopicPattern } from '@fogline/shared/topic-filter';
import { type DeviceBinding, JsonDecoder, type JsonDecoderOptions } from '../decoders/json.ts';
import { ReadingsBuilder } from '../decoders/readings-builder.ts';
import { type RejectionReason, Rejections } from '../decoders/rejections.ts';
import type { IngestPort, RejectionListener, Token } from './batch-port.ts';
import { SeriesRegistry, type Tags } from './series-registry.ts';

export const batchRowsMax = 4_096;
const batchTokensMax = 4_096;
/** Of payloads decoded into one batch. */
export const batchBytesMax = 256 * 1_024;
/** Bindings kept by topic; beyond it all are derived anew, which costs time and loses nothing. */
const bindingsMax = 20_000;

export interface SourceOptions extends JsonDecoderOptions {
  readonly name: string;
  /** Topic patterns. The capture {device} names the device; without it the source is one device of its own name. */
  readonly topics: readonly string[];
  readonly seriesMax?: number;
}

export class SourceBatcher {
  readonly name: string;
  readonly patterns: readonly TopicPattern[];
  readonly rejections: Rejections;
  readonly #decoder: JsonDecoder;
  readonly #registry: SeriesRegistry;
  readonly #ingest: IngestPort;
  readonly #builder = new ReadingsBuilder();
  /** `undefined`: the topic is ours, but names no valid device. */
  readonly #bindings = new Map<string, DeviceBinding | undefined>();
  #tokens: Token[] = [];
  #bytes = 0;
  #readings = 0;

  /** @throws FoglineError config_invalid. */
  constructor(options: SourceOptions, ingest: IngestPort, onRejected?: RejectionListener) {
    this.name = options.name;
    this.rejections = new Rejections((reason, topic, payload) => onRejected?.(this.name, reason, topic, payload));
    this.patterns = options.topics.map(compileTopicPattern);
    this.#registry = new SeriesRegistry(options.seriesMax);
    this.#decoder = new JsonDecoder(options, this.#registry, this.rejections);
    this.#ingest = ingest;
  }

  get hasWork(): boolean {
    return this.#builder.count > 0 || this.#tokens.length > 0;
  }

  /** Readings decoded since the start. */
  get readings(): number {
    return this.#readings;
  }

  get seriesCount(): number {
    return this.#registry.size;
  }

  matches(topic: string): boolean {
    return this.#bindings.has(topic) || this.patterns.some((pattern) => pattern.match(topic) !== undefined);
  }

  /** Decodes a message on a topic that matches. `token` is undefined when nobody waits. */
  take(topic: string, payload: Uint8Array, nowMs: number, token: Token | undefined): void {
    this.rejections.about(topic, payload);
    const binding = this.#bind(topic);
    if (binding === undefined) this.rejections.add('device_name_invalid');
    else this.#readings += this.#decoder.decode(payload, binding, nowMs, this.#builder);
    if (token !== undefined) this.#tokens.push(token);
    this.#bytes += payload.length;
    if (this.#builder.count >= batchRowsMax || this.#tokens.length >= batchTokensMax || this.#bytes >= batchBytesMax) {
      this.submit();
    }
  }

  /** Counts a message that is not even looked at. */
  drop(topic: string, payload: Uint8Array, reason: RejectionReason): void {
    this.rejections.about(topic, payload);
    this.rejections.add(reason);
  }

  /** Hands over what was gathered, if anything. */
  submit(): void {
    if (!this.hasWork) return;
    const tokens = this.#tokens;
    this.#tokens = [];
    this.#bytes = 0;
    const { columns, hasSourceTime } = this.#builder.take();
    const newSeries = this.#registry.takeNew();
    this.#ingest.submit({ source: this.name, newSeries, columns, hasSourceTime, tokens });
  }

  #bind(topic: string): DeviceBinding | undefined {
    if (this.#bindings.has(topic)) return this.#bindings.get(topic);
    if (this.#bindings.size >= bindingsMax) this.#bindings.clear();
    const binding = this.#newBinding(topic);
    this.#bindings.set(topic, binding);
    return binding;
  }

  #newBinding(topic: string): DeviceBinding | undefined {
    for (const pattern of this.patterns) {
      const captured = pattern.match(topic);
      if (captured === undefined) continue;
      const tags: Tags = Object.entries(captured)
        .filter(([name]) => name !== 'device')
        .sort(([a], [b]) => (a < b ? -1 : 1));
      return this.#decoder.bind(captured.device ?? this.name, tags);
    }
    return undefined;
  }
}
