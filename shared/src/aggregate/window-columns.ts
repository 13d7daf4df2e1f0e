/**
 * Codec of `WindowColumns` (FORMAT.md §5). A blob is self-contained, versioned and ends with a CRC-32, so damage is an
 * error and never another partial. What a decoder returns is what the encoder was given, row for row and byte for byte.
 * Hostile bytes cost at most the named limits.
 */
import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib';
import { FoglineError, invariant } from '../errors.ts';
import type { WindowColumns } from '../reading.ts';
import { ByteReader, ByteWriter, corrupt } from './bytes.ts';
import {
  readFlags,
  readPartials,
  readSeries,
  readStarts,
  writeFlags,
  writePartials,
  writeSeries,
  writeStarts,
} from './window-body.ts';

const version = 1;
const methodRaw = 0;
const methodDeflate = 1;
/** Rows of one blob. */
export const windowsCountMax = 65_536;
/** Bytes of one blob's columns before compression. */
export const windowsBodyBytesMax = 8 * 1024 * 1024;
/** Below it deflate has nothing to gain. */
const deflateBytesMin = 48;

export interface WindowsHeader {
  readonly count: number;
  /** Distinct series. */
  readonly seriesCount: number;
  /** Least and greatest window start, integer ms; 0 when count is 0. */
  readonly timeMin: number;
  readonly timeMax: number;
}

/**
 * Encodes rows in canonical order (ascending series).
 * @throws FoglineError `limit_exceeded` beyond `windowsCountMax` rows or `windowsBodyBytesMax` bytes.
 */
export function encodeWindows(columns: WindowColumns): Uint8Array {
  const header = headerOf(columns);
  const { count, series, start } = columns;
  const body = new ByteWriter(64 + count * 24);
  writeSeries(body, series, count);
  writeStarts(body, series, start, count, header.timeMin);
  writeFlags(body, columns.delta, count);
  writePartials(body, columns.partial, start);
  if (body.length > windowsBodyBytesMax) throw limitExceeded('windowsBodyBytesMax', body.length);
  return frame(header, body.bytes.subarray(0, body.length));
}

function limitExceeded(limit: string, actual: number): FoglineError {
  return new FoglineError('limit_exceeded', `aggregate: ${limit} exceeded by ${actual}`);
}

function headerOf({ count, series, start, delta, partial }: WindowColumns): WindowsHeader {
  if (count > windowsCountMax) throw limitExceeded('windowsCountMax', count);
  invariant(series.length >= count && start.length >= count && delta.length >= count, 'columns as long as the count');
  invariant(partial.length === count, 'a partial for every row');
  let seriesCount = 0;
  let timeMin = count === 0 ? 0 : Infinity;
  let timeMax = count === 0 ? 0 : -Infinity;
  for (let i = 0; i < count; i++) {
    const id = series[i] as number;
    const at = start[i] as number;
    invariant(i === 0 || id >= (series[i - 1] as number), 'rows in ascending order of series');
    invariant(Number.isInteger(at) && Math.abs(at) <= 2 ** 53, 'starts of whole milliseconds');
    invariant((delta[i] as number) <= 1, 'delta flags of 0 or 1');
    if (i === 0 || id !== series[i - 1]) seriesCount++;
    timeMin = Math.min(timeMin, at);
    timeMax = Math.max(timeMax, at);
  }
  return { count, seriesCount, timeMin, timeMax };
}

function frame(header: WindowsHeader, body: Uint8Array): Uint8Array {
  const packed = body.length < deflateBytesMin ? body : deflateRawSync(body, { level: 6 });
  const isSmaller = packed.length < body.length;
  const content = isSmaller ? packed : body;
  const writer = new ByteWriter(content.length + 48);
  writer.byte(version);
  writer.byte(isSmaller ? methodDeflate : methodRaw);
  writer.varint(header.count);
  writer.varint(header.seriesCount);
  writer.signed(header.timeMin);
  writer.signed(header.timeMax);
  if (isSmaller) writer.varint(body.length);
  writer.raw(content, 0, content.length);
  const sum = crc32(writer.bytes.subarray(0, writer.length));
  for (let shift = 0; shift < 32; shift += 8) writer.byte((sum >>> shift) & 0xff);
  return writer.finish();
}

interface OpenFrame {
  readonly header: WindowsHeader;
  readonly method: number;
  /** Stands at the content and ends before the checksum. */
  readonly reader: ByteReader;
}

