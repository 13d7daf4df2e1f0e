/**
 * The head of a blob: everything but the blocks. Layout (see FORMAT.md):
 *
 *   byte     bits 0-3 version, 4 flags column, 5 strings, 6 classes, 7 wide times
 *   varint   rows; nothing but strings and checksum follow when 0
 *   varint   series
 *   times    svarint min, varint max − min; wide: float64 min, float64 max
 *   byte     log2 of the block size, when there are more than 1,024 rows
 *   ids      integer columns
 *   same     when there is more than one series: byte 1 = all series have the same times, 0 = none has those of the one
 *            before it, 2 = integer columns of series − 1 follow: 1 = has the times of the one before it
 *   counts   integer columns, when there is more than one series and not all have the same times
 *   classes  byte stride; 0: integer columns of the class of each series, else class = id mod stride
 *   strings
 *   lengths  integer columns of the bytes of each block, time blocks first, when there are more than two blocks
 *
 * "Integer columns" are columns of 4,096 entries and a last one of the rest.
 */
import { crc32 } from 'node:zlib';
import { FoglineError } from '../errors.ts';
import { blockRowsMax } from './bit-pack.ts';
import { ByteReader, type ByteWriter, corrupt, integerMax, signedMax } from './byte-io.ts';
import { decodeIntegers } from './integer-column.ts';
import { encodeIntegers } from './integer-encode.ts';
import { type BlockPlan, blockRowsFast, planBlocks, valueOrder } from './layout.ts';
import { readingsLimits } from './limits.ts';
import { decodeStrings } from './strings.ts';

const formatVersion = 1;
export const headBits = { flags: 0x10, strings: 0x20, classes: 0x40, wideTimes: 0x80 } as const;
export const checksumBytes = 4;
export const sameTimes = { none: 0, all: 1, some: 2 } as const;

const scratch = new Float64Array(blockRowsMax);

/** Entries of any number as integer columns of at most 4,096. */
export function encodeEntries(out: ByteWriter, entries: ArrayLike<number>, from: number, dense: boolean): void {
  for (let at = from; at < entries.length; at += blockRowsMax) {
    const count = Math.min(blockRowsMax, entries.length - at);
    for (let i = 0; i < count; i++) scratch[i] = entries[at + i] as number;
    encodeIntegers(out, scratch, count, dense);
  }
}

/** Reads into[from …); every entry must lie in [min, max]. */
function decodeEntries(
  reader: ByteReader,
  into: Uint32Array,
  from: number,
  min: number,
  max: number,
  what: string,
): void {
  for (let at = from; at < into.length; at += blockRowsMax) {
    const count = Math.min(blockRowsMax, into.length - at);
    decodeIntegers(reader, scratch, count);
    for (let i = 0; i < count; i++) {
      const entry = scratch[i] as number;
      if (!(entry >= min && entry <= max)) corrupt(`${what} out of range`);
      into[at + i] = entry;
    }
  }
}

export interface Head {
  readonly count: number;
  readonly seriesCount: number;
  readonly timeMin: number;
  readonly timeMax: number;
  readonly bits: number;
}

/** An opened blob: checksum verified, head parsed, blocks untouched. */
export interface ReadingsBlob extends Head {
  readonly bytes: Uint8Array;
  readonly ids: Uint32Array;
  readonly counts: Uint32Array;
  /** First series of each distinct timeline; the series up to the next one share it. */
  readonly timelines: Uint32Array;
  /** Series in the order of the value blocks. */
  readonly order: Uint32Array;
  readonly strings: readonly string[];
  readonly timePlan: BlockPlan;
  readonly valuePlan: BlockPlan;
  /** Where each block begins, time blocks first, and where the last ends; undefined when blocks are read in sequence. */
  readonly offsets: Uint32Array | undefined;
  readonly blocksAt: number;
}

/** Verifies size, checksum and version, and gives a reader of all before the checksum. */
export function verify(bytes: Uint8Array): ByteReader {
  if (bytes.length < 2 + checksumBytes) corrupt('truncated');
  if (bytes.length > readingsLimits.bytesMax) corrupt('longer than bytesMax');
  const end = bytes.length - checksumBytes;
  if (new ByteReader(bytes, end, bytes.length).u32() !== checksumOf(bytes.subarray(0, end)))
    corrupt('checksum does not match');
  const version = (bytes[0] as number) & 0x0f;
  if (version !== formatVersion) {
    throw new FoglineError('codec_version', `readings: format version ${version} is not known to this build`);
  }
  return new ByteReader(bytes, 0, end);
}

export function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes);
}

/** Times that signed varints cannot hold. */
export function hasWideTimes(head: Head): boolean {
  return head.timeMin < -signedMax || head.timeMax > signedMax;
}

export function encodeHead(out: ByteWriter, head: Head): void {
  const isWide = hasWideTimes(head);
  out.u8(formatVersion | head.bits | (isWide ? headBits.wideTimes : 0));
  out.varint(head.count);
  if (head.count === 0) return;
  out.varint(head.seriesCount);
  if (isWide) {
    out.f64(head.timeMin);
    out.f64(head.timeMax);
  } else {
    out.svarint(head.timeMin);
    out.varint(head.timeMax - head.timeMin);
  }
}

