/**
 * JSON to readings: an object, or a list of objects, by a configured list of metrics, or, in auto mode, every top-level number and
 * boolean. An object gives at most one reading per metric, all at one time. Every value that becomes no reading is counted by
 * reason.
 */
import { isUtf8 } from 'node:buffer';
import type { Decoder, DecoderPorts, JsonConfig, Message, Reader, Sender } from './decoder.ts';
import {
  DeviceCache,
  type DeviceSeries,
  deviceSeries,
  devicesKnownMax,
  isPlainNumber,
  type Slot,
} from './device-series.ts';
import { JsonShape } from './json-shape.ts';
import { autoMetric, compileMetric, invalid, type Marker, type Metric } from './metric.ts';
import { ReadingWriter } from './reading-writer.ts';
import type { RejectionReason, Rejections } from './rejections.ts';
import { CacheBudget } from './shared-cache.ts';
import { compileTime, type ReadTime, timeProblem } from './source-time.ts';

type Path = readonly string[];

interface Time {
  readonly paths: readonly Path[];
  readonly read: ReadTime;
  readonly maxSkewMs: number;
}

/** A configuration, compiled. */
interface Plan {
  /** Undefined in auto mode. */
  readonly metrics: readonly (Metric & { readonly path: Path })[] | undefined;
  /** Top-level fields that auto mode leaves out. */
  readonly skip: ReadonlySet<string>;
  readonly missing: readonly Marker[];
  readonly each: Path | undefined;
  readonly device: Path | undefined;
  readonly tags: readonly { readonly name: string; readonly path: Path }[];
  readonly time: Time | undefined;
  readonly devicesKnown: CacheBudget;
}

export class JsonDecoder implements Decoder {
  readonly #plan: Plan;
  readonly #ports: DecoderPorts;

  /** @throws FoglineError config_invalid. */
  constructor(config: JsonConfig, ports: DecoderPorts) {
    this.#plan = compile(config);
    this.#ports = ports;
  }

  bind({ source, device, captures }: Sender): Reader | undefined {
    const own = deviceSeries(device ?? source, captures);
    return own === undefined ? undefined : new JsonReader(this.#plan, this.#ports, own);
  }
}

/** A form that a sender repeats, and what its numbers are. */
interface Form {
  readonly shape: JsonShape;
  /** Index of the time among the numbers; -1: arrival. */
  readonly time: number;
  readonly metrics: readonly { readonly index: number; readonly slot: Slot }[];
}

/** A sender that has no form of its own is not studied for ever. */
const formsTriedMax = 16;

class JsonReader implements Reader {
  readonly #plan: Plan;
  readonly #payloadBytesMax: number;
  readonly #rejections: Rejections;
  readonly #writer: ReadingWriter;
  readonly #own: DeviceSeries;
  readonly #devices: DeviceCache;
  #form: Form | undefined;
  #formsTried = 0;

  constructor(plan: Plan, { registry, rejections, out, payloadBytesMax }: DecoderPorts, own: DeviceSeries) {
    this.#plan = plan;
    this.#payloadBytesMax = payloadBytesMax;
    this.#rejections = rejections;
    this.#writer = new ReadingWriter(registry, out);
    this.#own = own;
    this.#devices = new DeviceCache(
      own.tags,
      plan.tags.map(({ name }) => name),
      plan.devicesKnown,
    );
  }