function openFrame(bytes: Uint8Array): OpenFrame {
  if (bytes.length < 10) throw corrupt('windows truncated');
  if (bytes[0] !== version)
    throw new FoglineError('codec_version', `aggregate: windows format ${bytes[0]} is not known`);
  const end = bytes.length - 4;
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true);
  if (crc32(bytes.subarray(0, end)) !== stored) throw corrupt('windows checksum does not match');
  const reader = new ByteReader(bytes, 1, end);
  const method = reader.byte();
  if (method > methodDeflate) throw corrupt('unknown compression of windows');
  const header = {
    count: reader.varint(),
    seriesCount: reader.varint(),
    timeMin: reader.signed(),
    timeMax: reader.signed(),
  };
  if (header.count > windowsCountMax) throw corrupt(`windowsCountMax: ${header.count} rows`);
  return { header, method, reader };
}

/**
 * Count, series and time range without decoding rows.
 * @throws FoglineError `codec_corrupt`, `codec_version`.
 */
export function readWindowsHeader(bytes: Uint8Array): WindowsHeader {
  return openFrame(bytes).header;
}

/**
 * Decodes a blob. The partials are views on memory of their own or of `bytes`; their content is not examined.
 * @throws FoglineError `codec_corrupt`, `codec_version`.
 */
export function decodeWindows(bytes: Uint8Array): WindowColumns {
  const { header, method, reader: framed } = openFrame(bytes);
  const reader = method === methodDeflate ? inflate(framed) : framed;
  const { count } = header;
  if (reader.end - reader.at > windowsBodyBytesMax) throw corrupt('windowsBodyBytesMax exceeded');
  // Every row has a length of at least one byte.
  if (count > reader.end - reader.at) throw corrupt('more rows than bytes');
  const series = new Uint32Array(count);
  const start = new Float64Array(count);
  const delta = new Uint8Array(count);
  const seriesCount = readSeries(reader, series);
  readStarts(reader, series, start, header.timeMin);
  readFlags(reader, delta);
  const partial = readPartials(reader, start);
  if (reader.at !== reader.end) throw corrupt('bytes after the windows');
  const columns = { count, series, start, delta, partial };
  const actual = headerOf(columns);
  if (seriesCount !== header.seriesCount || actual.timeMin !== header.timeMin || actual.timeMax !== header.timeMax) {
    throw corrupt('windows header does not match the rows');
  }
  return columns;
}

function inflate(framed: ByteReader): ByteReader {
  const length = framed.varint();
  if (length > windowsBodyBytesMax) throw corrupt(`windowsBodyBytesMax: ${length} bytes`);
  let body: Uint8Array;
  try {
    body = inflateRawSync(framed.bytes.subarray(framed.at, framed.end), { maxOutputLength: Math.max(length, 1) });
  } catch (cause) {
    throw new FoglineError('codec_corrupt', 'aggregate: windows do not inflate', { cause });
  }
  if (body.length !== length) throw corrupt('windows inflate to another length');
  return new ByteReader(body);
}

/**
 * Joins blobs into one: rows by series, those of one series in the order of the blobs. Rows stay rows: partials of one
 * window are not merged, because each counts as an item.
 * @throws FoglineError as `decodeWindows` and `encodeWindows`.
 */
export function mergeWindows(blobs: readonly Uint8Array[]): Uint8Array {
  let count = 0;
  for (const blob of blobs) count += readWindowsHeader(blob).count;
  if (count > windowsCountMax) throw limitExceeded('windowsCountMax', count);
  const parts = blobs.map(decodeWindows);
  const partials = parts.flatMap((part) => part.partial);
  const order = new Float64Array(count);
  const start = new Float64Array(count);
  const delta = new Uint8Array(count);
  let at = 0;
  for (const part of parts) {
    start.set(part.start, at);
    delta.set(part.delta, at);
    for (let i = 0; i < part.count; i++, at++) order[at] = (part.series[i] as number) * windowsCountMax + at;
  }
  order.sort();
  const rows = order.map((key) => key % windowsCountMax);
  return encodeWindows({
    count,
    series: Uint32Array.from(order, (key) => Math.floor(key / windowsCountMax)),
    start: rows.map((row) => start[row] as number),
    delta: Uint8Array.from(rows, (row) => delta[row] as number),
    partial: Array.from(rows, (row) => partials[row] as Uint8Array),
  });
}
