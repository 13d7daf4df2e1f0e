/** Raw readings of a time range, from the batches as received. Only batches with items in an hour of the range are touched. Whoever does not take all of it must end it. */
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadingsOf } from '@fogline/shared/codec/readings';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { flagText, type ReadingColumns, type WindowColumns } from '@fogline/shared/reading';
import type { LoggedBatch } from './batch-log.ts';
import type { HubStore } from './hub-store.ts';
import { hourMs } from './levels.ts';
import type { RawChunk, RawQuery } from './read.ts';

const pagePairs = 256;
/** Batches kept decoded, for those that span several hours. */
const decodedMax = 16;

/** A batch reduced to the wanted series, its parts joined in their order, in hub series ids. */
interface Decoded {
  readonly receivedMs: number;
  readonly readings: ReadingColumns;
  readonly windows: WindowColumns;
  readonly widthMs: Float64Array;
}

export function* scanRaw(store: HubStore, query: RawQuery): Generator<RawChunk> {
  const { agent: name, fromMs, toMs, series } = query;
  const agent = store.agents.find(name);
  if (agent === undefined || !(fromMs < toMs)) return;
  store.scans.begin(agent.id);
  try {
    yield* chunksOf(store, agent.id, { fromMs, toMs, series });
  } finally {
    store.scans.end(agent.id);
  }
}

function* chunksOf(
  store: HubStore,
  agent: number,
  { fromMs, toMs, series }: Omit<RawQuery, 'agent'>,
): Generator<RawChunk> {
  const toHour = Math.floor((toMs - 1) / hourMs);
  const decoded = new Map<number, Decoded>();
  let cursor = { hour: Math.floor(fromMs / hourMs), batch: 0 };
  for (;;) {
    const page = store.log.inHours(agent, cursor, toHour, pagePairs);
    for (const pair of page) {
      const { hour, batch } = pair;
      cursor = pair;
      const content = decoded.get(batch) ?? decode(store, store.log.get(batch), series);
      decoded.delete(batch);
      decoded.set(batch, content);
      for (const oldest of decoded.keys()) {
        if (decoded.size <= decodedMax) break;
        decoded.delete(oldest);
      }
      const chunk = chunkOf(content, Math.max(fromMs, hour * hourMs), Math.min(toMs, (hour + 1) * hourMs));
      if (chunk.readings.count + chunk.windows.count > 0) yield { batch, hourMs: hour * hourMs, ...chunk };
    }
    if (page.length < pagePairs) return;
  }
}

function decode(store: HubStore, batch: LoggedBatch | undefined, wanted: ReadonlySet<number>): Decoded {
  const epoch = batch === undefined ? undefined : store.epochs.byId(batch.epoch);
  const readings: ReadingColumns[] = [];
  const windows: WindowColumns[] = [];
  if (batch === undefined || epoch === undefined) {
    return {
      receivedMs: 0,
      readings: joinReadings(readings),
      windows: joinWindows(windows),
      widthMs: new Float64Array(0),
    };
  }
  const table = store.series.of(epoch);
  const locals = new Set<number>();
  for (const [local, id] of table.ids.entries()) if (id > 0 && wanted.has(store.merges.resolve(id))) locals.add(local);
  for (const part of decodeBatch(batch.payload).parts) {
    if (part.kind === 'readings') {
      readings.push(decodeReadingsOf(part.bytes, locals));
    } else if (part.kind === 'windows') {
      const all = decodeWindows(part.bytes);
      windows.push(pickWindows(all, (row) => locals.has(all.series[row] ?? -1)));
    }
    // Minutes that stand for items are neither: roll-ups have them, and `gaps` says so.
  }
  const { tombstones, merges } = store;
  const isDeleted = (local: number, timeMs: number): boolean => tombstones.covers(table.ids[local] ?? 0, timeMs);
  const joined = readingsWhere(joinReadings(readings), (local, timeMs) => !isDeleted(local, timeMs));
  const all = joinWindows(windows);
  const joinedWindows = pickWindows(all, (row) => !isDeleted(all.series[row] ?? 0, all.start[row] ?? 0));
  const toHub = (series: Uint32Array): Uint32Array => series.map((local) => merges.resolve(table.ids[local] ?? 0));
  return {
    receivedMs: batch.receivedMs,
    readings: { ...joined, series: toHub(joined.series) },
    windows: { ...joinedWindows, series: toHub(joinedWindows.series) },
    widthMs: Float64Array.from(joinedWindows.series, (local) => table.widthMs[local] ?? 0),
  };
}

