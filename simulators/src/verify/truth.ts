/**
 * What was sent and what was acked, read from truth files (truth-writer.ts) into columns: about 20 bytes per reading. A line that
 * a kill tore off is passed over where one can be: at the end of a file or of a run. Anything else is an error.
 */
import { Sketch } from '@fogline/shared/aggregate/sketch';
import { FoglineError } from '@fogline/shared/errors';
import { openLines } from '../fleet/lines.ts';
import { Column, type Readings, sortedRows } from './growable.ts';

/** One metric of one device, ascending by time, then value; the same reading stands once however often it was sent. */
export interface TruthSeries extends Readings {
  readonly device: string;
  readonly metric: string;
  /** Of texts the values are indices of these; undefined = numbers. */
  readonly texts: string[] | undefined;
  /** 1 = the message that carried it was acked, and a receiver must take it. */
  readonly acked: Uint8Array;
  /** 1 = when it was sent, a newer one of this series had been sent before. */
  readonly late: Uint8Array;
  /** How many more copies of it a hub may have: damages to its agent's database while it was sent and not acked (decision 0005). */
  readonly resends: Uint8Array;
}

/** An episode of a fault that was planted. */
export interface TruthFault {
  readonly kind: string;
  readonly device: string;
  readonly metric?: string;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

export interface Truth {
  readonly series: readonly TruthSeries[];
  readonly faults: readonly TruthFault[];
  /** From sending to the ack, by the wall clock, ms. */
  readonly ackMs: Sketch;
}

interface Columns {
  readonly time: Column;
  readonly value: Column;
  /** `rowLate`, `rowOpen`. */
  readonly flags: Column;
  readonly texts: string[] | undefined;
  newestMs: number;
}

const rowLate = 1;
const rowOpen = 2;

interface DeviceTruth {
  readonly metrics: Map<string, Columns>;
  readonly ackedTimes: Column;
  /** Wall time at which what is not acked yet was sent, by its source time. */
  readonly waiting: Map<number, number>;
  /** By source time. */
  readonly resends: Map<number, number>;
}

/**
 * `damagedMs`: wall times at which the database of the agent behind these files was damaged. Throws `usage` for a file that cannot be
 * read, `codec_corrupt` for one that is no truth file.
 */
export function readTruth(paths: readonly string[], damagedMs: readonly number[] = []): Truth {
  const reader = new TruthReader(damagedMs);
  for (const path of paths) reader.read(path);
  return reader.finish();
}

type Line =
  | {
      readonly kind: 'sent';
      readonly device: string;
      readonly timeMs: number;
      readonly values: Readonly<Record<string, number | string>>;
      readonly isOpen: boolean;
    }
  | { readonly kind: 'acked'; readonly device: string; readonly timeMs: number }
  | { readonly kind: 'wall'; readonly wallMs: number }
  | { readonly kind: 'fault'; readonly fault: TruthFault }
  | { readonly kind: 'run' };

/** Undefined for what is no line of a truth file. */
export function parseTruthLine(text: string): Line | undefined {
  let line: {
    truth?: unknown;
    s?: unknown;
    t?: unknown;
    v?: unknown;
    a?: unknown;
    o?: unknown;
    w?: unknown;
    f?: unknown;
  };
  try {
    line = JSON.parse(text) as typeof line;
  } catch {
    return undefined;
  }
  if (line.truth === 1) return { kind: 'run' };
  if (typeof line.w === 'number') return { kind: 'wall', wallMs: line.w };
  if (Array.isArray(line.a)) {
    const [device, timeMs] = line.a as unknown[];
    return typeof device === 'string' && typeof timeMs === 'number' ? { kind: 'acked', device, timeMs } : undefined;
  }
  if (typeof line.f === 'object' && line.f !== null) return faultOf(line.f);
  const { s: device, t: timeMs, v, o } = line;
  if (typeof device !== 'string' || typeof timeMs !== 'number' || typeof v !== 'object' || v === null) return undefined;
  return { kind: 'sent', device, timeMs, values: v as Readonly<Record<string, number | string>>, isOpen: o === 1 };
}

function faultOf(fault: Partial<TruthFault>): Line | undefined {
  const { kind, device, metric, from, to } = fault;
  if (typeof kind !== 'string' || typeof device !== 'string' || typeof from !== 'number' || typeof to !== 'number') {
    return undefined;
  }
  return { kind: 'fault', fault: { kind, device, from, to, ...(metric === undefined ? {} : { metric }) } };
}

class TruthReader {
  readonly #devices = new Map<string, DeviceTruth>();
  readonly #faults: TruthFault[] = [];
  readonly #ackMs = new Sketch();
  /** Ascending. */
  readonly #damagedMs: readonly number[];
  /** How many of them are past. */
  #damages = 0;
  #wallMs: number | undefined;

  constructor(damagedMs: readonly number[]) {
    this.#damagedMs = damagedMs.toSorted((a, b) => a - b);
  }

  read(path: string): void {
    const lines = openLines(path);
    try {
      let torn: number | undefined;
      let number = 0;
      for (let text = lines.next(); text !== undefined; text = lines.next()) {
        number++;
        const line = parseTruthLine(text);
        if (torn !== undefined && line?.kind !== 'run') throw corrupt(path, torn);
        torn = line === undefined ? number : undefined;
        if (line !== undefined) this.#take(line);
      }
      this.#passDamages(Infinity);
    } finally {
      lines.close();
    }
  }

