/**
 * The devices of one type: what each of them sends for a place in its schedule, as bytes, and the same as the truth file states it
 * (metric names instead of fields). A function of (seed, device, place), but for what an actuator does.
 */
import type { Outgoing } from '../fleet/source.ts';
import { TextWriter } from '../fleet/text-writer.ts';
import { scaleOf } from '../signals/signal.ts';
import { hash32 } from '../signals/waveform.ts';
import { distort, endedBefore, episode, type Fault, isFaulty } from './faults.ts';
import type { MetricPlan, TypePlan } from './fleet-plan.ts';
import { Names } from './names.ts';
import { type Horizon, Schedule } from './schedule.ts';

interface Column {
  readonly metric: MetricPlan;
  readonly index: number;
  /** `"temp":`, or `temp=`. */
  readonly field: Buffer;
  /** `"temperature":`. */
  readonly name: Buffer;
  /** What a state looks like within JSON and within a line: quoted. */
  readonly states: readonly Buffer[] | undefined;
  /** Indices of the faults that change this value or take it away. */
  readonly faults: readonly number[];
}

/** Change of a metric's value, in its unit, that actuators have brought about by some time. */
type EffectAt = (device: number, metric: number, timeMs: number) => number;

export class DeviceType {
  readonly plan: TypePlan;
  readonly schedule: Schedule;
  readonly names: Names;
  /** Number of its first device in the fleet. */
  readonly first: number;
  readonly #columns: readonly Column[];
  readonly #churn: Fault | undefined;
  readonly #effectAt: EffectAt | undefined;
  readonly #timeHead: Buffer;
  readonly #measurement: Buffer;
  readonly #tagHeads: readonly Buffer[];
  /** By fault: whether it lasts at the moment of the message, and since when. */
  readonly #isActive: Uint8Array;
  readonly #fromMs: Float64Array;
  readonly #toMs: Float64Array;
  /** By device and fault: the episode that the truth file knows last. */
  readonly #toldMs: Float64Array;
  /** Where faults are told; undefined = nowhere. */
  #truth: TextWriter | undefined;
  /** What was found before anybody asked for a message. */
  #early: TextWriter | undefined = new TextWriter(256);

  constructor(plan: TypePlan, first: number, horizon: Horizon, effectAt: EffectAt | undefined) {
    this.plan = plan;
    this.first = first;
    this.names = new Names(plan);
    this.#effectAt = effectAt;
    this.#churn = plan.faults.find(({ kind }) => kind === 'churn');
    this.#columns = plan.metrics.map((metric, index) => columnOf(plan, metric, index));
    this.#timeHead = Buffer.from(`{${JSON.stringify(plan.timeField)}:`);
    this.#measurement = Buffer.from(`${plan.measurement},device=`);
    this.#tagHeads = plan.tags.map(({ name }) => Buffer.from(`,${name}=`));
    const faults = plan.faults.length;
    this.#isActive = new Uint8Array(faults);
    this.#fromMs = new Float64Array(faults);
    this.#toMs = new Float64Array(faults);
    this.#toldMs = new Float64Array(faults * plan.count).fill(Number.NaN);
    this.schedule = new Schedule(plan, horizon, (fault, device) => {
      this.#tell(plan.faults.indexOf(fault), device, episode.fromMs, episode.toMs);
    });
  }

