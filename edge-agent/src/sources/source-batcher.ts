/**
 * One source at work: decodes messages into the current batch as they come and submits it when it is full or due. A message whose
 * sender waits leaves a token in the batch, rows or not, so that senders are answered in the order in which they came.
 */
import { compileTopicPattern, type TopicPattern } from '@fogline/shared/topic-filter';
import { createDecoder, hasLines } from '../decoders/create-decoder.ts';
import type { Decoder, Message, ParseConfig, Precision, Reader } from '../decoders/decoder.ts';
import { ReadingsBuilder } from '../decoders/readings-builder.ts';
import { type RejectionReason, Rejections } from '../decoders/rejections.ts';
import type { IngestPort, Progress, RejectionListener, Token } from './batch-port.ts';
import { SeriesRegistry, type Tags } from './series-registry.ts';
import { TopicCache } from './topic-cache.ts';

export const batchRowsMax = 4_096;
const batchTokensMax = 4_096;
/** Of payloads decoded into one batch. */
export const batchBytesMax = 256 * 1_024;
/** Of what is decoded at once; lines are bounded by the door alone. */
const payloadBytesMaxDefault = 64 * 1_024;
const linesBytesMaxDefault = 256 * 1_024;

export interface SourceOptions {
  readonly name: string;
  /** Topic patterns. The capture {device} names the device; without it the source is one device of its own name. */
  readonly topics: readonly string[];
  readonly parse: ParseConfig;
  readonly seriesMax?: number;
  readonly payloadBytesMax?: number;
}

export interface SourceCounters {
  /** Since the start. */
  readonly readings: number;
  readonly series: number;
  /** By reason; see decoders/rejections.ts. */
  readonly rejected: Readonly<Record<string, number>>;
}

export class SourceBatcher {
  readonly name: string;
  readonly patterns: readonly TopicPattern[];
  readonly rejections: Rejections;
  readonly #decoder: Decoder;
  readonly #registry: SeriesRegistry;
  readonly #ingest: IngestPort;
  readonly #builder = new ReadingsBuilder();
  /** `undefined`: the topic is ours, but names no valid device. */
  readonly #readers = new TopicCache<Reader | undefined>();
  #tokens: Token[] = [];
  /** Bytes by counter. */
  readonly #progress = new Map<string, number>();
  #bytes = 0;
  #readings = 0;

  /** @throws FoglineError config_invalid. */
  constructor(options: SourceOptions, ingest: IngestPort, onRejected?: RejectionListener) {
    this.name = options.name;
    this.rejections = new Rejections((reason, topic, payload) => onRejected?.(this.name, reason, topic, payload));
    this.patterns = options.topics.map(compileTopicPattern);
    this.#registry = new SeriesRegistry(options.seriesMax);
    this.#decoder = createDecoder(options.parse, {
      registry: this.#registry,
      rejections: this.rejections,
      out: this.#builder,
      payloadBytesMax:
        options.payloadBytesMax ?? (hasLines(options.parse) ? linesBytesMaxDefault : payloadBytesMaxDefault),
    });
    this.#ingest = ingest;
  }

  get hasWork(): boolean {
    return this.#builder.count > 0 || this.#tokens.length > 0;
  }

  /** Latest time that a message told, though no reading came of it; −Infinity when none did. */
  get latestSourceMs(): number {
    return this.#builder.latestSourceMs;
  }

  /** Readings decoded since the start. */
  get readings(): number {
    return this.#readings;
  }

  counters(): SourceCounters {
    return { readings: this.#readings, series: this.#registry.size, rejected: this.rejections.toObject() };
  }

  matches(topic: string): boolean {
    return this.#readers.has(topic) || this.patterns.some((pattern) => pattern.match(topic) !== undefined);
  }

  /** Decodes a message on a topic that matches. `token` is undefined when nobody waits. */
  take(topic: string, payload: Uint8Array, nowMs: number, token: Token | undefined): void {
    const message = messageOf(payload, nowMs);
    while (!this.takePart(topic, message));
    this.finish(token);
  }

  /** The same for messages on one topic that matches, each in `bytes[start, end)`. */
  lane(topic: string): (bytes: Buffer, start: number, end: number, nowMs: number, token: Token | undefined) => void {
    const reader = this.#reader(topic);
    return (bytes, start, end, nowMs, token) => {
      const before = this.#builder.count;
      if (reader?.readKnown?.(bytes, start, end, nowMs) !== true) {
        this.take(topic, bytes.subarray(start, end), nowMs, token);
        return;
      }
      this.#readings += this.#builder.count - before;
      this.#bytes += end - start;
      this.finish(token);
    };
  }

  /**
   * Decodes payloads that must not be parted: all their rows and the progress they stand for are in one batch, so that a commit has
   * either all or nothing of them.
   */
  takeWhole(
    topic: string,
    payloads: readonly Uint8Array[],
    nowMs: number,
    token: Token,
    progress: readonly Progress[],
  ): void {
    for (const payload of payloads) {
      this.#read(topic, messageOf(payload, nowMs), Number.POSITIVE_INFINITY);
      this.#bytes += payload.length;
    }
    for (const { name, bytes } of progress) this.#progress.set(name, bytes + (this.#progress.get(name) ?? 0));
    this.finish(token);
  }

  /** Decodes as much of a message as one batch holds; true when that was all of it. The sender's token comes with `finish`. */
  takePart(topic: string, message: Message): boolean {
    const from = message.position;
    this.#read(topic, message, batchRowsMax);
    this.#bytes += message.position - from;
    if (message.position >= message.payload.length) return true;
    this.submit();
    return false;
  }

  /** All of a message was taken. `token` is undefined when nobody waits. */
  finish(token: Token | undefined): void {
    if (token !== undefined) this.#tokens.push(token);
    const rows = this.#builder.count;
    if (rows >= batchRowsMax || this.#tokens.length >= batchTokensMax || this.#bytes >= batchBytesMax) this.submit();
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
    const progress = [...this.#progress].map(([name, bytes]) => ({ name, bytes }));
    this.#tokens = [];
    this.#progress.clear();
    this.#bytes = 0;
    const { columns, hasSourceTime } = this.#builder.take();
    const newSeries = this.#registry.takeNew();
    const batch = { source: this.name, newSeries, columns, hasSourceTime, tokens };
    this.#ingest.submit(progress.length === 0 ? batch : { ...batch, progress });
  }

  #read(topic: string, message: Message, rowsMax: number): void {
    this.rejections.about(topic, message.payload);
    const reader = this.#reader(topic);
    if (reader === undefined) {
      message.position = message.payload.length;
      this.rejections.add('device_name_invalid');
      return;
    }
    const before = this.#builder.count;
    reader.read(message, rowsMax);
    this.#readings += this.#builder.count - before;
  }

  #reader(topic: string): Reader | undefined {
    if (this.#readers.has(topic)) return this.#readers.get(topic);
    const reader = this.#newReader(topic);
    this.#readers.set(topic, reader);
    return reader;
  }

  #newReader(topic: string): Reader | undefined {
    for (const pattern of this.patterns) {
      const captured = pattern.match(topic);
      if (captured === undefined) continue;
      const captures: Tags = Object.entries(captured)
        .filter(([name]) => name !== 'device')
        .sort(([a], [b]) => (a < b ? -1 : 1));
      return this.#decoder.bind({ source: this.name, device: captured['device'], captures });
    }
    return undefined;
  }
}

/** A view: nothing is copied. */
export function messageOf(payload: Uint8Array, nowMs: number, precision?: Precision): Message {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return { payload: bytes, nowMs, position: 0, precision };
}
