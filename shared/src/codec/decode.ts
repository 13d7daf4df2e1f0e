/**
 * Bytes → columns: all rows, the rows of some series, or no rows at all but what the heads of the blocks tell. Blocks that
 * hold nothing wanted are skipped, not decoded. Everything throws `codec_corrupt` or `codec_version` instead of returning
 * rows that were not encoded.
 */
import { flagText, type ReadingColumns } from '../reading.ts';
import {
  blockFlags,
  blockTimes,
  blockValues,
  decodeFlags,
  decodeTimeBlock,
  decodeValueBlock,
  enterBlock,
} from './blocks.ts';
import { ByteReader, corrupt } from './byte-io.ts';
import { type ColumnMemory, newColumns } from './columns.ts';
import { checksumBytes, headBits, type ReadingsBlob } from './directory.ts';
import { readValueBounds } from './value-block.ts';

/** Out row of the first row of each series, or `unwanted`. */
const unwanted = 0xffff_ffff;

/** The rows of the series for which `isWanted` holds, in canonical order; `undefined` wants all. */
export function decodeRows(
  blob: ReadingsBlob,
  isWanted: ((series: number) => boolean) | undefined,
  memory: ColumnMemory = newColumns,
): ReadingColumns {
  const { ids, counts, strings } = blob;
  const outStart = new Uint32Array(ids.length);
  let count = 0;
  for (let s = 0; s < ids.length; s++) {
    const wanted = isWanted === undefined || isWanted(ids[s] as number);
    outStart[s] = wanted ? count : unwanted;
    if (wanted) count += counts[s] as number;
  }
  const columns = memory(count, strings);
  for (let s = 0; s < ids.length; s++) {
    const start = outStart[s] as number;
    if (start !== unwanted) columns.series.fill(ids[s] as number, start, start + (counts[s] as number));
  }
  if (count === 0) return columns;
  const reader = new ByteReader(blob.bytes, blob.blocksAt, blob.bytes.length - checksumBytes);
  decodeTimes(blob, reader, outStart, columns.time);
  decodeValues(blob, reader, outStart, columns.value, columns.flags);
  if (blob.offsets === undefined && reader.left() !== 0) corrupt('bytes after the end');
  if (strings.length > 0 || (blob.bits & headBits.flags) !== 0) checkTexts(columns);
  return columns;
}

/** Puts the reader at a block, and ends it there; in a blob without offsets the blocks are read in sequence. */
function seek(blob: ReadingsBlob, reader: ByteReader, block: number): void {
  if (blob.offsets === undefined) return;
  reader.at = blob.offsets[block] as number;
  reader.end = blob.offsets[block + 1] as number;
}

function finishBlock(blob: ReadingsBlob, reader: ByteReader): void {
  if (blob.offsets !== undefined && reader.left() !== 0) corrupt('bytes after a block');
}

function decodeTimes(blob: ReadingsBlob, reader: ByteReader, outStart: Uint32Array, time: Float64Array): void {
  const { timePlan: plan, timelines, counts } = blob;
  if (plan.blocks === 0) time.fill(blob.timeMin);
  const base = (blob.bits & headBits.wideTimes) !== 0 ? 0 : blob.timeMin;
  for (let block = 0; block < plan.blocks; block++) {
    const first = plan.position[block] as number;
    const end = first + (plan.series[block] as number);
    const lastSeries = (timelines[end] ?? counts.length) - 1;
    if (blob.offsets !== undefined && !someWanted(outStart, timelines[first] as number, lastSeries)) continue;
    seek(blob, reader, block);
    const rows = enterBlock(plan, block, timelines, counts);
    const isLone = counts.length === 1 && rows === time.length;
    decodeTimeBlock(reader, isLone ? time : blockTimes, rows, base, blob.timeMin, blob.timeMax);
    finishBlock(blob, reader);
    // The block is all there is, and lies where it belongs.
    if (isLone) return;
    let at = 0;
    for (let t = first; t < end; t++) {
      const s = timelines[t] as number;
      const own = Math.min(rows - at, counts[s] as number);
      const next = timelines[t + 1] ?? counts.length;
      for (let sharing = s; sharing < next; sharing++) {
        const start = outStart[sharing] as number;
        if (start !== unwanted) copyRows(blockTimes, at, own, time, start + (plan.skip[block] as number));
      }
      at += own;
    }
  }
}

function someWanted(outStart: Uint32Array, from: number, to: number): boolean {
  for (let s = from; s <= to; s++) if (outStart[s] !== unwanted) return true;
  return false;
}

