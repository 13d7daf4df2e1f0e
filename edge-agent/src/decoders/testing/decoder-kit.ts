/** A decoder on a builder of its own, for tests: payloads in, rows and rejections out, in whole or part by part. */
import { flagText } from '@fogline/shared/reading';
import type { SourceSeriesDefinition } from '../../sources/batch-port.ts';
import { SeriesRegistry } from '../../sources/series-registry.ts';
import { createDecoder } from '../create-decoder.ts';
import type { Message, ParseConfig, Precision, Reader, Sender } from '../decoder.ts';
import { ReadingsBuilder } from '../readings-builder.ts';
import { Rejections } from '../rejections.ts';

/** Wall time of arrival. */
export const arrivalMs = Date.UTC(2026, 0, 1);

const reportedMax = 100;

export type Row = [series: number, time: number, value: number | string, flags: number, hasSourceTime: number];

export interface Decoded {
  readonly rows: readonly Row[];
  readonly rejected: Readonly<Record<string, number>>;
}

export interface KitOptions {
  readonly seriesMax?: number;
  readonly payloadBytesMax?: number;
  readonly sender?: Partial<Sender>;
  /** Payloads of a known form are read as such. */
  readonly isFormFirst?: boolean;
}

export class DecoderKit {
  readonly registry: SeriesRegistry;
  /** The first rejections that are not harmless: reason, line, and the part of the payload they are about. */
  readonly reported: [reason: string, line: number, part: string][] = [];
  readonly rejections = new Rejections((_reason, _topic, part) => {
    const last = this.reported.at(-1);
    if (part !== undefined && last?.[2] === '') last[2] = Buffer.from(part).toString();
  });
  readonly builder = new ReadingsBuilder();
  readonly definitions: SourceSeriesDefinition[] = [];
  readonly #decoder;
  readonly #reader: Reader;
  readonly #isFormFirst: boolean;
  /** Payloads that were read by their form. */
  known = 0;

  constructor(config: ParseConfig, options: KitOptions = {}) {
    this.registry = new SeriesRegistry(options.seriesMax);
    this.#isFormFirst = options.isFormFirst ?? false;
    this.#decoder = createDecoder(config, {
      registry: this.registry,
      rejections: this.rejections,
      out: this.builder,
      payloadBytesMax: options.payloadBytesMax ?? 64 * 1_024,
    });
    const reader = this.bind(options.sender ?? {});
    if (reader === undefined) throw new Error('the sender cannot be named');
    this.#reader = reader;
    this.rejections.watcher = (reason, line) => {
      if (this.reported.length < reportedMax) this.reported.push([reason, line, '']);
    };
  }

  bind(sender: Partial<Sender>): Reader | undefined {
    return this.#decoder.bind({ source: 'src', device: 'd1', captures: [], ...sender });
  }

  /** `payload`: text and bytes as they are, anything else as JSON. */
  decode(payload: unknown, more: { reader?: Reader; precision?: Precision; rowsPerRead?: number } = {}): Decoded {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const bytes = payload instanceof Uint8Array ? Buffer.from(payload) : Buffer.from(text);
    const before = this.rejections.toObject();
    const message: Message = { payload: bytes, nowMs: arrivalMs, position: 0, precision: more.precision };
    const rows: Row[] = [];
    this.rejections.about('topic', bytes);
    const reader = more.reader ?? this.#reader;
    if (this.#isFormFirst && this.#readKnown(reader, bytes)) return { rows: this.#takeRows(), rejected: {} };
    do {
      const from = message.position;
      reader.read(message, more.rowsPerRead ?? Number.POSITIVE_INFINITY);
      rows.push(...this.#takeRows());
      if (message.position < bytes.length && message.position <= from) throw new Error('the reader does not move on');
    } while (message.position < bytes.length);
    for (const definition of this.registry.takeNew()) this.definitions.push(definition);
    const rejected = Object.fromEntries(
      Object.entries(this.rejections.toObject())
        .map(([reason, total]) => [reason, total - (before[reason] ?? 0)] as const)
        .filter(([, total]) => total > 0),
    );
    return { rows, rejected };
  }

  /** Rows with the names of their series: device, metric, tags, time, value. */
  named(payload: unknown, more: Parameters<DecoderKit['decode']>[1] = {}): (string | number)[][] {
    const { rows } = this.decode(payload, more);
    return rows.map(([series, time, value]) => {
      const { device, metric, tags } = this.definitions[series] as SourceSeriesDefinition;
      return [device, metric, ...tags.map((tag) => tag.join('=')), time, value];
    });
  }

  rejectedTotal(): number {
    return Object.values(this.rejections.toObject()).reduce((sum, count) => sum + count, 0);
  }

  /** In the middle of other bytes, as a frame has it. */
  #readKnown(reader: Reader, bytes: Buffer): boolean {
    const around = Buffer.concat([Buffer.from('{1'), bytes, Buffer.from('1}')]);
    const isKnown = reader.readKnown?.(around, 2, 2 + bytes.length, arrivalMs) === true;
    if (isKnown) this.known++;
    return isKnown;
  }

  #takeRows(): Row[] {
    const { columns, hasSourceTime } = this.builder.take();
    return Array.from({ length: columns.count }, (_, row): Row => {
      const flags = columns.flags[row] as number;
      const value = columns.value[row] as number;
      const text = (flags & flagText) === 0 ? value : (columns.strings[value] as string);
      return [columns.series[row] as number, columns.time[row] as number, text, flags, hasSourceTime[row] as number];
    });
  }
}
