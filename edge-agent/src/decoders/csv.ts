/**
 * CSV to readings: a row is a moment of one device, a column a metric. Columns have the names of the header or of the configuration.
 * Empty cells and missing markers are no readings and no losses; a row that is not whole is counted and gives none, because the
 * number at the place where it was cut may be another than the one that was meant.
 */
import { isUtf8 } from 'node:buffer';
import { CsvRow } from './csv-row.ts';
import type { CsvConfig, Decoder, DecoderPorts, Message, Reader, Sender } from './decoder.ts';
import { DeviceCache, type DeviceSeries, deviceSeries, devicesKnownMax, type Slot } from './device-series.ts';
import { autoMetric, compileMetric, invalid, type Metric } from './metric.ts';
import { type DecimalMark, parseNumber } from './number-text.ts';
import { ReadingWriter } from './reading-writer.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import { CacheBudget } from './shared-cache.ts';
import { compileTime, type ReadTime, timeProblem } from './source-time.ts';
import { afterMark, LineCounter, lineBytesMax, lineEnd, withoutReturn } from './text-lines.ts';

interface Plan {
  readonly config: CsvConfig;
  /** By column; undefined in auto mode. */
  readonly metrics: ReadonlyMap<string, Metric> | undefined;
  readonly readTime: ReadTime | undefined;
  /** The time is a number, not a text. */
  readonly isTimeNumber: boolean;
  readonly decimal: DecimalMark;
  readonly devicesKnown: CacheBudget;
  /** The row at hand, of whichever reader. */
  readonly row: CsvRow;
  /** Of the configured names; undefined where the header has them. */
  readonly layout: Layout | undefined;
}

/** Where the columns of one header are. */
interface Layout {
  readonly columns: number;
  readonly time: readonly number[];
  /** -1: not by a column. */
  readonly device: number;
  readonly tags: readonly number[];
  readonly metrics: readonly { readonly column: number; readonly metric: Metric }[];
}

export class CsvDecoder implements Decoder {
  readonly #plan: Plan;
  readonly #ports: DecoderPorts;

  /** @throws FoglineError config_invalid. */
  constructor(config: CsvConfig, ports: DecoderPorts) {
    const { metrics, missing, time, columns, hasHeader, decimal, separator } = config;
    if (columns === undefined && !hasHeader) throw invalid('columns', 'without a header, the columns need names');
    const readTime = time === undefined ? undefined : compileTime(time);
    if (typeof readTime === 'string') throw invalid('time', readTime);
    const byColumn =
      metrics === 'auto' ? undefined : new Map(metrics.map((metric) => [metric.field, compileMetric(metric, missing)]));
    const layout = columns === undefined ? undefined : layoutOf(columns, config, byColumn);
    if (typeof layout === 'string') throw invalid('columns', layout);
    this.#plan = {
      config,
      metrics: byColumn,
      readTime,
      isTimeNumber: time?.format === undefined && time?.unit !== 'iso',
      decimal,
      devicesKnown: new CacheBudget(devicesKnownMax),
      row: new CsvRow(separator),
      layout,
    };
    this.#ports = ports;
  }

  bind({ source, device, captures }: Sender): Reader | undefined {
    const own = deviceSeries(device ?? source, captures);
    return own === undefined ? undefined : new CsvReader(this.#plan, this.#ports, own);
  }
}

class CsvReader implements Reader {
  readonly #plan: Plan;
  readonly #ports: DecoderPorts;
  readonly #rejections: Rejections;
  readonly #writer: ReadingWriter;
  readonly #own: DeviceSeries;
  readonly #devices: DeviceCache;
  readonly #row: CsvRow;
  readonly #lines = new LineCounter();
  /** Of the configured names, or of the header that came last. */
  #layout: Layout | undefined;
  #header: Buffer | undefined;
  #lastTime = { text: '', timeMs: 0 };

  constructor(plan: Plan, ports: DecoderPorts, own: DeviceSeries) {
    this.#plan = plan;
    this.#ports = ports;
    this.#rejections = ports.rejections;
    this.#writer = new ReadingWriter(ports.registry, ports.out);
    this.#own = own;
    this.#devices = new DeviceCache(own.tags, plan.config.tags ?? [], plan.devicesKnown);
    this.#row = plan.row;
    this.#layout = plan.layout;
  }