  writeName(out: TextWriter, device: number, base: number): void {
    this.names.writeName(out, device, this.generationAt(device, this.#timeAt(device, base)));
  }

  /** True when the message is sent a second time. */
  write(out: Outgoing, device: number, base: number): boolean {
    const { plan } = this;
    this.#tellTo(out.truth);
    const timeMs = this.#timeAt(device, base);
    const generation = this.generationAt(device, timeMs);
    this.#look(device, timeMs);
    out.device = this.first + device;
    out.position = base;
    out.timeMs = this.#toldTime(timeMs);
    out.isReading = true;
    out.begin(plan.qos);
    if (out.hasTopic) this.names.writeTopic(out.frames, plan.topic, device, generation);
    out.payload();
    const { truth } = out;
    const isRefused = this.#has('nan') || this.#has('boot_1970');
    if (truth !== undefined) {
      truth.put(sentHead);
      this.names.writeName(truth, device, generation);
      truth.put(sentTime);
      truth.integer(out.timeMs);
      truth.put(sentValues);
    }
    this.#writePayload(out, device, generation, timeMs, isRefused ? undefined : truth);
    out.end();
    if (truth !== undefined) {
      truth.put(sentTail[plan.qos]);
      truth.put(out.timeMs > timeMs ? openTail : lineTail);
    }
    return this.#has('duplicate');
  }

  #tellTo(truth: TextWriter | undefined): void {
    this.#truth = truth;
    if (this.#early === undefined) return;
    truth?.copy(this.#early.bytes, 0, this.#early.at);
    this.#early = undefined;
  }

  #timeAt(device: number, base: number): number {
    return this.schedule.timeAt(device, this.schedule.contentAt(device, base));
  }

  /** −1 where devices stay. */
  generationAt(device: number, timeMs: number): number {
    return this.#churn === undefined ? -1 : endedBefore(this.#churn, this.schedule.keyOf(device), timeMs);
  }

  /** Which faults last, and tells those that the truth file does not know yet. */
  #look(device: number, timeMs: number): void {
    const { faults } = this.plan;
    if (faults.length === 0) return;
    const key = this.schedule.keyOf(device);
    for (let i = 0; i < faults.length; i++) {
      const isActive = isFaulty(faults[i] as Fault, key, timeMs);
      this.#isActive[i] = isActive ? 1 : 0;
      if (!isActive) continue;
      this.#fromMs[i] = episode.fromMs;
      this.#toMs[i] = episode.toMs;
      this.#tell(i, device, episode.fromMs, episode.toMs);
    }
  }

  #has(kind: Fault['kind']): boolean {
    const { faults } = this.plan;
    for (let i = 0; i < faults.length; i++) if (this.#isActive[i] === 1 && faults[i]?.kind === kind) return true;
    return false;
  }

  #toldTime(timeMs: number): number {
    const { faults } = this.plan;
    let toldMs = timeMs;
    for (let i = 0; i < faults.length; i++) {
      if (this.#isActive[i] !== 1) continue;
      const { kind, parameters } = faults[i] as Fault;
      if (kind === 'clock_skew') toldMs = Math.max(0, toldMs + (parameters['by'] ?? 0));
      else if (kind === 'boot_1970') return timeMs - (this.#fromMs[i] as number) + bootMs;
    }
    return toldMs;
  }

  #writePayload(
    out: Outgoing,
    device: number,
    generation: number,
    timeMs: number,
    truth: TextWriter | undefined,
  ): void {
    const { frames } = out;
    const isJson = this.plan.format === 'json';
    if (isJson) {
      frames.put(this.#timeHead);
      frames.integer(out.timeMs);
    } else this.#writeTags(frames, device, generation);
    const baseKey = this.schedule.keyOf(device);
    const key = generation < 0 ? baseKey : hash32(baseKey, generation);
    let isFirst = true;
    for (const column of this.#columns) {
      if (this.#lacks(column)) continue;
      frames.byte(isJson || !isFirst ? comma : space);
      if (!isFirst) truth?.byte(comma);
      isFirst = false;
      frames.put(column.field);
      const from = frames.at;
      this.#writeValue(frames, column, device, key, timeMs);
      if (truth === undefined) continue;
      truth.put(column.name);
      truth.copy(frames.bytes, from, frames.at);
    }
    if (isJson) frames.byte(closingBrace);
    else {
      frames.byte(space);
      frames.integer(out.timeMs);
      frames.put(nanoseconds);
    }
  }

  #writeTags(frames: TextWriter, device: number, generation: number): void {
    frames.put(this.#measurement);
    this.names.writeName(frames, device, generation);
    for (let tag = 0; tag < this.#tagHeads.length; tag++) {
      frames.put(this.#tagHeads[tag] as Buffer);
      this.names.writeTag(frames, tag, device);
    }
  }

  #lacks({ faults }: Column): boolean {
    for (const i of faults) if (this.#isActive[i] === 1 && this.plan.faults[i]?.kind === 'gap') return true;
    return false;
  }

  #writeValue(frames: TextWriter, column: Column, device: number, key: number, timeMs: number): void {
    const { signal } = column.metric;
    let atMs = timeMs;
    let isChanged = false;
    for (const i of column.faults) {
      if (this.#isActive[i] !== 1) continue;
      const { kind } = this.plan.faults[i] as Fault;
      if (kind === 'nan') {
        frames.put(nan);
        return;
      }
      if (kind === 'stuck') atMs = this.#fromMs[i] as number;
      else isChanged = true;
    }
    const units = signal.at(key, atMs);
    if (column.states !== undefined) {
      frames.put(column.states[units] as Buffer);
      return;
    }
    const effect = this.#effectAt === undefined ? 0 : this.#effectAt(this.first + device, column.index, atMs);
    const distorted = isChanged || effect !== 0 ? this.#distorted(column, units, effect, timeMs) : units;
    frames.decimal(distorted, signal.decimals);
  }

  #distorted({ metric, faults }: Column, units: number, effect: number, timeMs: number): number {
    const scale = scaleOf(metric.signal.decimals);
    let value = units / scale + effect;
    for (const i of faults) {
      if (this.#isActive[i] === 1)
        value = distort(this.plan.faults[i] as Fault, value, timeMs, this.#fromMs[i] as number);
    }
    return Math.round(value * scale);
  }

  /** Once an episode. */
  #tell(fault: number, device: number, fromMs: number, toMs: number): void {
    const cell = device * this.plan.faults.length + fault;
    const out = this.#early ?? this.#truth;
    if (this.#toldMs[cell] === fromMs || out === undefined) return;
    this.#toldMs[cell] = fromMs;
    const { kind, metric, parameters } = this.plan.faults[fault] as Fault;
    out.text(`{"f":{"kind":"${kind}","device":"`);
    this.names.writeName(out, device, this.generationAt(device, fromMs));
    const name = this.plan.metrics[metric]?.name;
    const rest = { ...(name === undefined ? {} : { metric: name }), from: fromMs, to: toMs, ...parameters };
    out.text(`",${JSON.stringify(rest).slice(1)}}\n`);
  }
}

function columnOf(plan: TypePlan, metric: MetricPlan, index: number): Column {
  const { signal, field, name } = metric;
  return {
    metric,
    index,
    field: Buffer.from(plan.format === 'json' ? `${JSON.stringify(field)}:` : `${field}=`),
    name: Buffer.from(`${JSON.stringify(name)}:`),
    states: signal.states?.map((state) => Buffer.from(JSON.stringify(state))),
    faults: plan.faults.flatMap((fault, i) => (fault.metric === index ? [i] : [])),
  };
}

/** How long after power-on a device that has no clock begins to read. */
const bootMs = 5_000;
const comma = 0x2c;
const space = 0x20;
const closingBrace = 0x7d;
const nanoseconds = Buffer.from('000000');
const nan = Buffer.from('NaN');
const sentHead = Buffer.from('{"s":"');
const sentTime = Buffer.from('","t":');
const sentValues = Buffer.from(',"v":{');
const sentTail = [0, 1, 2].map((qos) => Buffer.from(`},"q":${qos}`)) as [Buffer, Buffer, Buffer];
/** A receiver may refuse a time in the future. */
const openTail = Buffer.from(',"o":1}\n');
const lineTail = Buffer.from('}\n');
