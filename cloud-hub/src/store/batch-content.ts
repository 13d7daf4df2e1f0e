/**
 * What a batch holds, decoded under limits and checked before anything is stored. Pure: equal payloads give equal contents, which
 * is why the log alone is enough to derive everything else again.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned, type ThinnedColumns, thinnedItems, thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows, readWindowsHeader } from '@fogline/shared/aggregate/window-columns';
import type { ColumnMemory } from '@fogline/shared/codec/columns';
import { decodeReadings, readReadingsHeader } from '@fogline/shared/codec/readings';
import { FoglineError } from '@fogline/shared/errors';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { type BatchMessage, type BatchPart } from '@fogline/shared/protocol/messages';
import type { ReadingColumns, WindowColumns } from '@fogline/shared/reading';
import { hourMs } from './levels.ts';
import type { LocalSeries } from './series-table.ts';

/**
 * Texts and partials of one batch, decoded: room for the most items of one batch at 256 bytes each. Both travel deflated, so without
 * it an envelope of 1 MiB could unfold to a gigabyte.
 */
const unfoldedBytesMax = 64 * 1024 * 1024;
/** No honest window counts more; it keeps sums of counts far from 2^53. */
const windowCountMax = 2 ** 40;

/** Items per event hour (hours since the epoch). */
export type Hours = Map<number, number>;

export interface BatchContent {
  /** In the order of the parts. */
  readonly readings: readonly ReadingColumns[];
  readonly windows: readonly WindowColumns[];
  /** Not empty only where both others are. */
  readonly thinned: readonly ThinnedColumns[];
  readonly items: number;
  readonly hours: Hours;
}

/**
 * Readings lie in `memory`, else in memory of their own. Throws `codec_corrupt` or `codec_version` where parts are damaged, too many, or do not
 * add up to the range.
 */
export function decodeContent(message: BatchMessage, memory?: ColumnMemory): BatchContent {
  const expected = message.last - message.first + 1;
  let items = 0;
  for (const part of message.parts) items += itemsOf(part);
  if (items !== expected || items > protocolLimits.itemsPerBatchMax) {
    throw new FoglineError('codec_corrupt', `batch: parts hold ${items} items, the range says ${expected}`);
  }
  const hours: Hours = new Map();
  const readings: ReadingColumns[] = [];
  const windows: WindowColumns[] = [];
  const thinned: ThinnedColumns[] = [];
  let unfolded = 0;
  const check = (partials: readonly Uint8Array[]): void => {
    for (const partial of partials) {
      unfolded += partial.byteLength;
      checkPartial(partial);
    }
  };
  for (const part of message.parts) {
    if (part.kind === 'readings') {
      const columns = decodeReadings(part.bytes, memory);
      for (const text of columns.strings) unfolded += text.length;
      countHours(hours, columns.time, columns.count);
      readings.push(columns);
    } else if (part.kind === 'windows') {
      const columns = decodeWindows(part.bytes);
      countHours(hours, columns.start, columns.count);
      windows.push(columns);
      check(columns.partial);
    } else {
      const columns = decodeThinned(part.bytes);
      countThinned(hours, columns, 0, columns.count);
      thinned.push(columns);
      check(columns.partial);
      if (columns.partial.some((partial) => Partial.decode(partial).count === 0))
        throw new FoglineError('codec_corrupt', 'batch: a minute that stands for nothing');
    }
    if (unfolded > unfoldedBytesMax) {
      throw new FoglineError('codec_corrupt', 'batch: unfoldedBytesMax exceeded by its texts and partials');
    }
  }
  return { readings, windows, thinned, items, hours };
}

function itemsOf({ kind, bytes }: BatchPart): number {
  switch (kind) {
    case 'readings':
      return readReadingsHeader(bytes).count;
    case 'windows':
      return readWindowsHeader(bytes).count;
    case 'thinned':
      return thinnedItems(bytes);
  }
}

/** Of rows [from, to). */
function countThinned(hours: Hours, { start, items }: ThinnedColumns, from: number, to: number): void {
  for (let row = from; row < to; row++) {
    const hour = Math.floor((start[row] as number) / hourMs);
    hours.set(hour, (hours.get(hour) ?? 0) + (items[row] as number));
  }
}

function checkPartial(bytes: Uint8Array): void {
  const partial = Partial.decode(bytes);
  if (partial.count > windowCountMax) throw new FoglineError('codec_corrupt', `windows: a count of ${partial.count}`);
}

function countHours(hours: Hours, time: Float64Array, count: number): void {
  let hour = Number.NaN;
  let start = Number.NaN;
  let end = Number.NaN;
  let run = 0;
  for (let row = 0; row < count; row++) {
    const t = time[row] as number;
    if (t >= start && t < end) {
      run++;
      continue;
    }
    if (run > 0) hours.set(hour, (hours.get(hour) ?? 0) + run);
    hour = Math.floor(t / hourMs);
    start = hour * hourMs;
    end = start + hourMs;
    run = 1;
  }
  if (run > 0) hours.set(hour, (hours.get(hour) ?? 0) + run);
}

/** One local id that is not defined yet; undefined when all are. Throws `codec_corrupt` where a series is of the other kind. */
export function findUnknownSeries(content: BatchContent, table: LocalSeries): number | undefined {
  return findIn(content.readings, table, false) ?? findIn(content.windows, table, true) ?? findThinned(content, table);
}