function decodeValues(
  blob: ReadingsBlob,
  reader: ByteReader,
  outStart: Uint32Array,
  value: Float64Array,
  flags: Uint8Array,
): void {
  const { valuePlan: plan, order, counts } = blob;
  const hasFlags = (blob.bits & headBits.flags) !== 0;
  if (!hasFlags) flags.fill(0);
  for (let block = 0; block < plan.blocks; block++) {
    const first = plan.position[block] as number;
    const end = first + (plan.series[block] as number);
    if (blob.offsets !== undefined && !order.subarray(first, end).some((s) => outStart[s] !== unwanted)) continue;
    seek(blob, reader, blob.timePlan.blocks + block);
    const rows = enterBlock(plan, block, order, counts);
    if (counts.length === 1 && rows === value.length) {
      decodeValueBlock(reader, value, hasFlags ? flags : undefined, rows);
      finishBlock(blob, reader);
      return;
    }
    decodeValueBlock(reader, blockValues, hasFlags ? blockFlags : undefined, rows);
    finishBlock(blob, reader);
    let at = 0;
    for (let position = first; position < end; position++) {
      const s = order[position] as number;
      const own = Math.min(rows - at, counts[s] as number);
      const start = outStart[s] as number;
      if (start !== unwanted) {
        copyRows(blockValues, at, own, value, start + (plan.skip[block] as number));
        if (hasFlags) copyRows(blockFlags, at, own, flags, start + (plan.skip[block] as number));
      }
      at += own;
    }
  }
}

function copyRows<Column extends Float64Array | Uint8Array>(
  from: Column,
  at: number,
  rows: number,
  into: Column,
  start: number,
): void {
  if (rows > 16) into.set(from.subarray(at, at + rows), start);
  else for (let i = 0; i < rows; i++) into[start + i] = from[at + i] as number;
}

function checkTexts(columns: ReadingColumns): void {
  const { count, value, flags, strings } = columns;
  for (let row = 0; row < count; row++) {
    if (((flags[row] as number) & flagText) === 0) continue;
    const index = value[row] as number;
    if (!(index >= 0 && index < strings.length) || !Number.isInteger(index)) corrupt('text index out of range');
  }
}

/** One value block: which rows it holds and the bounds of their values. */
export interface BlockSummary {
  /** First and last series in it; a block of one series is a slice of its rows. */
  readonly seriesFirst: number;
  readonly seriesLast: number;
  /** Rows of the first series that lie in earlier blocks. */
  readonly rowsBefore: number;
  readonly count: number;
  readonly valueMin: number;
  readonly valueMax: number;
}

/** Summaries of all value blocks, from their heads. */
export function summarise(blob: ReadingsBlob): readonly BlockSummary[] {
  const { valuePlan: plan, order, counts, ids } = blob;
  const reader = new ByteReader(blob.bytes, blob.blocksAt, blob.bytes.length - checksumBytes);
  const summaries: BlockSummary[] = [];
  if (blob.offsets === undefined && blob.timePlan.blocks > 0) {
    // A blob of one or two blocks tells nowhere where they begin.
    const rows = enterBlock(blob.timePlan, 0, blob.timelines, counts);
    const base = (blob.bits & headBits.wideTimes) !== 0 ? 0 : blob.timeMin;
    decodeTimeBlock(reader, blockTimes, rows, base, blob.timeMin, blob.timeMax);
  }
  for (let block = 0; block < plan.blocks; block++) {
    seek(blob, reader, blob.timePlan.blocks + block);
    const start = reader.at;
    const count = plan.rows[block] as number;
    const hasFlags = (blob.bits & headBits.flags) !== 0;
    if (hasFlags) decodeFlags(reader, blockFlags, count);
    const { min, max } = readValueBounds(reader, count);
    if (blob.offsets === undefined) {
      // Where the next block begins only this one tells.
      reader.at = start;
      const rows = enterBlock(plan, block, order, counts);
      decodeValueBlock(reader, blockValues, hasFlags ? blockFlags : undefined, rows);
    }
    const first = plan.position[block] as number;
    summaries.push({
      seriesFirst: ids[order[first] as number] as number,
      seriesLast: ids[order[first + (plan.series[block] as number) - 1] as number] as number,
      rowsBefore: plan.skip[block] as number,
      count,
      valueMin: min,
      valueMax: max,
    });
  }
  return summaries;
}
