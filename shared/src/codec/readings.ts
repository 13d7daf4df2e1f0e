/**
 * Readings as bytes: one self-contained, checksummed blob of columns. What is decoded is what was encoded, row for row
 * and bit for bit; damaged bytes are refused (CRC-32 over the whole blob), and hostile ones cost no more time and memory
 * than an honest blob of `readingsLimits`. FORMAT.md specifies every byte.
 *
 * Nothing returned shares a byte with the codec, its input or another result; small results lie in one `ArrayBuffer`, as small
 * `Buffer`s do. Not re-entrant, and need not be: nothing here waits.
 */
import type { ReadingColumns } from '../reading.ts';
import type { ColumnMemory } from './columns.ts';
import { type BlockSummary, decodeRows, summarise } from './decode.ts';
import { decodeHead, openBlob, verify } from './directory.ts';
import { encodeColumns } from './encode.ts';
import { mergeColumns } from './merge.ts';

export { readingsLimits } from './limits.ts';

/** `fast`: bit packing only, for the hot path. `dense`: entropy coding on top, for the link and the merged backlog. */
export type CodecMode = 'fast' | 'dense';

export interface EncodeOptions {
  /**
   * Series with equal numbers (one metric, say) share value blocks when they are short. Without it the encoder looks for a
   * pattern in the ids. It changes the size of the result, never its meaning.
   */
  readonly groupOf?: (series: number) => number;
}

export interface ReadingsHeader {
  readonly count: number;
  readonly seriesCount: number;
  /** Smallest and largest event time, integer ms; both 0 when `count` is 0. */
  readonly timeMin: number;
  readonly timeMax: number;
}

/** What a blob tells without its columns being decoded. */
export interface ReadingsDirectory extends ReadingsHeader {
  /** Series ids, ascending, and the rows of each. */
  readonly series: Uint32Array;
  readonly rows: Uint32Array;
  /** The value blocks, with the bounds of their values. */
  readonly blocks: readonly BlockSummary[];
}

/**
 * Encodes rows in canonical order, within `readingsLimits`: integer times within ±2^53, finite values (bit for bit, −0
 * and subnormals included), flags 0-2 with or without `flagText`. All of that is asserted; a violation is a bug. The result
 * is exactly as long as needed, and the caller's.
 */
export function encodeReadings(columns: ReadingColumns, mode: CodecMode, options: EncodeOptions = {}): Uint8Array {
  return encodeColumns(columns, mode === 'dense', options.groupOf);
}

/** Decodes all rows, into memory of their own unless other memory is given. Throws `codec_corrupt` or `codec_version`. */
export function decodeReadings(bytes: Uint8Array, memory?: ColumnMemory): ReadingColumns {
  return decodeRows(openBlob(bytes), undefined, memory);
}

/** Verifies the checksum and reads the head. Throws `codec_corrupt` or `codec_version`. */
export function readReadingsHeader(bytes: Uint8Array): ReadingsHeader {
  const { count, seriesCount, timeMin, timeMax } = decodeHead(verify(bytes));
  return { count, seriesCount, timeMin, timeMax };
}

/** Series, rows and block bounds, without decoding the columns. Throws `codec_corrupt` or `codec_version`. */
export function readReadingsDirectory(bytes: Uint8Array): ReadingsDirectory {
  const blob = openBlob(bytes);
  const { count, seriesCount, timeMin, timeMax, ids, counts } = blob;
  return { count, seriesCount, timeMin, timeMax, series: ids, rows: counts, blocks: summarise(blob) };
}

/**
 * Decodes only the rows of the given series (absent ones have none), in canonical order; blocks without any of them are
 * skipped. `strings` is the whole table of the blob. Throws `codec_corrupt` or `codec_version`.
 */
export function decodeReadingsOf(bytes: Uint8Array, series: ReadonlySet<number> | number): ReadingColumns {
  const isWanted = typeof series === 'number' ? (id: number) => id === series : (id: number) => series.has(id);
  return decodeRows(openBlob(bytes), isWanted);
}

/**
 * Many blobs → one in canonical order: series ascending, rows of one series in blob order, string tables united. Throws
 * `codec_corrupt` or `codec_version` for a bad blob; that all rows together stay within `countMax` is asserted.
 */
export function mergeReadings(blobs: readonly Uint8Array[], mode: CodecMode, options: EncodeOptions = {}): Uint8Array {
  return encodeReadings(mergeColumns(blobs.map((blob) => decodeReadings(blob))), mode, options);
}