function findThinned({ thinned }: BatchContent, table: LocalSeries): number | undefined {
  for (const { series, count } of thinned) {
    for (let from = 0; from < count; from = runEnd(series, from, count)) {
      const local = series[from] as number;
      if ((table.ids[local] ?? 0) === 0) return local;
      if (thinnedMs % Math.max(1, table.widthMs[local] ?? 0) !== 0)
        throw new FoglineError('codec_corrupt', `batch: windows of series ${local} do not make up minutes`);
    }
  }
  return undefined;
}

function findIn(
  parts: readonly (ReadingColumns | WindowColumns)[],
  table: LocalSeries,
  isWindow: boolean,
): number | undefined {
  for (const { series, count } of parts) {
    for (let from = 0; from < count; from = runEnd(series, from, count)) {
      const local = series[from] as number;
      if ((table.ids[local] ?? 0) === 0) return local;
      if (table.isWindow[local] !== isWindow) {
        throw new FoglineError(
          'codec_corrupt',
          `batch: series ${local} is not of kind ${isWindow ? 'window' : 'reading'}`,
        );
      }
    }
  }
  return undefined;
}

/** End of the run of rows of the same series that begins at `from`. */
export function runEnd(series: Uint32Array, from: number, count: number): number {
  const id = series[from];
  let end = from + 1;
  while (end < count && series[end] === id) end++;
  return end;
}

/** Items per series (local id) and event hour. */
export function hoursBySeries(content: BatchContent): Map<number, Hours> {
  const bySeries = new Map<number, Hours>();
  const count = (series: Uint32Array, time: Float64Array, rows: number): void => {
    for (let from = 0, to = 0; from < rows; from = to) {
      to = runEnd(series, from, rows);
      const local = series[from] as number;
      const hours: Hours = bySeries.get(local) ?? new Map<number, number>();
      countHours(hours, time.subarray(from, to), to - from);
      bySeries.set(local, hours);
    }
  };
  for (const columns of content.thinned) {
    for (let from = 0, to = 0; from < columns.count; from = to) {
      to = runEnd(columns.series, from, columns.count);
      const local = columns.series[from] as number;
      const hours: Hours = bySeries.get(local) ?? new Map<number, number>();
      countThinned(hours, columns, from, to);
      bySeries.set(local, hours);
    }
  }
  for (const columns of content.readings) count(columns.series, columns.time, columns.count);
  for (const columns of content.windows) count(columns.series, columns.start, columns.count);
  return bySeries;
}

/** What of a batch is in its tables already, while its raw rows come anew: only a salvage says so. */
export interface Settled {
  /** Items before this time; an hour's begin. */
  readonly beforeMs: number;
  /** In the ledger. */
  readonly isCounted: boolean;
  /** In roll-ups and latest values: of hub series up to this id. */
  readonly seriesTo: number;
}

/** Hours to be counted and rows to be rolled up that are not settled. */
export function unsettled(content: BatchContent, table: LocalSeries, settled: Settled): BatchContent {
  const { beforeMs, isCounted, seriesTo } = settled;
  const hours = isCounted ? new Map([...content.hours].filter(([hour]) => hour * hourMs >= beforeMs)) : content.hours;
  const isFresh = (local: number, timeMs: number): boolean => timeMs >= beforeMs || (table.ids[local] ?? 0) > seriesTo;
  return { ...rowsWhere(content, isFresh), hours };
}

/** The rows that are wanted, by local series and time; items and hours stay those of the whole. */
export function rowsWhere(content: BatchContent, isWanted: (local: number, timeMs: number) => boolean): BatchContent {
  const rowsOf = (series: Uint32Array, time: Float64Array, count: number): number[] =>
    Array.from({ length: count }, (_, row) => row).filter((row) =>
      isWanted(series[row] as number, time[row] as number),
    );
  const readings = content.readings.map((columns) => {
    const rows = rowsOf(columns.series, columns.time, columns.count);
    return {
      ...picked(columns, rows),
      time: Float64Array.from(rows, (row) => columns.time[row] as number),
      value: Float64Array.from(rows, (row) => columns.value[row] as number),
      flags: Uint8Array.from(rows, (row) => columns.flags[row] as number),
      strings: columns.strings,
    };
  });
  const windows = content.windows.map((columns) => {
    const rows = rowsOf(columns.series, columns.start, columns.count);
    return {
      ...pickedPartials(columns, rows),
      delta: Uint8Array.from(rows, (row) => columns.delta[row] as number),
    };
  });
  const thinned = content.thinned.map((columns) => {
    const rows = rowsOf(columns.series, columns.start, columns.count);
    return {
      ...pickedPartials(columns, rows),
      items: Float64Array.from(rows, (row) => columns.items[row] as number),
    };
  });
  return { ...content, readings, windows, thinned };
}

function picked({ series }: { readonly series: Uint32Array }, rows: readonly number[]) {
  return { count: rows.length, series: Uint32Array.from(rows, (row) => series[row] as number) };
}

type PartialColumns = Pick<WindowColumns, 'series' | 'start' | 'partial'>;

function pickedPartials(columns: PartialColumns, rows: readonly number[]) {
  return {
    ...picked(columns, rows),
    start: Float64Array.from(rows, (row) => columns.start[row] as number),
    partial: rows.map((row) => columns.partial[row] as Uint8Array),
  };
}
