/**
 * From blocks of items to minutes that stand for them (decision 0007): numbers of good quality of series that carry all readings, and windows
 * whose width divides a minute. What cannot become a minute comes back as blocks of its own, nothing is left out. Pure.
 */
import { ByteWriter } from '@fogline/shared/aggregate/bytes';
import { Partial, writePartialOf } from '@fogline/shared/aggregate/partial';
import { encodeThinned, ThinnedBuilder, thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows, encodeWindows, mergeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings, encodeReadings, mergeReadings } from '@fogline/shared/codec/readings';
import type { BatchPart, PartKind } from '@fogline/shared/protocol/messages';
import { quality, type ReadingColumns, type SeriesDefinition, type WindowColumns } from '@fogline/shared/reading';
import { hoursOf, runEnd } from '../pipeline/columns.ts';
import { RowSelection } from '../pipeline/row-selection.ts';

export interface ThinPart {
  readonly kind: PartKind;
  readonly bytes: Uint8Array;
  /** Items that it holds or stands for. */
  readonly count: number;
  /** Items per event hour, flat. */
  readonly hours: readonly number[];
}

type Definitions = (series: number) => SeriesDefinition;

/** The minutes, then what stays as it is; undefined where there are no minutes. Throws `limit_exceeded` for windows without measure. */
export function thin(blocks: readonly BatchPart[], definitionOf: Definitions): ThinPart[] | undefined {
  const builder = new ThinnedBuilder();
  const readings: ReadingColumns[] = [];
  const windows: WindowColumns[] = [];
  for (const { kind, bytes } of blocks) {
    if (kind === 'readings') readings.push(thinReadings(decodeReadings(bytes), definitionOf, builder));
    else windows.push(thinWindows(decodeWindows(bytes), definitionOf, builder));
  }
  if (builder.count === 0) return undefined;
  const parts = [minutesOf(builder)];
  const restReadings = readings.filter(({ count }) => count > 0);
  if (restReadings.length > 0) {
    const bytes = mergeReadings(
      restReadings.map((columns) => encodeReadings(columns, 'fast')),
      'dense',
    );
    const { count, time } = decodeReadings(bytes);
    parts.push({ kind: 'readings', bytes, count, hours: hoursOf(time, count) });
  }
  const restWindows = windows.filter(({ count }) => count > 0);
  if (restWindows.length > 0) {
    const bytes = mergeWindows(restWindows.map(encodeWindows));
    const { count, start } = decodeWindows(bytes);
    parts.push({ kind: 'windows', bytes, count, hours: hoursOf(start, count) });
  }
  return parts;
}

function minutesOf(builder: ThinnedBuilder): ThinPart {
  const columns = builder.columns();
  const { start, items } = columns;
  const count = items.reduce((sum, one) => sum + one, 0);
  return { kind: 'thinned', bytes: encodeThinned(columns), count, hours: hoursOf(start, columns.count, items) };
}

/** Adds what can be thinned to the builder; returns the rest. */
function thinReadings(columns: ReadingColumns, definitionOf: Definitions, builder: ThinnedBuilder): ReadingColumns {
  const { count, series, time, flags } = columns;
  const writer = new ByteWriter();
  const rest = new RowSelection();
  rest.begin(count);
  for (let from = 0, end = 0; from < count; from = end) {
    end = runEnd(series, from, count);
    const id = series[from] ?? 0;
    if (definitionOf(id).sampling !== 'all') {
      rest.addRun(from, end);
      continue;
    }
    for (let row = from; row < end; ) {
      // A text has a flag, too.
      if (flags[row] !== quality.good) {
        rest.add(row++);
        continue;
      }
      const start = Math.floor((time[row] ?? 0) / thinnedMs) * thinnedMs;
      let to = row + 1;
      while (to < end && flags[to] === quality.good && (time[to] ?? 0) >= start && (time[to] ?? 0) < start + thinnedMs)
        to++;
      writer.reset();
      writePartialOf(writer, columns, row, to);
      builder.add(id, start, to - row, writer.finish());
      row = to;
    }
  }
  return rest.take(columns);
}

function thinWindows(columns: WindowColumns, definitionOf: Definitions, builder: ThinnedBuilder): WindowColumns {
  const { count, series, start, delta, partial } = columns;
  const rest: number[] = [];
  for (let row = 0; row < count; row++) {
    const { widthMs } = definitionOf(series[row] ?? 0);
    const at = start[row] ?? 0;
    const bytes = partial[row] ?? new Uint8Array();
    const fits = widthMs > 0 && widthMs < thinnedMs && thinnedMs % widthMs === 0 && at % widthMs === 0;
    if (fits && Partial.decode(bytes).count > 0)
      builder.add(series[row] ?? 0, Math.floor(at / thinnedMs) * thinnedMs, 1, bytes);
    else rest.push(row);
  }
  return {
    count: rest.length,
    series: Uint32Array.from(rest, (row) => series[row] ?? 0),
    start: Float64Array.from(rest, (row) => start[row] ?? 0),
    delta: Uint8Array.from(rest, (row) => delta[row] ?? 0),
    partial: rest.map((row) => partial[row] ?? new Uint8Array()),
  };
}
