/**
 * What was sent and what was acked, read from truth files (truth-writer.ts) into columns: about 20 bytes per reading. A line that
 * a kill tore off is passed over where one can be: at the end of a file or of a run. Anything else is an error.
 */
import { FoglineError } from '@fogline/shared/errors';
import { openLines } from '../fleet/lines.ts';
import { Column, type Readings, sortedRows } from './growable.ts';

/** One metric of one device, ascending by time, then value; the same reading stands once however often it was sent. */
export interface TruthSeries extends Readings {
  readonly device: string;
  readonly metric: string;
  /** 1 = the message that carried it was acked. */
  readonly acked: Uint8Array;
}

interface DeviceTruth {
  readonly metrics: Map<string, { readonly time: Column; readonly value: Column }>;
  readonly ackedTimes: Column;
}

/** Throws `usage` for a file that cannot be read, `codec_corrupt` for one that is no truth file. */
export function readTruth(paths: readonly string[]): TruthSeries[] {
  const devices = new Map<string, DeviceTruth>();
  for (const path of paths) readFile(path, devices);
  return [...devices].flatMap(([device, truth]) => {
    const acked = Float64Array.from(truth.ackedTimes.view()).sort();
    return [...truth.metrics].map(([metric, columns]) => seriesOf(device, metric, columns, acked));
  });
}

function readFile(path: string, devices: Map<string, DeviceTruth>): void {
  const lines = openLines(path);
  try {
    let torn: number | undefined;
    let number = 0;
    for (let line = lines.next(); line !== undefined; line = lines.next()) {
      number++;
      const parsed = parseLine(line);
      if (torn !== undefined && parsed !== 'run') throw corrupt(path, torn);
      torn = parsed === undefined ? number : undefined;
      if (parsed !== undefined && parsed !== 'run') take(parsed, devices);
    }
  } finally {
    lines.close();
  }
}

function corrupt(path: string, line: number): FoglineError {
  return new FoglineError('codec_corrupt', `${path}, line ${line}: this is no line of a truth file`);
}

type Line =
  | { readonly device: string; readonly timeMs: number; readonly values: Readonly<Record<string, number>> }
  | { readonly device: string; readonly ackedMs: number };

function parseLine(text: string): Line | 'run' | undefined {
  let line: { truth?: unknown; s?: unknown; t?: unknown; v?: unknown; a?: unknown };
  try {
    line = JSON.parse(text) as typeof line;
  } catch {
    return undefined;
  }
  if (line.truth === 1) return 'run';
  if (Array.isArray(line.a)) {
    const [device, ackedMs] = line.a as unknown[];
    return typeof device === 'string' && typeof ackedMs === 'number' ? { device, ackedMs } : undefined;
  }
  const { s: device, t: timeMs, v } = line;
  if (typeof device !== 'string' || typeof timeMs !== 'number' || typeof v !== 'object' || v === null) return undefined;
  return { device, timeMs, values: v as Readonly<Record<string, number>> };
}

function take(line: Line, devices: Map<string, DeviceTruth>): void {
  let device = devices.get(line.device);
  if (device === undefined) {
    device = { metrics: new Map(), ackedTimes: new Column() };
    devices.set(line.device, device);
  }
  if ('ackedMs' in line) {
    device.ackedTimes.push(line.ackedMs);
    return;
  }
  for (const metric in line.values) {
    let columns = device.metrics.get(metric);
    if (columns === undefined) {
      columns = { time: new Column(), value: new Column() };
      device.metrics.set(metric, columns);
    }
    columns.time.push(line.timeMs);
    columns.value.push(line.values[metric] as number);
  }
}

function seriesOf(
  device: string,
  metric: string,
  columns: { time: Column; value: Column },
  acked: Float64Array,
): TruthSeries {
  const readings = { time: columns.time.view(), value: columns.value.view() };
  const time = new Column(readings.time.length + 1);
  const value = new Column(readings.time.length + 1);
  for (const row of sortedRows(readings)) {
    const last = time.count - 1;
    if (last >= 0 && time.at(last) === readings.time[row] && value.at(last) === readings.value[row]) continue;
    time.push(readings.time[row] as number);
    value.push(readings.value[row] as number);
  }
  return { device, metric, time: time.view(), value: value.view(), acked: ackedRows(time.view(), acked) };
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