  read(message: Message, rowsMax: number): void {
    const { payload } = message;
    const problem = payload.length > this.#ports.payloadBytesMax ? 'payload_too_large' : this.#open(message);
    const layout = this.#layout;
    if (problem !== undefined || layout === undefined) {
      message.position = payload.length;
      return this.#rejections.add(problem ?? 'header_broken');
    }
    while (message.position < payload.length && this.#ports.out.count < rowsMax) {
      const from = message.position;
      const next = lineEnd(payload, from);
      const end = withoutReturn(payload, from, next);
      message.position = Math.min(next + 1, payload.length);
      if (end > from) this.#readRow(message, layout, from, end);
    }
    if (message.position >= payload.length) this.#lines.forget();
  }

  /** Reads the header, where there is one; it is looked at again when the payload goes on. */
  #open(message: Message): RejectionReason | undefined {
    const { payload } = message;
    const from = afterMark(payload);
    message.position = Math.max(message.position, from);
    if (!this.#plan.config.hasHeader) return undefined;
    const next = lineEnd(payload, from);
    message.position = Math.max(message.position, Math.min(next + 1, payload.length));
    if (this.#plan.config.columns !== undefined) return undefined;
    const header = payload.subarray(from, withoutReturn(payload, from, next));
    if (this.#header?.equals(header) === true) return undefined;
    this.#header = undefined;
    this.#layout = undefined;
    if (header.length === 0 || header.length > lineBytesMax || !this.#row.split(payload, from, from + header.length))
      return 'header_broken';
    if (!isUtf8(header)) return 'not_utf8';
    const names = Array.from({ length: this.#row.cells }, (_, cell) => this.#row.text(payload, cell));
    const layout = layoutOf(names, this.#plan.config, this.#plan.metrics);
    if (typeof layout === 'string') return 'header_broken';
    this.#layout = layout;
    this.#header = Buffer.from(header);
    return undefined;
  }

  #readRow(message: Message, layout: Layout, from: number, end: number): void {
    const problem = this.#problemOfRow(message, layout, from, end);
    if (typeof problem === 'string') return this.#reject(problem, message.payload, from, end);
    const device = problem;
    if (device.layout !== layout) {
      // Only what became a series is remembered: headers with ever new names must not fill the memory.
      for (const slot of device.slots) if (slot.id >= 0) device.found.set(slot.metric.name, slot);
      device.layout = layout;
      device.slots = layout.metrics.map(({ metric }) => device.found.get(metric.name) ?? { metric, id: -1 });
    }
    const { metrics } = layout;
    let taken = 0;
    for (let index = 0; index < metrics.length; index++) {
      const { column } = metrics[index] as Layout['metrics'][number];
      const reason = this.#readCell(message.payload, column, device.slots[index] as Slot, device);
      if (reason === undefined) taken++;
      else this.#reject(reason, message.payload, from, end);
    }
    if (taken === 0 && metrics.length === 0) this.#reject('no_known_field', message.payload, from, end);
  }

  /** Why the row as a whole is refused, or whose it is; sets the time of what follows. */
  #problemOfRow(message: Message, layout: Layout, from: number, end: number): DeviceSeries | RejectionReason {
    const { payload, nowMs } = message;
    if (end - from > lineBytesMax) return 'line_too_long';
    if (!this.#row.split(payload, from, end) || this.#row.cells !== layout.columns) return 'row_broken';
    const device = this.#deviceOf(payload, layout);
    if (typeof device === 'string') return device;
    const timeMs = this.#timeOf(payload, layout, nowMs);
    if (typeof timeMs === 'string') return timeMs;
    this.#writer.at(timeMs, this.#plan.readTime !== undefined);
    return device;
  }

  #readCell(payload: Buffer, cell: number, slot: Slot, device: DeviceSeries): RejectionReason | undefined {
    const row = this.#row;
    if (row.isEmpty(cell)) return 'field_missing';
    const { metric } = slot;
    if (metric.type === 'text') {
      const text = this.#textOf(payload, cell);
      return text === undefined ? 'not_utf8' : this.#writer.add(text, slot, device);
    }
    const number = parseNumber(payload, row.start[cell] as number, row.end[cell] as number, this.#plan.decimal);
    if (!Number.isNaN(number)) return this.#writer.add(number, slot, device);
    const text = row.text(payload, cell);
    if (metric.missing.includes(text)) return 'missing_marker';
    const word = text.toLowerCase();
    if (word !== 'true' && word !== 'false') return 'wrong_type';
    // Auto mode learns the type from the first value.
    if (metric.isAuto && slot.id < 0) slot.metric = { ...metric, type: 'boolean' };
    return this.#writer.add(word === 'true', slot, device);
  }

  #deviceOf(payload: Buffer, { device, tags }: Layout): DeviceSeries | RejectionReason {
    if (device < 0 && tags.length === 0) return this.#own;
    const name = device < 0 ? this.#own.device : this.#textOf(payload, device);
    if (name === undefined) return 'not_utf8';
    if (name === '') return 'device_missing';
    const values: string[] = [];
    for (const column of tags) {
      const value = this.#textOf(payload, column);
      if (value === undefined) return 'not_utf8';
      if (value === '') return 'device_missing';
      values.push(value);
    }
    return this.#devices.of(name, values) ?? 'device_name_invalid';
  }

  #timeOf(payload: Buffer, { time }: Layout, nowMs: number): number | RejectionReason {
    const { readTime, isTimeNumber, config, decimal } = this.#plan;
    if (readTime === undefined || config.time === undefined) return nowMs;
    let text = '';
    for (const column of time) {
      if (this.#row.isEmpty(column)) return 'time_missing';
      const part = this.#row.text(payload, column);
      text = text === '' ? part : `${text} ${part}`;
    }
    // Rows of one moment come one after the other.
    if (text !== this.#lastTime.text) {
      const bytes = isTimeNumber ? Buffer.from(text) : undefined;
      const timeMs = readTime(bytes === undefined ? text : parseNumber(bytes, 0, bytes.length, decimal));
      if (timeMs === undefined) return 'time_invalid';
      this.#lastTime = { text, timeMs };
    }
    const { timeMs } = this.#lastTime;
    return timeProblem(timeMs, nowMs, config.time.maxSkewMs) ?? timeMs;
  }

  /** Undefined when it is no UTF-8. */
  #textOf(payload: Buffer, cell: number): string | undefined {
    const text = this.#row.text(payload, cell);
    const { start, end } = this.#row;
    return text.includes('\ufffd') && !isUtf8(payload.subarray(start[cell], end[cell])) ? undefined : text;
  }

  #reject(reason: RejectionReason, payload: Buffer, from: number, end: number): void {
    this.#rejections.addLine(reason, this.#lines.at(payload, from), payload.subarray(from, end));
  }
}

/** Or what is wrong with the names. */
function layoutOf(
  names: readonly string[],
  { time, device, tags = [], skip = [], missing }: CsvConfig,
  metrics: Plan['metrics'],
): Layout | string {
  const named = [...(time?.fields ?? []), ...(device === undefined ? [] : [device]), ...tags];
  for (const name of [...named, ...(metrics?.keys() ?? [])]) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) return `the column '${name}' is there twice`;
  }
  const absent = named.find((name) => !names.includes(name));
  if (absent !== undefined) return `there is no column '${absent}'`;
  const columnOf = (name: string): number => names.indexOf(name);
  const auto = (): Layout['metrics'] => {
    const left = new Set([...named, ...skip, '']);
    return names.flatMap((name, column) =>
      left.has(name) ? [] : [{ column, metric: autoMetric(name, 'number', missing) }],
    );
  };
  const configured = [...(metrics ?? [])].filter(([field]) => names.includes(field));
  const taken =
    metrics === undefined ? auto() : configured.map(([field, metric]) => ({ column: columnOf(field), metric }));
  if (new Set(taken.map(({ metric }) => metric.name)).size < taken.length) return 'two columns have one name';
  return {
    columns: names.length,
    time: (time?.fields ?? []).map(columnOf),
    device: device === undefined ? -1 : columnOf(device),
    tags: tags.map(columnOf),
    metrics: taken,
  };
}
