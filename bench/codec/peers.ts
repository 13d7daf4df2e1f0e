/**
 * The codec and its peers behind one shape: a block of 1,000 readings in, bytes out, and back. Every peer gets its input in
 * the form it likes best (msgpackr: plain arrays, made before the clock runs).
 */
import { deflateRawSync, inflateRawSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { type CodecMode, decodeReadings, encodeReadings } from '@fogline/shared/codec/readings';
import type { ReadingColumns } from '@fogline/shared/reading';
import { pack, unpack } from 'msgpackr';
import { decodeGorilla, encodeGorilla, type GorillaBlock } from './gorilla.ts';

export interface Plain {
  readonly series: number[];
  readonly time: number[];
  readonly value: number[];
  readonly flags: number[];
}

/** One block in every form. */
export interface Block {
  readonly columns: ReadingColumns;
  readonly plain: Plain;
}

export interface Peer<Encoded> {
  readonly name: string;
  encode(block: Block): Encoded;
  /** Something of the result, so that no decoding is optimised away. */
  decode(encoded: Encoded): number;
  /** Bits that the values take. */
  valueBits(encoded: Encoded, block: Block): number;
}

export function blockOf(value: Float64Array, time: Float64Array): Block {
  const count = value.length;
  const columns = {
    count,
    series: new Uint32Array(count).fill(1),
    time,
    value,
    flags: new Uint8Array(count),
    strings: [],
  };
  const { series, flags } = columns;
  return { columns, plain: { series: [...series], time: [...time], value: [...value], flags: [...flags] } };
}

const bitsOf = (bytes: Uint8Array): number => bytes.length * 8;

function codecPeer(mode: CodecMode): Peer<Uint8Array> {
  return {
    name: mode,
    encode: ({ columns }) => encodeReadings(columns, mode),
    decode: (bytes) => decodeReadings(bytes).value[7] as number,
    valueBits: bitsOf,
  };
}

const gorilla: Peer<GorillaBlock> = {
  name: 'gorilla',
  encode: ({ columns }) => encodeGorilla(columns.time, columns.value),
  decode: (block) => decodeGorilla(block).value[7] as number,
  valueBits: ({ valueBits }) => valueBits,
};

const deflate6: Peer<Uint8Array> = {
  name: 'deflate6',
  encode: ({ columns: { value } }) =>
    deflateRawSync(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), { level: 6 }),
  decode: (bytes) => inflateRawSync(bytes)[7] as number,
  valueBits: bitsOf,
};

const msgpackr: Peer<Uint8Array> = {
  name: 'msgpackr',
  encode: ({ plain }) => pack(plain),
  decode: (bytes) => (unpack(bytes) as Plain).value[7] as number,
  valueBits: (_, { plain }) => bitsOf(pack(plain.value)),
};

const msgpackrZstd: Peer<Uint8Array> = {
  name: 'msgpackrZstd',
  encode: ({ plain }) => zstdCompressSync(pack(plain)),
  decode: (bytes) => (unpack(zstdDecompressSync(bytes)) as Plain).value[7] as number,
  valueBits: (_, { plain }) => bitsOf(zstdCompressSync(pack(plain.value))),
};

const float64Copy: Peer<Float64Array> = {
  name: 'float64Copy',
  encode: ({ columns }) => columns.value.slice(),
  decode: (copy) => copy.slice()[7] as number,
  valueBits: (copy) => copy.byteLength * 8,
};

export const peers: readonly Peer<unknown>[] = [
  codecPeer('fast'),
  codecPeer('dense'),
  gorilla,
  deflate6,
  msgpackr,
  msgpackrZstd,
  float64Copy,
] as readonly Peer<unknown>[];