  finish(): Truth {
    const series = [...this.#devices].flatMap(([device, truth]) => {
      const acked = Float64Array.from(truth.ackedTimes.view()).sort();
      return [...truth.metrics].map(([metric, columns]) => seriesOf(device, metric, columns, acked, truth.resends));
    });
    return { series, faults: this.#faults, ackMs: this.#ackMs };
  }

  #take(line: Line): void {
    switch (line.kind) {
      case 'run':
        this.#wallMs = undefined;
        this.#damages = 0;
        for (const { waiting } of this.#devices.values()) waiting.clear();
        return;
      case 'wall':
        this.#passDamages(line.wallMs);
        this.#wallMs = line.wallMs;
        return;
      case 'fault':
        this.#faults.push(line.fault);
        return;
      case 'acked':
        this.#acked(this.#deviceOf(line.device), line.timeMs);
        return;
      case 'sent':
        this.#sent(this.#deviceOf(line.device), line);
    }
  }

  /** What waits for its ack when a database is damaged, its device sends again, and the agent may have lost that it had it. */
  #passDamages(wallMs: number): void {
    for (; (this.#damagedMs[this.#damages] ?? Infinity) < wallMs; this.#damages++) {
      for (const { waiting, resends } of this.#devices.values())
        for (const timeMs of waiting.keys()) resends.set(timeMs, (resends.get(timeMs) ?? 0) + 1);
    }
  }

  #acked(device: DeviceTruth, timeMs: number): void {
    device.ackedTimes.push(timeMs);
    const sentMs = device.waiting.get(timeMs);
    if (sentMs === undefined || this.#wallMs === undefined) return;
    device.waiting.delete(timeMs);
    this.#ackMs.add(Math.max(0, this.#wallMs - sentMs), 1);
  }

  #sent(device: DeviceTruth, { timeMs, values, isOpen }: Line & { kind: 'sent' }): void {
    if (this.#wallMs !== undefined) {
      // Nothing waits for ever at QoS 0.
      if (device.waiting.size >= waitingMax) device.waiting.clear();
      device.waiting.set(timeMs, this.#wallMs);
    }
    for (const metric in values) {
      const value = values[metric] as number | string;
      let columns = device.metrics.get(metric);
      if (columns === undefined) {
        columns = emptyColumns(typeof value === 'string');
        device.metrics.set(metric, columns);
      }
      const isLate = timeMs < columns.newestMs;
      columns.newestMs = Math.max(columns.newestMs, timeMs);
      columns.time.push(timeMs);
      columns.value.push(typeof value === 'string' ? indexIn(columns.texts ?? [], value) : value);
      columns.flags.push((isLate ? rowLate : 0) | (isOpen ? rowOpen : 0));
    }
  }

  #deviceOf(name: string): DeviceTruth {
    let device = this.#devices.get(name);
    if (device === undefined) {
      device = { metrics: new Map(), ackedTimes: new Column(), waiting: new Map(), resends: new Map() };
      this.#devices.set(name, device);
    }
    return device;
  }
}

const waitingMax = 30_000;

function emptyColumns(isText: boolean): Columns {
  const texts = isText ? [] : undefined;
  return { time: new Column(), value: new Column(), flags: new Column(), texts, newestMs: -Infinity };
}

/** Texts of a series are states: few. */
export function indexIn(texts: string[], text: string): number {
  const index = texts.indexOf(text);
  return index >= 0 ? index : texts.push(text) - 1;
}

function corrupt(path: string, line: number): FoglineError {
  return new FoglineError('codec_corrupt', `${path}, line ${line}: this is no line of a truth file`);
}

function seriesOf(
  device: string,
  metric: string,
  columns: Columns,
  acked: Float64Array,
  resends: ReadonlyMap<number, number>,
): TruthSeries {
  const readings = { time: columns.time.view(), value: columns.value.view() };
  const time = new Column(readings.time.length + 1);
  const value = new Column(readings.time.length + 1);
  const flags: number[] = [];
  for (const row of sortedRows(readings)) {
    const last = time.count - 1;
    const own = columns.flags.at(row);
    if (last >= 0 && time.at(last) === readings.time[row] && value.at(last) === readings.value[row]) {
      // Sent again, it is no later than it was at first.
      flags[last] = (flags[last] as number) & own;
      continue;
    }
    time.push(readings.time[row] as number);
    value.push(readings.value[row] as number);
    flags.push(own);
  }
  const isAcked = ackedRows(time.view(), acked);
  return {
    device,
    metric,
    texts: columns.texts,
    time: time.view(),
    value: value.view(),
    acked: isAcked.map((flag, row) => (((flags[row] as number) & rowOpen) === 0 ? flag : 0)),
    late: Uint8Array.from(flags, (flag) => flag & rowLate),
    resends: Uint8Array.from(time.view(), (timeMs) => Math.min(255, resends.get(timeMs) ?? 0)),
  };
}

/** Both ascending. */
function ackedRows(time: Float64Array, acked: Float64Array): Uint8Array {
  const flags = new Uint8Array(time.length);
  let at = 0;
  for (const [row, timeMs] of time.entries()) {
    while (at < acked.length && (acked[at] as number) < timeMs) at++;
    if (acked[at] === timeMs) flags[row] = 1;
  }
  return flags;
}
