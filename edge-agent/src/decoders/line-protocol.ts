/**
 * InfluxDB line protocol to readings: `measurement,tag=value field=value,field=value timestamp`. The device is a tag, the metric is
 * `measurement_field`, or the measurement alone for the field `value`; all other tags are tags. A broken line is counted alone, and
 * so is a field that is no reading; the rest is taken.
 */
import { isUtf8 } from 'node:buffer';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import type { Decoder, DecoderPorts, LineProtocolConfig, Message, Precision, Reader, Sender } from './decoder.ts';
import { type DeviceSeries, deviceSeries, isPlainNumber, type Slot, sortedTags } from './device-series.ts';
import { LineForm } from './line-form.ts';
import { fieldKind, LineScanner } from './line-scanner.ts';
import { autoMetric, compileMetric, type Marker, type Metric } from './metric.ts';
import { ReadingWriter } from './reading-writer.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import { BudgetedMap, CacheBudget } from './shared-cache.ts';
import { timeProblem } from './source-time.ts';
import { LineCounter } from './text-lines.ts';

const deviceTagDefault = 'host';
/** Of what is remembered of the lines of one source, by an estimate: 20,000 combinations of measurement and tags with five fields each. */
const knownBytesMax = 48 * 1024 * 1024;
const lineKnownBytes = 512;
const fieldKnownBytes = 256;
/** Fields remembered of one of them. */
const fieldsKnownMax = 2_048;
/** 2^63 ns has as many; more is no time in any precision. */
const timeDigitsMax = 19;

interface Plan {
  readonly deviceTag: string | undefined;
  /** By name of the field; undefined in auto mode. */
  readonly metrics: ReadonlyMap<string, Metric> | undefined;
  readonly skip: ReadonlySet<string>;
  readonly missing: readonly Marker[];
  readonly precision: Precision;
  readonly maxSkewMs: number;
  readonly linesKnown: CacheBudget;
  /** The line at hand, of whichever reader. */
  readonly scanner: LineScanner;
}

/** A field of a known line; without a slot it is left out. */
interface Field {
  readonly name: Buffer;
  readonly slot: Slot | undefined;
}

/** What is known of one combination of measurement and tags. */
interface LineSeries {
  readonly measurement: string;
  readonly device: DeviceSeries;
  /** In the order in which they came first, which is the order in which they come again. */
  readonly fields: Field[];
  readonly byName: Map<string, Field>;
  form: LineForm | undefined;
  formsTried: number;
  /** What came behind it last. */
  next: LineSeries | undefined;
}

/** Of one combination of measurement and tags: what has no form of its own is not studied for ever. */
const formsTriedMax = 4;

export class LineProtocolDecoder implements Decoder {
  readonly #plan: Plan;
  readonly #ports: DecoderPorts;

  /** @throws FoglineError config_invalid. */
  constructor(config: LineProtocolConfig, ports: DecoderPorts) {
    const { metrics, skip = [], missing = [], device, precision, maxSkewMs } = config;
    this.#plan = {
      deviceTag: device,
      metrics:
        metrics === 'auto'
          ? undefined
          : new Map(metrics.map((metric) => [metric.field, compileMetric(metric, missing)])),
      skip: new Set(skip),
      missing,
      precision,
      maxSkewMs,
      linesKnown: new CacheBudget(knownBytesMax),
      scanner: new LineScanner(),
    };
    this.#ports = ports;
  }

  bind(sender: Sender): Reader | undefined {
    const isNameable = deviceSeries(sender.device ?? sender.source, sender.captures) !== undefined;
    return isNameable ? new LineReader(this.#plan, this.#ports, sender) : undefined;
  }
}

class LineReader implements Reader {
  readonly #plan: Plan;
  readonly #ports: DecoderPorts;
  readonly #rejections: Rejections;
  readonly #writer: ReadingWriter;
  readonly #sender: Sender;
  readonly #scanner: LineScanner;
  readonly #lines = new LineCounter();
  readonly #known: BudgetedMap<LineSeries>;
  /** The payload at hand, and what was found of it. */
  #payload: Buffer | undefined;
  #isUtf8 = true;
  /** The line before. */
  #previous: LineSeries | undefined;

  constructor(plan: Plan, ports: DecoderPorts, sender: Sender) {
    this.#plan = plan;
    this.#ports = ports;
    this.#rejections = ports.rejections;
    this.#writer = new ReadingWriter(ports.registry, ports.out);
    this.#sender = sender;
    this.#scanner = plan.scanner;
    this.#known = new BudgetedMap(plan.linesKnown);
  }

