/**
 * The port between sources and decoders. A decoder is made once per source; `bind` gives a reader for one sender (a topic, a path, a
 * file), which turns payloads into rows of a builder and counts what becomes none. Hostile payloads cost time in
 * proportion to their bounded length.
 */
import type { SeriesRegistry, Tags } from '../sources/series-registry.ts';
import type { Marker, MetricConfig } from './metric.ts';
import type { ReadingsBuilder } from './readings-builder.ts';
import type { Rejections } from './rejections.ts';
import type { TimeForm } from './source-time.ts';

export interface TimeConfig extends TimeForm {
  /** Field, path or column; several are joined by a space. */
  readonly fields: readonly string[];
  /** How far ahead of the agent's clock a time may be. */
  readonly maxSkewMs: number;
}

interface CommonConfig {
  /** `auto`: every number and boolean is a metric of its field's name. */
  readonly metrics: 'auto' | readonly MetricConfig[];
  /** Names that `auto` leaves out. */
  readonly skip?: readonly string[];
  /** Values that stand for none, in every metric. */
  readonly missing?: readonly Marker[];
}

interface NamedConfig extends CommonConfig {
  /** Field, path or column that names the device; for line protocol a tag, default `host`. */
  readonly device?: string;
  /** Fields, paths or columns that are tags. */
  readonly tags?: readonly string[];
  /** Absent: readings carry the time of arrival. */
  readonly time?: TimeConfig;
}

export interface JsonConfig extends NamedConfig {
  readonly format: 'json';
  /** Path of the list whose elements are the messages. */
  readonly each?: string;
}

export interface CsvConfig extends NamedConfig {
  readonly format: 'csv';
  /** One byte. */
  readonly separator: string;
  readonly decimal: '.' | ',';
  /** Names of the columns; absent: the header's. */
  readonly columns?: readonly string[];
  /** The first row of every payload is a header. */
  readonly hasHeader: boolean;
}

export interface LineProtocolConfig extends CommonConfig {
  readonly format: 'line_protocol';
  /** Tag that names the device. */
  readonly device?: string;
  readonly precision: Precision;
  readonly maxSkewMs: number;
}

export interface ValueConfig extends CommonConfig {
  readonly format: 'value';
}

/** What timestamps of line protocol count. */
export type Precision = 'ns' | 'us' | 'ms' | 's' | 'm' | 'h';

export type ParseConfig = JsonConfig | CsvConfig | LineProtocolConfig | ValueConfig;

/** Who sends: what a topic or path told of it. */
export interface Sender {
  readonly source: string;
  /** Undefined when the topic does not name one. */
  readonly device: string | undefined;
  /** All other captures, sorted by name. */
  readonly captures: Tags;
}

/** A payload on its way through a reader. */
export interface Message {
  readonly payload: Buffer;
  /** Wall time of arrival. */
  readonly nowMs: number;
  /** Bytes that were read; the payload is done when this is its length. */
  position: number;
  /** Of line protocol, where the request tells it. */
  readonly precision?: Precision | undefined;
}

export interface Reader {
  /** Reads on from `position`; stops at the end, or between two lines once the builder holds `rowsMax`. */
  read(message: Message, rowsMax: number): void;
  /**
   * Reads a whole payload `bytes[start, end)` whose form it has met before, with the same result; false, and nothing is done, when that
   * takes `read`. For payloads of one row or few.
   */
  readKnown?(bytes: Buffer, start: number, end: number, nowMs: number): boolean;
}

export interface Decoder {
  /** Undefined when these names, which came from outside, cannot be those of a device. */
  bind(sender: Sender): Reader | undefined;
}

/** What every decoder of a source shares. */
export interface DecoderPorts {
  readonly registry: SeriesRegistry;
  readonly rejections: Rejections;
  /** Takes the rows. */
  readonly out: ReadingsBuilder;
  readonly payloadBytesMax: number;
}
