/**
 * JSON objects to readings: by a configured list of metrics, or, in auto mode, every top-level number and boolean. One payload gives
 * at most one reading per metric, all at one time. Every value that becomes no reading is counted by reason. Hostile
 * payloads cost time in proportion to their bounded length.
 */
import { isUtf8 } from 'node:buffer';
import { FoglineError } from '@fogline/shared/errors';
import { quality, type ValueType, valueTypes } from '@fogline/shared/reading';
import { isValidName, type SeriesRegistry, type Tags } from '../sources/series-registry.ts';
import type { ReadingsBuilder } from './readings-builder.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import { parseSourceTime, type TimeUnit, timeUnits, year2000Ms } from './source-time.ts';

const maxSkewMsDefault = 600_000;
const payloadBytesMaxDefault = 64 * 1_024;
const textBytesMaxDefault = 256;

export interface JsonMetric {
  readonly name: string;
  /** Name of a field of the object, or the path to a nested one: `a.b.c`. A number names an element of an array. */
  readonly field: string;
  /** '' when unknown. */
  readonly unit: string;
  /** `boolean` takes true, false, 1 and 0. */
  readonly type: ValueType;
  /** A value outside is kept with quality `bad`. */
  readonly range?: { readonly min: number; readonly max: number };
}

export interface JsonTime {
  /** Name or path, as of a metric. */
  readonly field: string;
  readonly unit: TimeUnit;
  /** How far ahead of the agent's clock a time may be; default 10 minutes. */
  readonly maxSkewMs?: number;
}

export interface JsonDecoderOptions {
  /** `auto`: every top-level number and boolean is a metric of its field's name; texts are left out. */
  readonly metrics: 'auto' | readonly JsonMetric[];
  /** Where the payload tells the event time; without it, readings carry the time of arrival. */
  readonly time?: JsonTime;
  readonly payloadBytesMax?: number;
  readonly textBytesMax?: number;
}

/** What a decoder remembers of one sender: who it is, and which series its metrics are. */
export interface DeviceBinding {
  readonly device: string;
  readonly tags: Tags;
  /** By index of the configured metric, -1 where not yet known. */
  readonly ids: number[];
  /** Auto mode: by field name. */
  readonly found: Map<string, { readonly id: number; readonly metric: Metric }>;
}

interface Metric {
  readonly name: string;
  readonly path: readonly string[];
  readonly unit: string;
  readonly type: ValueType;
  readonly min: number;
  readonly max: number;
}

/** What the readings of one payload have in common. */
interface Message {
  readonly binding: DeviceBinding;
  readonly timeMs: number;
  readonly hasSourceTime: boolean;
  readonly out: ReadingsBuilder;
}

export class JsonDecoder {
  /** Undefined in auto mode. */
  readonly #metrics: readonly Metric[] | undefined;
  readonly #timePath: readonly string[] | undefined;
  readonly #timeUnit: TimeUnit;
  readonly #maxSkewMs: number;
  readonly #payloadBytesMax: number;
  readonly #textBytesMax: number;
  readonly #registry: SeriesRegistry;
  readonly #rejections: Rejections;