export function decodeHead(reader: ByteReader): Head {
  const bits = reader.u8() & 0xf0;
  const count = reader.bounded(readingsLimits.countMax, 'row count');
  if (count === 0) return { count, seriesCount: 0, timeMin: 0, timeMax: 0, bits };
  const seriesCount = reader.bounded(Math.min(count, readingsLimits.seriesMax), 'series count');
  if (seriesCount === 0) corrupt('series count out of range');
  const isWide = (bits & headBits.wideTimes) !== 0;
  const timeMin = isWide ? reader.f64() : reader.svarint();
  const timeMax = isWide ? reader.f64() : timeMin + reader.varint();
  const fits =
    Number.isInteger(timeMin) && Number.isInteger(timeMax) && timeMin >= -integerMax && timeMax <= integerMax;
  if (!fits || timeMin > timeMax) corrupt('time range');
  return { count, seriesCount, timeMin, timeMax, bits };
}

/** When all rows have one time, the head says it, and there are no time blocks. */
export function timelinesToStore(head: Head, timelines: Uint32Array): Uint32Array {
  return head.timeMin === head.timeMax ? timelines.subarray(0, 0) : timelines;
}

/** Rows per block of a blob. */
export function blockRowsOf(count: number, dense: boolean): number {
  return dense && count > blockRowsFast ? blockRowsMax : blockRowsFast;
}

/** Opens a blob: everything but its blocks. Throws `codec_corrupt` or `codec_version`. */
export function openBlob(bytes: Uint8Array): ReadingsBlob {
  const reader = verify(bytes);
  const head = decodeHead(reader);
  const { count, seriesCount, bits } = head;
  let blockRows = blockRowsFast;
  if (count > blockRowsFast) {
    const log = reader.u8();
    if (log < 10 || log > 12) corrupt('block size out of range');
    blockRows = 1 << log;
  }
  const ids = new Uint32Array(seriesCount);
  const counts = new Uint32Array(seriesCount);
  if (seriesCount > 0) decodeIds(reader, ids);
  const timelines = decodeTimelines(reader, counts, count);
  const classes = (bits & headBits.classes) !== 0 ? decodeClasses(reader, ids) : undefined;
  const order = valueOrder(seriesCount, classes);
  const strings = (bits & headBits.strings) !== 0 ? decodeStrings(reader) : [];
  const timePlan = planBlocks(timelinesToStore(head, timelines), counts, undefined, blockRows);
  const valuePlan = planBlocks(order, counts, classes, blockRows);
  const offsets = decodeOffsets(reader, timePlan.blocks + valuePlan.blocks);
  if (count === 0 && reader.left() !== 0) corrupt('bytes after the end');
  return { ...head, bytes, ids, counts, timelines, order, strings, timePlan, valuePlan, offsets, blocksAt: reader.at };
}

function decodeIds(reader: ByteReader, ids: Uint32Array): void {
  decodeEntries(reader, ids, 0, 0, 0xffff_ffff, 'series id');
  for (let s = 1; s < ids.length; s++) {
    if ((ids[s] as number) <= (ids[s - 1] as number)) corrupt('series ids do not ascend');
  }
}

/** Fills `counts`, and gives the first series of each timeline. */
function decodeTimelines(reader: ByteReader, counts: Uint32Array, count: number): Uint32Array {
  const series = counts.length;
  if (series === 0) return new Uint32Array(0);
  const form = series === 1 ? sameTimes.all : reader.u8();
  if (form === sameTimes.all) {
    if (count % series !== 0) corrupt('rows of the series do not add up');
    counts.fill(count / series);
    return new Uint32Array(1);
  }
  if (form !== sameTimes.none && form !== sameTimes.some) corrupt('unknown form of same times');
  const same = new Uint32Array(series);
  if (form === sameTimes.some) decodeEntries(reader, same, 1, 0, 1, 'same times');
  decodeEntries(reader, counts, 0, 1, count, 'rows of a series');
  let sum = 0;
  let timelines = 0;
  for (let s = 0; s < series; s++) {
    sum += counts[s] as number;
    if (same[s] === 0) same[timelines++] = s;
    else if (counts[s] !== counts[s - 1]) corrupt('same times, other number of rows');
  }
  if (sum !== count) corrupt('rows of the series do not add up');
  return same.slice(0, timelines);
}

function decodeClasses(reader: ByteReader, ids: Uint32Array): Uint32Array {
  const stride = reader.u8();
  if (stride > 0) return ids.map((id) => id % stride);
  const classes = new Uint32Array(ids.length);
  decodeEntries(reader, classes, 0, 0, readingsLimits.seriesMax, 'class');
  return classes;
}

function decodeOffsets(reader: ByteReader, blocks: number): Uint32Array | undefined {
  if (blocks <= 2) return undefined;
  const offsets = new Uint32Array(blocks + 1);
  decodeEntries(reader, offsets, 1, 1, readingsLimits.bytesMax, 'block length');
  offsets[0] = reader.at;
  let at = reader.at;
  for (let block = 1; block <= blocks; block++) {
    at += offsets[block] as number;
    if (at > reader.end) corrupt('truncated');
    offsets[block] = at;
  }
  if (at !== reader.end) corrupt('bytes after the end');
  return offsets;
}