  read(message: Message): void {
    const { payload, nowMs } = message;
    message.position = payload.length;
    if (payload.length > this.#payloadBytesMax) return this.#rejections.add('payload_too_large');
    const root = parseJson(payload);
    if (root === undefined) return this.#rejections.add('junk_json');
    const { each } = this.#plan;
    const list = each === undefined ? root : isObject(root) ? valueAt(root, each) : undefined;
    if (Array.isArray(list)) for (const element of list) this.#readObject(element, root, nowMs);
    else if (each === undefined) this.#readObject(root, root, nowMs);
    else this.#rejections.add(isObject(root) ? 'not_list' : 'not_object');
    if (list === root && isObject(root) && !Array.isArray(root)) this.#study(payload, root);
  }

  readKnown(bytes: Buffer, start: number, end: number, nowMs: number): boolean {
    const form = this.#form;
    if (form === undefined || end - start > this.#payloadBytesMax || !form.shape.match(bytes, start, end)) return false;
    const { values } = form.shape;
    const { time } = this.#plan;
    let timeMs = nowMs;
    if (time !== undefined) {
      const read = time.read(values[form.time]);
      if (read === undefined || timeProblem(read, nowMs, time.maxSkewMs) !== undefined) return false;
      timeMs = read;
    }
    const writer = this.#writer;
    writer.at(timeMs, time !== undefined);
    const { metrics } = form;
    for (let i = 0; i < metrics.length; i++) {
      const { index, slot } = metrics[i] as Form['metrics'][number];
      writer.addKnown(values[index] as number, slot);
    }
    return true;
  }

  /** Remembers the form of a message that was read, if all it says are numbers of known series. */
  #study(payload: Buffer, root: object): void {
    if (this.#formsTried === formsTriedMax) return;
    this.#formsTried++;
    const shape = JsonShape.of(payload);
    if (shape !== undefined) this.#form = this.#formOf(shape, root) ?? this.#form;
  }

  #formOf(shape: JsonShape, root: object): Form | undefined {
    const { device, tags, time, metrics } = this.#plan;
    const named = [...(device === undefined ? [] : [device]), ...tags.map(({ path }) => path)];
    // Text stands still in a form, numbers do not.
    if (named.some((path) => typeof valueAt(root, path) !== 'string')) return undefined;
    const series = this.#deviceOf(root, root);
    if (typeof series === 'string') return undefined;
    const indexOf = (path: Path): number => (path.length === 1 ? shape.names.indexOf(path[0] ?? '') : -1);
    const timeIndex = time === undefined || time.paths.length > 1 ? -1 : indexOf(time.paths[0] ?? []);
    if (time !== undefined && timeIndex < 0) return undefined;
    const wanted =
      metrics === undefined
        ? this.#numbersOf(root).map((name) => ({ index: shape.names.indexOf(name), slot: series.found.get(name) }))
        : metrics.map(({ path }, at) => ({ index: indexOf(path), slot: series.slots[at] }));
    const known = wanted.flatMap(({ index, slot }) => (slot === undefined || index < 0 ? [] : [{ index, slot }]));
    // Of a message without readings it is counted each time that it is none.
    const isKnown =
      known.length > 0 && known.length === wanted.length && known.every(({ slot }) => isPlainNumber(slot));
    return isKnown ? { shape, time: timeIndex, metrics: known } : undefined;
  }

  /** What auto mode takes. */
  #numbersOf(root: object): string[] {
    return Object.entries(root).flatMap(([name, value]: [string, unknown]) =>
      (typeof value === 'number' || typeof value === 'boolean') && !this.#plan.skip.has(name) ? [name] : [],
    );
  }

  /** What an element of a list does not say of time, device and tags, the object around it may. */
  #readObject(element: unknown, root: unknown, nowMs: number): void {
    if (!isObject(element) || Array.isArray(element)) return this.#rejections.add('not_object');
    const around = isObject(root) ? root : element;
    const device = this.#deviceOf(element, around);
    if (typeof device === 'string') return this.#rejections.add(device);
    const timeMs = this.#timeOf(element, around, nowMs);
    if (typeof timeMs === 'string') return this.#rejections.add(timeMs);
    this.#writer.at(timeMs, this.#plan.time !== undefined);
    if (this.#plan.metrics === undefined) this.#readAuto(element as Readonly<Record<string, unknown>>, device);
    else this.#readConfigured(element, this.#plan.metrics, device);
  }