  read(message: Message, rowsMax: number): void {
    const { payload } = message;
    if (payload.length > this.#ports.payloadBytesMax) {
      message.position = payload.length;
      return this.#rejections.add('payload_too_large');
    }
    if (payload !== this.#payload) this.#isUtf8 = isUtf8(payload);
    this.#payload = payload;
    while (message.position < payload.length && this.#ports.out.count < rowsMax) {
      const from = message.position;
      const end = this.#readKnown(message, from);
      if (end >= 0) {
        message.position = Math.min(end + 1, payload.length);
        continue;
      }
      const problem = this.#scanner.scan(payload, from) ?? this.#readLine(message, from);
      if (problem !== undefined) this.#reject(problem, payload, from);
      message.position = Math.min(this.#scanner.next, payload.length);
    }
    if (message.position < payload.length) return;
    this.#payload = undefined;
    this.#lines.forget();
  }

  /** Reads a line that has the form that is expected here; where it ends, -1 when it has not. */
  #readKnown(message: Message, from: number): number {
    const series = this.#previous?.next;
    const form = series?.form;
    if (form === undefined) return -1;
    const { payload, nowMs } = message;
    const end = form.match(payload, from);
    if (end < 0) return -1;
    const precision = message.precision ?? this.#plan.precision;
    const timeMs = parseTimestamp(payload, form.timeStart, form.timeEnd, precision);
    if (typeof timeMs === 'string' || timeProblem(timeMs, nowMs, this.#plan.maxSkewMs) !== undefined) return -1;
    const writer = this.#writer;
    writer.at(timeMs, true);
    const { slots, values } = form;
    for (let i = 0; i < slots.length; i++) writer.addKnown(values[i] as number, slots[i] as Slot);
    this.#previous = series;
    return end;
  }

  /** Remembers the form of the line at hand, and what it came behind. */
  #study(payload: Buffer, from: number, series: LineSeries): void {
    if (this.#previous !== undefined) this.#previous.next = series;
    this.#previous = series;
    if (series.formsTried === formsTriedMax) return;
    series.formsTried++;
    const slots: Slot[] = [];
    for (let field = 0; field < this.#scanner.fields; field++) {
      const { slot } = this.#field(payload, series, field);
      if (slot === undefined || !isPlainNumber(slot)) return;
      slots.push(slot);
    }
    series.form = LineForm.of(payload, from, this.#scanner, slots) ?? series.form;
  }

  /** Why the line as a whole is refused. */
  #readLine(message: Message, from: number): RejectionReason | undefined {
    const { payload, nowMs } = message;
    const { headEnd, timeStart, timeEnd } = this.#scanner;
    if (headEnd === from) return undefined;
    const series = this.#series(payload, from, headEnd);
    if (typeof series === 'string') return series;
    const hasTime = timeEnd > timeStart;
    let timeMs = nowMs;
    if (hasTime) {
      const { maxSkewMs } = this.#plan;
      const read = parseTimestamp(payload, timeStart, timeEnd, message.precision ?? this.#plan.precision);
      if (typeof read === 'string') return read;
      const problem = timeProblem(read, nowMs, maxSkewMs);
      if (problem !== undefined) return problem;
      timeMs = read;
    }
    this.#writer.at(timeMs, hasTime);
    for (let field = 0; field < this.#scanner.fields; field++) this.#readField(payload, from, series, field);
    this.#study(payload, from, series);
    return undefined;
  }

  #readField(payload: Buffer, from: number, series: LineSeries, field: number): void {
    const scanner = this.#scanner;
    const { slot } = this.#field(payload, series, field);
    if (slot === undefined) return;
    let value: unknown = scanner.value[field];
    if (scanner.kind[field] === fieldKind.boolean) value = value === 1;
    else if (scanner.kind[field] === fieldKind.text) {
      value = this.#text(payload, scanner.textStart[field] as number, scanner.textEnd[field] as number, textEscapes);
      if (value === undefined) return this.#reject('not_utf8', payload, from);
    }
    // Auto mode learns the type from the first value.
    if (slot.id < 0 && slot.metric.isAuto) slot.metric = { ...slot.metric, type: typeOf(value) };
    const problem = this.#writer.add(value, slot, series.device);
    if (problem !== undefined) this.#reject(problem, payload, from);
  }

  #field(payload: Buffer, series: LineSeries, field: number): Field {
    const start = this.#scanner.keyStart[field] as number;
    const end = this.#scanner.keyEnd[field] as number;
    const expected = series.fields[field];
    if (expected !== undefined && isSame(payload, start, end, expected.name)) return expected;
    const key = payload.toString('latin1', start, end);
    const known = series.byName.get(key);
    if (known !== undefined) return known;
    const fresh = { name: Buffer.from(payload.subarray(start, end)), slot: this.#newSlot(payload, series, start, end) };
    if (series.byName.size < fieldsKnownMax) {
      this.#plan.linesKnown.spend(fieldKnownBytes + key.length);
      series.byName.set(key, fresh);
      series.fields.push(fresh);
    }
    return fresh;
  }

  #newSlot(payload: Buffer, { measurement }: LineSeries, start: number, end: number): Slot | undefined {
    const field = this.#text(payload, start, end, nameEscapes) ?? '\ufffd';
    const name = field === 'value' ? measurement : `${measurement}_${field}`;
    const { metrics, skip, missing } = this.#plan;
    const metric = metrics === undefined ? autoMetric(name, 'number', missing) : metrics.get(name);
    return metric === undefined || skip.has(name) ? undefined : { metric, id: -1 };
  }

  /** The series of a line, or why it has none. */
  #series(payload: Buffer, from: number, headEnd: number): LineSeries | RejectionReason {
    const key = payload.toString('latin1', from, headEnd);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const series = this.#newSeries(payload, from, headEnd);
    if (typeof series === 'string') return series;
    this.#known.set(key, series, lineKnownBytes + key.length);
    return series;
  }

  #newSeries(payload: Buffer, from: number, headEnd: number): LineSeries | RejectionReason {
    const pieces = splitHead(payload, from, headEnd);
    if (pieces === undefined) return 'line_broken';
    const texts: string[] = [];
    for (const [start, end] of pieces) {
      const text = this.#text(payload, start, end, nameEscapes);
      if (text === undefined) return 'not_utf8';
      if (text === '') return 'line_broken';
      texts.push(text);
    }
    const [measurement = '', ...rest] = texts;
    const tags = new Map<string, string>();
    for (let index = 0; index < rest.length; index += 2) tags.set(rest[index] as string, rest[index + 1] as string);
    if (tags.size * 2 !== rest.length) return 'line_broken';
    const device = this.#takeDevice(tags);
    const all = sortedTags(...this.#sender.captures, ...tags);
    if (all.length > protocolLimits.tagsMax) return 'too_many_tags';
    if (all.some(([name]) => deviceSeries(name, []) === undefined)) return 'device_name_invalid';
    const series = deviceSeries(device, all);
    return series === undefined
      ? 'device_name_invalid'
      : { measurement, device: series, fields: [], byName: new Map(), form: undefined, formsTried: 0, next: undefined };
  }

  /** The tag that was declared, else what the topic says, else `host`, else the source. */
  #takeDevice(tags: Map<string, string>): string {
    const { deviceTag } = this.#plan;
    const { device, source } = this.#sender;
    if (deviceTag === undefined && device !== undefined) return device;
    const tag = deviceTag ?? deviceTagDefault;
    const named = tags.get(tag);
    if (named === undefined) return device ?? source;
    tags.delete(tag);
    return named;
  }

  /** Undefined when it is no UTF-8. */
  #text(payload: Buffer, start: number, end: number, escapes: RegExp): string | undefined {
    if (!this.#isUtf8 && !isUtf8(payload.subarray(start, end))) return undefined;
    const text = payload.toString('utf8', start, end);
    return text.includes('\\') ? text.replaceAll(escapes, '$1') : text;
  }

  #reject(reason: RejectionReason, payload: Buffer, from: number): void {
    const end = Math.min(this.#scanner.next, payload.length);
    this.#rejections.addLine(reason, this.#lines.at(payload, from), payload.subarray(from, end));
  }
}

/** In measurements, tags and field names; a backslash before anything else stands for itself. */
const nameEscapes = /\\([, =])/g;
const textEscapes = /\\(["\\])/g;

/** Measurement, and name and value of each tag; undefined when it is not that. */
function splitHead(bytes: Buffer, from: number, end: number): [start: number, end: number][] | undefined {
  const pieces: [number, number][] = [];
  let start = from;
  let isName = false;
  for (let at = from; at <= end; at++) {
    const isEscaped = at > from && bytes[at - 1] === 0x5c;
    const isComma = at === end || (bytes[at] === 0x2c && !isEscaped);
    const isEquals = at < end && bytes[at] === 0x3d && !isEscaped && pieces.length > 0;
    if (!isComma && !isEquals) continue;
    if (pieces.length > 0 && isName !== isEquals) return undefined;
    pieces.push([start, at]);
    start = at + 1;
    isName = isComma;
  }
  return pieces;
}

const msPerUnit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Integer milliseconds; finer digits are cut off. */
function parseTimestamp(bytes: Buffer, from: number, end: number, precision: Precision): number | RejectionReason {
  const isNegative = bytes[from] === 0x2d;
  const digitsFrom = isNegative ? from + 1 : from;
  const cut = precision === 'ns' ? 6 : precision === 'us' ? 3 : 0;
  if (digitsFrom === end) return 'line_broken';
  let count = 0;
  for (let at = digitsFrom; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x39) return 'line_broken';
    if (at < end - cut) count = count * 10 + (byte - 0x30);
  }
  if (end - digitsFrom > timeDigitsMax) return 'time_invalid';
  const ms = precision === 'ns' || precision === 'us' ? count : count * msPerUnit[precision];
  if (!Number.isSafeInteger(ms)) return 'time_invalid';
  return isNegative ? -ms : ms;
}

function typeOf(value: unknown): Metric['type'] {
  return typeof value === 'string' ? 'text' : typeof value === 'boolean' ? 'boolean' : 'number';
}

function isSame(bytes: Buffer, start: number, end: number, name: Buffer): boolean {
  if (end - start !== name.length) return false;
  for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name[at]) return false;
  return true;
}
