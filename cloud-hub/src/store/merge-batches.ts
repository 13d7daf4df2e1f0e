/**
 * Many batches → one that holds the same items in fewer bytes: rows of one series come together, which is what the codec lives on. The
 * parts of the result hold whole series each, so a reader of one decodes one; every part is decoded again and compared.
 */
import { decodeWindows, mergeWindows, readWindowsHeader } from '@fogline/shared/aggregate/window-columns';
import { mergeColumns } from '@fogline/shared/codec/merge';
import { decodeReadings, encodeReadings } from '@fogline/shared/codec/readings';
import { hasCode, invariant } from '@fogline/shared/errors';
import { type BatchMessage, type BatchPart, encodeBatch } from '@fogline/shared/protocol/messages';
import { flagText, type ReadingColumns } from '@fogline/shared/reading';
import { runEnd } from './batch-content.ts';

/** Rows encoded in one step. */
const readingsPerPart = 4_096;
const windowsPerPart = 2_048;
/** Texts of one batch, decoded: half of what a batch may unfold to. */
export const textBytesMax = 32 * 1024 * 1024;

export interface BatchToMerge {
  readonly message: BatchMessage;
  /** What its parts of readings hold. */
  readonly readings: readonly ReadingColumns[];
}

/**
 * Contiguous ranges of one agent, epoch and lane, ascending, of readings and windows; `groupOf`: local series that carry like values. Yields
 * between steps; undefined where they had better stay apart: windows that are small only because they are all alike.
 */
export function* mergingBatches(
  batches: readonly BatchToMerge[],
  groupOf: (series: number) => number,
): Generator<void, Uint8Array | undefined> {
  const head = batches[0]?.message;
  const end = batches.at(-1)?.message;
  invariant(head !== undefined && end !== undefined, 'batches to merge');
  const parts: BatchPart[] = [];
  const readings = batches.flatMap((batch) => batch.readings);
  const windows = batches.flatMap(({ message }) =>
    message.parts.filter(({ kind }) => kind === 'windows').map(({ bytes }) => bytes),
  );
  if (readings.length > 0) yield* encodeParts(mergeColumns(readings), groupOf, parts);
  for (const blobs of chunksOf(windows)) {
    yield;
    const bytes = merged(blobs);
    if (bytes === undefined) return undefined;
    const items = blobs.reduce((sum, blob) => sum + readWindowsHeader(blob).count, 0);
    invariant(decodeWindows(bytes).count === items, 'windows that come back');
    parts.push({ kind: 'windows', bytes });
  }
  const { agent, epoch, lane, first } = head;
  return encodeBatch({ agent, epoch, lane, first, last: end.last, parts });
}

function merged(blobs: readonly Uint8Array[]): Uint8Array | undefined {
  try {
    return mergeWindows(blobs);
  } catch (error) {
    if (!hasCode(error, 'limit_exceeded')) throw error;
    return undefined;
  }
}

function* encodeParts(
  columns: ReadingColumns,
  groupOf: (series: number) => number,
  parts: BatchPart[],
): Generator<void, void> {
  for (let from = 0, to = 0; from < columns.count; from = to) {
    while (to < columns.count && to - from < readingsPerPart) to = runEnd(columns.series, to, columns.count);
    // Most rows of one part belong to few series; a series of very many rows is cut.
    to = Math.min(to, from + 2 * readingsPerPart);
    const own = withOwnTexts(rowsOf(columns, from, to));
    const bytes = encodeReadings(own, 'dense', { groupOf });
    invariant(isSame(decodeReadings(bytes), own), 'readings that come back');
    parts.push({ kind: 'readings', bytes });
    yield;
  }
}

function rowsOf({ series, time, value, flags, strings }: ReadingColumns, from: number, to: number): ReadingColumns {
  return {
    count: to - from,
    series: series.subarray(from, to),
    time: time.subarray(from, to),
    value: value.subarray(from, to),
    flags: flags.subarray(from, to),
    strings,
  };
}

/** The texts that its rows name, in the order in which they do. */
function withOwnTexts(columns: ReadingColumns): ReadingColumns {
  const { count, flags, strings } = columns;
  if (strings.length === 0) return columns;
  const own: string[] = [];
  const places = new Map<number, number>();
  const value = columns.value.slice(0, count);
  for (let row = 0; row < count; row++) {
    if (((flags[row] ?? 0) & flagText) === 0) continue;
    const before = value[row] ?? 0;
    const place = places.get(before) ?? own.push(strings[before] ?? '') - 1;
    places.set(before, place);
    value[row] = place;
  }
  return { ...columns, value, strings: own };
}

function isSame(a: ReadingColumns, b: ReadingColumns): boolean {
  if (a.count !== b.count) return false;
  const columns = ['series', 'time', 'value', 'flags'] as const;
  const isEqual = columns.every((name) => {
    const [left, right] = [a[name].subarray(0, a.count), b[name].subarray(0, b.count)];
    return left.every((own, row) => Object.is(own, right[row]));
  });
  return isEqual && a.strings.length === b.strings.length && a.strings.every((text, i) => text === b.strings[i]);
}

/** Blobs of windows, together as many rows as one step takes. */
function* chunksOf(blobs: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let chunk: Uint8Array[] = [];
  let rows = 0;
  for (const blob of blobs) {
    const { count } = readWindowsHeader(blob);
    if (chunk.length > 0 && rows + count > windowsPerPart) {
      yield chunk;
      chunk = [];
      rows = 0;
    }
    chunk.push(blob);
    rows += count;
  }
  if (chunk.length > 0) yield chunk;
}