  /** @throws FoglineError config_invalid. */
  constructor(options: JsonDecoderOptions, registry: SeriesRegistry, rejections: Rejections) {
    const { metrics, time } = options;
    this.#metrics = metrics === 'auto' ? undefined : metrics.map(compileMetric);
    if (this.#metrics?.length === 0) throw invalid('metrics', 'name at least one metric, or write auto');
    if (time !== undefined && !timeUnits.includes(time.unit)) {
      throw invalid('time.unit', `'${time.unit}' is none of ${timeUnits.join(', ')}`);
    }
    this.#timePath = time === undefined ? undefined : compilePath('time.field', time.field);
    this.#timeUnit = time?.unit ?? 'ms';
    this.#maxSkewMs = time?.maxSkewMs ?? maxSkewMsDefault;
    this.#payloadBytesMax = options.payloadBytesMax ?? payloadBytesMaxDefault;
    this.#textBytesMax = options.textBytesMax ?? textBytesMaxDefault;
    this.#registry = registry;
    this.#rejections = rejections;
  }

  /** Undefined when these names, which came from outside, cannot be those of a device. */
  bind(device: string, tags: Tags): DeviceBinding | undefined {
    if (!isValidName(device) || !tags.every(([, value]) => isValidName(value))) return undefined;
    return { device, tags, ids: (this.#metrics ?? []).map(() => -1), found: new Map() };
  }

  /** Appends the readings of one payload to `out`; returns how many. `nowMs` is the wall time of arrival. */
  decode(payload: Uint8Array, binding: DeviceBinding, nowMs: number, out: ReadingsBuilder): number {
    if (payload.length > this.#payloadBytesMax) return this.#reject('payload_too_large');
    const parsed = parseJson(payload);
    if (parsed === undefined) return this.#reject('junk_json');
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return this.#reject('not_object');

    let timeMs = nowMs;
    if (this.#timePath !== undefined) {
      const checked = this.#sourceTime(valueAt(parsed, this.#timePath), nowMs);
      if (typeof checked === 'string') return this.#reject(checked);
      timeMs = checked;
    }
    const message: Message = { binding, timeMs, hasSourceTime: this.#timePath !== undefined, out };
    const rowsBefore = out.count;
    if (this.#metrics === undefined) this.#decodeAuto(parsed as Readonly<Record<string, unknown>>, message);
    else this.#decodeConfigured(parsed, this.#metrics, message);
    return out.count - rowsBefore;
  }

  #decodeConfigured(parsed: object, metrics: readonly Metric[], message: Message): void {
    const { ids } = message.binding;
    let missing = 0;
    for (let index = 0; index < metrics.length; index++) {
      const metric = metrics[index] as Metric;
      const value = valueAt(parsed, metric.path);
      if (value === undefined || value === null) missing++;
      else ids[index] = this.#add(value, metric, ids[index] as number, message);
    }
    if (missing === metrics.length) this.#reject('no_known_field');
    else for (; missing > 0; missing--) this.#rejections.add('field_missing');
  }

  #decodeAuto(parsed: Readonly<Record<string, unknown>>, message: Message): void {
    const { found } = message.binding;
    const timeField = this.#timePath?.length === 1 ? this.#timePath[0] : undefined;
    let known = 0;
    for (const name of Object.keys(parsed)) {
      const value = parsed[name];
      const type = typeof value;
      if ((type !== 'number' && type !== 'boolean') || name === timeField) continue;
      known++;
      const series = found.get(name);
      if (series !== undefined) this.#add(value, series.metric, series.id, message);
      else if (!isValidName(name)) this.#reject('metric_name_invalid');
      else {
        // The first value of a field decides its type; a number series takes booleans from then on, as 0 and 1.
        const metric = autoMetric(name, type);
        const id = this.#add(value, metric, -1, message);
        if (id >= 0) found.set(name, { id, metric });
      }
    }
    if (known === 0) this.#reject('no_known_field');
  }

  /** Adds a row, or counts why not; returns the id of the series, -1 when it is not known. */
  #add(value: unknown, metric: Metric, knownId: number, { binding, timeMs, hasSourceTime, out }: Message): number {
    const problem = this.#problemOf(value, metric);
    if (problem !== undefined) {
      this.#reject(problem);
      return knownId;
    }
    let id = knownId;
    if (id < 0) {
      id = this.#registry.id(binding.device, metric.name, binding.tags, metric.unit, metric.type);
      if (id < 0) {
        this.#reject('series_limit');
        return -1;
      }
    }
    if (typeof value === 'string') {
      out.addText(id, timeMs, value, quality.good, hasSourceTime);
      return id;
    }
    const number = Number(value);
    const flags = number < metric.min || number > metric.max ? quality.bad : quality.good;
    out.addNumber(id, timeMs, number, flags, hasSourceTime);
    return id;
  }

  #problemOf(value: unknown, metric: Metric): RejectionReason | undefined {
    switch (metric.type) {
      case 'number':
        if (typeof value === 'boolean' && this.#metrics === undefined) return undefined;
        if (typeof value !== 'number') return 'wrong_type';
        return Number.isFinite(value) ? undefined : 'not_finite';
      case 'boolean':
        return typeof value === 'boolean' || value === 0 || value === 1 ? undefined : 'wrong_type';
      case 'text':
        if (typeof value !== 'string') return 'wrong_type';
        return Buffer.byteLength(value) > this.#textBytesMax ? 'text_too_long' : undefined;
    }
  }

  #sourceTime(value: unknown, nowMs: number): number | RejectionReason {
    if (value === undefined || value === null) return 'time_missing';
    const timeMs = parseSourceTime(value, this.#timeUnit);
    if (timeMs === undefined) return 'time_invalid';
    if (timeMs < year2000Ms) return 'time_before_2000';
    return timeMs > nowMs + this.#maxSkewMs ? 'time_future' : timeMs;
  }

  #reject(reason: RejectionReason): 0 {
    this.#rejections.add(reason);
    return 0;
  }
}

/** Undefined when it is no JSON in UTF-8; JSON itself has no undefined. */
function parseJson(payload: Uint8Array): unknown {
  if (!isUtf8(payload)) return undefined;
  try {
    return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
  } catch {
    // What is wrong with it is the sender's business; here it is one more counted rejection.
    return undefined;
  }
}

/** Own properties only: a field named `constructor` must be absent unless it was sent. */
function valueAt(root: object, path: readonly string[]): unknown {
  let value: unknown = root;
  for (let depth = 0; depth < path.length; depth++) {
    const key = path[depth] as string;
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

function autoMetric(name: string, type: ValueType): Metric {
  return { name, path: [name], unit: '', type, min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
}

function compileMetric({ name, field, unit, type, range }: JsonMetric): Metric {
  const where = `metrics.${name}`;
  if (!isValidName(name)) throw invalid(where, 'a metric name has 1 to 128 bytes and no control characters');
  if (!valueTypes.includes(type)) throw invalid(`${where}.type`, `'${type}' is none of ${valueTypes.join(', ')}`);
  const { min, max } = range ?? { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
  if (!(min <= max)) throw invalid(`${where}.range`, `[${min}, ${max}] is empty: write [lowest, highest]`);
  return { name, path: compilePath(`${where}.field`, field), unit, type, min, max };
}

function compilePath(where: string, field: string): readonly string[] {
  const path = field.split('.');
  if (path.includes('')) throw invalid(where, `'${field}' is no path: write a field name, or a.b for a nested one`);
  return path;
}

function invalid(where: string, reason: string): FoglineError {
  return new FoglineError('config_invalid', `${where}: ${reason}`, { details: { where } });
}