  #readConfigured(element: object, metrics: NonNullable<Plan['metrics']>, device: DeviceSeries): void {
    let missing = 0;
    for (let index = 0; index < metrics.length; index++) {
      const metric = metrics[index] as NonNullable<Plan['metrics']>[number];
      const value = valueAt(element, metric.path);
      if (value === undefined || value === null) {
        missing++;
        continue;
      }
      device.slots[index] ??= { metric, id: -1 };
      this.#add(value, device.slots[index] as Slot, device);
    }
    if (missing === metrics.length) this.#rejections.add('no_known_field');
    else for (; missing > 0; missing--) this.#rejections.add('field_missing');
  }

  #readAuto(element: Readonly<Record<string, unknown>>, device: DeviceSeries): void {
    const { skip, missing } = this.#plan;
    let known = 0;
    for (const name of Object.keys(element)) {
      const value = element[name];
      const type = typeof value;
      if ((type !== 'number' && type !== 'boolean') || skip.has(name)) continue;
      known++;
      const slot = device.found.get(name);
      if (slot !== undefined) this.#add(value, slot, device);
      else {
        const fresh = { metric: autoMetric(name, type, missing), id: -1 };
        this.#add(value, fresh, device);
        if (fresh.id >= 0) device.found.set(name, fresh);
      }
    }
    if (known === 0) this.#rejections.add('no_known_field');
  }

  #add(value: unknown, slot: Slot, device: DeviceSeries): void {
    const problem = this.#writer.add(value, slot, device);
    if (problem !== undefined) this.#rejections.add(problem);
  }

  #deviceOf(element: object, around: object): DeviceSeries | RejectionReason {
    const { device, tags } = this.#plan;
    if (device === undefined && tags.length === 0) return this.#own;
    const name = device === undefined ? this.#own.device : nameOf(anyValueAt(element, around, device));
    if (name === undefined) return 'device_missing';
    const values: string[] = [];
    for (const { path } of tags) {
      const value = nameOf(anyValueAt(element, around, path));
      if (value === undefined) return 'device_missing';
      values.push(value);
    }
    return this.#devices.of(name, values) ?? 'device_name_invalid';
  }

  #timeOf(element: object, around: object, nowMs: number): number | RejectionReason {
    const { time } = this.#plan;
    if (time === undefined) return nowMs;
    const { paths, read, maxSkewMs } = time;
    let value: unknown;
    for (let index = 0; index < paths.length; index++) {
      const part = anyValueAt(element, around, paths[index] as Path);
      if (part === undefined || part === null) return 'time_missing';
      if (index === 0) value = part;
      else if (typeof value === 'string' && typeof part === 'string') value = `${value} ${part}`;
      else return 'time_invalid';
    }
    const timeMs = read(value);
    return timeMs === undefined ? 'time_invalid' : (timeProblem(timeMs, nowMs, maxSkewMs) ?? timeMs);
  }
}

function compile(config: JsonConfig): Plan {
  const { metrics, skip = [], missing = [], each, device, tags = [], time } = config;
  if (metrics !== 'auto' && metrics.length === 0) throw invalid('metrics', 'name at least one metric, or write auto');
  const read = time === undefined ? undefined : compileTime(time);
  if (typeof read === 'string') throw invalid('time', read);
  const paths = time?.fields.map((field) => compilePath('time.field', field)) ?? [];
  const named = [...(device === undefined ? [] : [device]), ...tags, ...(time?.fields ?? [])];
  return {
    metrics:
      metrics === 'auto'
        ? undefined
        : metrics.map((metric) => ({
            ...compileMetric(metric, missing),
            path: compilePath(`metrics.${metric.name}.field`, metric.field),
          })),
    skip: new Set([...skip, ...named.filter((field) => !field.includes('.'))]),
    missing,
    each: each === undefined ? undefined : compilePath('each', each),
    device: device === undefined ? undefined : compilePath('device', device),
    tags: tags.map((field) => ({ name: tagName(field), path: compilePath('tags', field) })),
    time: time === undefined || read === undefined ? undefined : { paths, read, maxSkewMs: time.maxSkewMs },
    devicesKnown: new CacheBudget(devicesKnownMax),
  };
}

/** `a.b.c` is the tag `c`. */
function tagName(field: string): string {
  return field.slice(field.lastIndexOf('.') + 1);
}

function compilePath(where: string, field: string): Path {
  const path = field.split('.');
  if (path.includes('')) throw invalid(where, `'${field}' is no path: write a field name, or a.b for a nested one`);
  return path;
}

/** Undefined when it is no JSON in UTF-8; JSON itself has no undefined. */
function parseJson(payload: Buffer): unknown {
  if (!isUtf8(payload)) return undefined;
  try {
    return JSON.parse(payload.toString('utf8', 0, payload.length));
  } catch {
    // What is wrong with it is the sender's business; here it is one more counted rejection.
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Own properties only: a field named `constructor` must be absent unless it was sent. A number names an element of a list. */
function valueAt(root: object, path: Path): unknown {
  let value: unknown = root;
  for (let depth = 0; depth < path.length; depth++) {
    const key = path[depth] as string;
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  return value;
}

function anyValueAt(element: object, around: object, path: Path): unknown {
  return valueAt(element, path) ?? (around === element ? undefined : valueAt(around, path));
}

function nameOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
