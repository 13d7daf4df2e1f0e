/**
 * Codec of minutes that stand for items (FORMAT.md §6): per series and minute the partial, and how many items went into it. A blob
 * is self-contained, versioned and ends with a CRC-32; what a decoder returns is what the encoder was given.
 */
import { crc32 } from 'node:zlib';
import { FoglineError, invariant } from '../errors.ts';
import { ByteReader, ByteWriter, corrupt } from './bytes.ts';
import { mergeEncoded } from './partial.ts';
import { decodeWindows, encodeWindows } from './window-columns.ts';

/** Width of what items are thinned to. */
export const thinnedMs = 60_000;
const version = 1;
const blobBytesMin = 7;

/** In ascending order of (series, start), each pair once. */
export interface ThinnedColumns {
  readonly count: number;
  readonly series: Uint32Array;
  /** Of the minute: a multiple of `thinnedMs`. */
  readonly start: Float64Array;
  /** How many items each row stands for, at least 1. */
  readonly items: Float64Array;
  /** Canonical bytes of each partial. */
  readonly partial: readonly Uint8Array[];
}

/** @throws FoglineError `limit_exceeded` as `encodeWindows`. */
export function encodeThinned({ count, series, start, items, partial }: ThinnedColumns): Uint8Array {
  const windows = encodeWindows({ count, series, start, delta: new Uint8Array(count), partial });
  const writer = new ByteWriter(windows.length + count + 32);
  writer.byte(version);
  let total = 0;
  for (let row = 0; row < count; row++) total += items[row] as number;
  invariant(Number.isSafeInteger(total), 'counts of items');
  writer.varint(total);
  writer.varint(windows.length);
  writer.raw(windows, 0, windows.length);
  for (let row = 0; row < count; row++) writer.varint(items[row] as number);
  const sum = crc32(writer.bytes.subarray(0, writer.length));
  for (let shift = 0; shift < 32; shift += 8) writer.byte((sum >>> shift) & 0xff);
  return writer.finish();
}

function openFrame(bytes: Uint8Array): { readonly items: number; readonly reader: ByteReader } {
  if (bytes.length < blobBytesMin) throw corrupt('thinned rows truncated');
  if (bytes[0] !== version)
    throw new FoglineError('codec_version', `aggregate: thinned format ${bytes[0]} is not known`);
  const end = bytes.length - 4;
  const stored = new DataView(bytes.buffer, bytes.byteOffset + end, 4).getUint32(0, true);
  if (crc32(bytes.subarray(0, end)) !== stored) throw corrupt('thinned checksum does not match');
  const reader = new ByteReader(bytes, 1, end);
  return { items: reader.varint(), reader };
}

/**
 * How many items the rows stand for, without decoding them.
 * @throws FoglineError `codec_corrupt`, `codec_version`.
 */
export function thinnedItems(bytes: Uint8Array): number {
  return openFrame(bytes).items;
}

/**
 * Decodes a blob; the content of the partials is not examined.
 * @throws FoglineError `codec_corrupt`, `codec_version`.
 */
export function decodeThinned(bytes: Uint8Array): ThinnedColumns {
  const { items: total, reader } = openFrame(bytes);
  const length = reader.varint();
  if (length > reader.end - reader.at) throw corrupt('truncated');
  const { count, series, start, delta, partial } = decodeWindows(bytes.subarray(reader.at, reader.at + length));
  reader.at += length;
  const items = new Float64Array(count);
  let sum = 0;
  for (let row = 0; row < count; row++) {
    const one = reader.varint();
    const isAfter =
      row === 0 ||
      (series[row] as number) > (series[row - 1] as number) ||
      (start[row] as number) > (start[row - 1] as number);
    if (one < 1 || delta[row] !== 0 || (start[row] as number) % thinnedMs !== 0 || !isAfter)
      throw corrupt('a thinned row that is none');
    items[row] = one;
    sum += one;
  }
  if (reader.at !== reader.end || sum !== total) throw corrupt('thinned header does not match the rows');
  return { count, series, start, items, partial };
}

/** Collects minutes; what is added for one (series, minute) is merged. Partials must be canonical. */
export class ThinnedBuilder {
  readonly #minutes = new Map<number, Map<number, { items: number; partial: Uint8Array }>>();
  #count = 0;

  /** @throws FoglineError `limit_exceeded` where the partials cannot be merged. */
  add(series: number, start: number, items: number, partial: Uint8Array): void {
    let minutes = this.#minutes.get(series);
    if (minutes === undefined) {
      minutes = new Map();
      this.#minutes.set(series, minutes);
    }
    const known = minutes.get(start);
    if (known === undefined) {
      minutes.set(start, { items, partial });
      this.#count++;
    } else {
      known.partial = mergeEncoded(known.partial, partial);
      known.items += items;
    }
  }

  get count(): number {
    return this.#count;
  }

  columns(): ThinnedColumns {
    const rows = [...this.#minutes]
      .sort((a, b) => a[0] - b[0])
      .flatMap(([series, minutes]) =>
        [...minutes]
          .sort((a, b) => a[0] - b[0])
          .map(([start, { items, partial }]) => ({ series, start, items, partial })),
      );
    return {
      count: rows.length,
      series: Uint32Array.from(rows, (row) => row.series),
      start: Float64Array.from(rows, (row) => row.start),
      items: Float64Array.from(rows, (row) => row.items),
      partial: rows.map((row) => row.partial),
    };
  }
}

/**
 * Joins blobs into one; minutes of one series are merged.
 * @throws FoglineError as `decodeThinned`, `encodeThinned` and `ThinnedBuilder.add`.
 */
export function mergeThinned(blobs: readonly Uint8Array[]): Uint8Array {
  const builder = new ThinnedBuilder();
  for (const { count, series, start, items, partial } of blobs.map(decodeThinned)) {
    for (let row = 0; row < count; row++)
      builder.add(series[row] as number, start[row] as number, items[row] as number, partial[row] as Uint8Array);
  }
  return encodeThinned(builder.columns());
}
