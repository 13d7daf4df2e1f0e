/**
 * The string table of a blob, in order, duplicates and all:
 *
 *   varint  entries
 *   byte    0 UTF-8, 1 UTF-8 deflated (RFC 1951), 2 UTF-16 little endian (when a lone surrogate has no UTF-8)
 *   varint  bytes of the table, not deflated; [deflated: varint bytes stored]
 *   integer columns of the bytes of each entry
 *   bytes
 *
 * Inflating stops at the declared size, which is limited: a bomb costs no more than an honest table.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FoglineError, invariant } from '../errors.ts';
import { blockRowsMax } from './bit-pack.ts';
import { type ByteReader, type ByteWriter, corrupt } from './byte-io.ts';
import { decodeIntegers } from './integer-column.ts';
import { encodeIntegers } from './integer-encode.ts';
import { readingsLimits } from './limits.ts';

const encodings = { utf8: 0, deflated: 1, utf16: 2 } as const;
/** Shorter tables do not shrink. */
const deflateBytesMin = 128;
const scratch = new Float64Array(blockRowsMax);

export function encodeStrings(out: ByteWriter, strings: readonly string[]): void {
  invariant(strings.length <= readingsLimits.stringsMax, 'readings: strings within stringsMax');
  const isUtf8 = strings.every((text) => text.isWellFormed());
  const parts = strings.map((text) => Buffer.from(text, isUtf8 ? 'utf8' : 'utf16le'));
  const table = Buffer.concat(parts);
  invariant(table.length <= readingsLimits.stringBytesMax, 'readings: strings within stringBytesMax');
  const deflated = isUtf8 && table.length >= deflateBytesMin ? deflateRawSync(table) : table;
  const isDeflated = deflated.length < table.length;
  out.varint(strings.length);
  out.u8(isDeflated ? encodings.deflated : isUtf8 ? encodings.utf8 : encodings.utf16);
  out.varint(table.length);
  if (isDeflated) out.varint(deflated.length);
  for (let at = 0; at < parts.length; at += blockRowsMax) {
    const count = Math.min(blockRowsMax, parts.length - at);
    for (let i = 0; i < count; i++) scratch[i] = (parts[at + i] as Buffer).length;
    encodeIntegers(out, scratch, count, false);
  }
  out.raw(isDeflated ? deflated : table);
}

/** Throws `codec_corrupt`. */
export function decodeStrings(from: ByteReader): readonly string[] {
  const entries = from.bounded(readingsLimits.stringsMax, 'string count');
  const encoding = from.u8();
  const tableBytes = from.bounded(readingsLimits.stringBytesMax, 'string bytes');
  const storedBytes =
    encoding === encodings.deflated ? from.bounded(readingsLimits.stringBytesMax, 'string bytes') : tableBytes;
  const lengths = new Float64Array(entries);
  let sum = 0;
  for (let at = 0; at < entries; at += blockRowsMax) {
    const count = Math.min(blockRowsMax, entries - at);
    decodeIntegers(from, scratch, count);
    for (let i = 0; i < count; i++) {
      const length = scratch[i] as number;
      if (!(length >= 0)) corrupt('string length out of range');
      lengths[at + i] = length;
      sum += length;
    }
  }
  if (sum !== tableBytes) corrupt('string lengths do not add up');
  const stored = from.take(storedBytes);
  const table = encoding === encodings.deflated ? inflate(stored, tableBytes) : stored;
  const strings: string[] = [];
  let at = 0;
  for (let i = 0; i < entries; i++) {
    const end = at + (lengths[i] as number);
    strings.push(decodeText(table.subarray(at, end), encoding));
    at = end;
  }
  return strings;
}

function inflate(stored: Uint8Array, tableBytes: number): Uint8Array {
  try {
    const table = inflateRawSync(stored, { maxOutputLength: Math.max(1, tableBytes) });
    if (table.length === tableBytes) return table;
  } catch (cause) {
    throw new FoglineError('codec_corrupt', 'readings: string table does not inflate', { cause });
  }
  return corrupt('string table has another size');
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array, encoding: number): string {
  switch (encoding) {
    case encodings.utf8:
    case encodings.deflated:
      try {
        return utf8.decode(bytes);
      } catch (cause) {
        throw new FoglineError('codec_corrupt', 'readings: string is not UTF-8', { cause });
      }
    case encodings.utf16:
      if (bytes.length % 2 !== 0) corrupt('string is not UTF-16');
      return Buffer.from(bytes).toString('utf16le');
    default:
      return corrupt('unknown string encoding');
  }
}