function chunkOf(content: Decoded, fromMs: number, toMs: number): Decoded {
  const { receivedMs, readings, windows, widthMs } = content;
  const isWithin = (row: number): boolean => (windows.start[row] ?? 0) >= fromMs && (windows.start[row] ?? 0) < toMs;
  return {
    receivedMs,
    readings: readingsWithin(readings, fromMs, toMs),
    windows: pickWindows(windows, isWithin),
    widthMs: widthMs.filter((_, row) => isWithin(row)),
  };
}

function joinReadings(parts: readonly ReadingColumns[]): ReadingColumns {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const series = new Uint32Array(count);
  const time = new Float64Array(count);
  const value = new Float64Array(count);
  const flags = new Uint8Array(count);
  const strings: string[] = [];
  let at = 0;
  for (const part of parts) {
    for (let row = 0; row < part.count; row++, at++) {
      const isText = ((part.flags[row] ?? 0) & flagText) !== 0;
      series[at] = part.series[row] ?? 0;
      time[at] = part.time[row] ?? 0;
      // Not `+ 0`: that would turn −0 into 0.
      value[at] = isText ? (part.value[row] ?? 0) + strings.length : (part.value[row] ?? 0);
      flags[at] = part.flags[row] ?? 0;
    }
    strings.push(...part.strings);
  }
  return { count, series, time, value, flags, strings };
}

function joinWindows(parts: readonly WindowColumns[]): WindowColumns {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  return {
    count: parts.reduce((sum, part) => sum + part.count, 0),
    series: Uint32Array.from(parts.flatMap((part) => [...part.series])),
    start: Float64Array.from(parts.flatMap((part) => [...part.start])),
    delta: Uint8Array.from(parts.flatMap((part) => [...part.delta])),
    partial: parts.flatMap((part) => part.partial),
  };
}

function readingsWithin(columns: ReadingColumns, fromMs: number, toMs: number): ReadingColumns {
  return readingsWhere(columns, (_, timeMs) => timeMs >= fromMs && timeMs < toMs);
}

function readingsWhere(columns: ReadingColumns, isWanted: (series: number, timeMs: number) => boolean): ReadingColumns {
  const rows: number[] = [];
  for (let row = 0; row < columns.count; row++) {
    if (isWanted(columns.series[row] ?? 0, columns.time[row] ?? 0)) rows.push(row);
  }
  if (rows.length === columns.count) return columns;
  return {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => columns.series[row] ?? 0),
    time: Float64Array.from(rows, (row) => columns.time[row] ?? 0),
    value: Float64Array.from(rows, (row) => columns.value[row] ?? 0),
    flags: Uint8Array.from(rows, (row) => columns.flags[row] ?? 0),
    strings: columns.strings,
  };
}

function pickWindows(columns: WindowColumns, isPicked: (row: number) => boolean): WindowColumns {
  const rows = Array.from({ length: columns.count }, (_, row) => row).filter(isPicked);
  return {
    count: rows.length,
    series: Uint32Array.from(rows, (row) => columns.series[row] ?? 0),
    start: Float64Array.from(rows, (row) => columns.start[row] ?? 0),
    delta: Uint8Array.from(rows, (row) => columns.delta[row] ?? 0),
    partial: rows.map((row) => columns.partial[row] ?? new Uint8Array(0)),
  };
}
