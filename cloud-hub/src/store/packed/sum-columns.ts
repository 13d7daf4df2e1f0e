/** The columns of a block that follow those of its extents: sums, held integrals, sketches, and partials kept as they are. */
import { inflateRawSync } from 'node:zlib';
import type { Dyadic } from '@fogline/shared/aggregate/dyadic';
import { type ByteReader, corrupt } from '@fogline/shared/codec/byte-io';
import { readColumn, WideColumn } from './columns.ts';
import type { RowPlace } from './extent-columns.ts';
import type { PartialFields } from './partial-fields.ts';
import type { BlockGrid, PlacedRow } from './plain-row.ts';
import { heldFrom, placesFrom, sumFrom, sumsFrom } from './sum-residuals.ts';
import { valueOn } from './value-grid.ts';

/** Sketches and odd partials of one block: 4,096 of the longest. */
const tailBytesMax = 4096 * 65_536;
const noBytes = new Uint8Array(0);

export class SumColumns {
  readonly #grid: BlockGrid;
  readonly #d1: WideColumn;
  readonly #d2: WideColumn;
  readonly #heldMs: Float64Array;
  readonly #dh: WideColumn;
  readonly #k:
    | { readonly k1: WideColumn; readonly k2: WideColumn; readonly k3: WideColumn; readonly kh: WideColumn }
    | undefined;
  /** Sketches, then partials kept as they are: end of each in the tail. */
  readonly #ends: Float64Array;
  readonly #sketches: number;
  readonly #tail: Uint8Array;

  /** `last`: where the last row of the block stands; undefined where it has none. Throws `codec_corrupt`. */
  constructor(from: ByteReader, last: RowPlace | undefined, grid: BlockGrid) {
    this.#grid = grid;
    const summed = (last?.summed ?? -1) + 1;
    const held = (last?.held ?? -1) + 1;
    const sketches = (last?.sketch ?? -1) + 1;
    const odd = (last?.odd ?? -1) + 1;
    this.#d1 = new WideColumn(from, summed);
    this.#d2 = new WideColumn(from, summed);
    this.#heldMs = readColumn(from, held);
    this.#dh = new WideColumn(from, held);
    this.#k = grid.values.scale === 0 ? undefined : readRoundings(from, summed, held);
    const lengths = [...readColumn(from, sketches), ...readColumn(from, odd)];
    this.#sketches = sketches;
    let end = 0;
    this.#ends = Float64Array.from(lengths, (length) => (end += length));
    this.#tail = readTail(from, end);
  }

  verbatimAt({ odd }: Pick<RowPlace, 'odd'>): Uint8Array {
    return this.#bytesAt(this.#sketches + odd);
  }

  sketchAt({ sketch }: RowPlace): Uint8Array {
    return this.#bytesAt(sketch);
  }

  /** The sum alone. */
  sumAt({ summed }: RowPlace, row: PlacedRow): Dyadic {
    const places = this.#placesOf(row);
    const [d1, k1] = [this.#d1.at(summed), this.#k?.k1.at(summed) ?? 0n];
    return { mantissa: sumFrom({ d1, k1 }, places, this.#grid.values, row).sum, exponent: -places };
  }

  /** Binary places of the sum of a row. */
  #placesOf({ min, max }: PlacedRow): number {
    const { values, crossingPlaces } = this.#grid;
    if (values.scale === 0) return values.bits;
    return placesFrom(valueOn(values, min), valueOn(values, max)) ?? crossingPlaces;
  }

  sumsAt({ summed }: RowPlace, row: PlacedRow): PartialFields['sums'] {
    const { values } = this.#grid;
    const places = this.#placesOf(row);
    const residuals = {
      d1: this.#d1.at(summed),
      d2: this.#d2.at(summed),
      k1: this.#k?.k1.at(summed) ?? 0n,
      k2: this.#k?.k2.at(summed) ?? 0n,
      k3: this.#k?.k3.at(summed) ?? 0n,
    };
    const { sum, sumSq } = sumsFrom(residuals, places, values, row);
    return { sum: { mantissa: sum, exponent: -places }, sumSq: { mantissa: sumSq, exponent: -2 * places } };
  }

  heldAt({ held }: RowPlace, row: PlacedRow): PartialFields['held'] {
    const { values, heldPlaces } = this.#grid;
    const durationMs = this.#heldMs[held] as number;
    const about = BigInt(durationMs) * BigInt(row.last);
    const integral = heldFrom(this.#dh.at(held), this.#k?.kh.at(held) ?? 0n, heldPlaces, values, about);
    return { durationMs, integral: { mantissa: integral, exponent: -heldPlaces } };
  }

  #bytesAt(index: number): Uint8Array {
    return this.#tail.slice(index === 0 ? 0 : this.#ends[index - 1], this.#ends[index]);
  }
}

function readRoundings(from: ByteReader, summed: number, held: number) {
  const [k1, k2, k3] = [summed, summed, summed].map((rows) => new WideColumn(from, rows)) as [
    WideColumn,
    WideColumn,
    WideColumn,
  ];
  return { k1, k2, k3, kh: new WideColumn(from, held) };
}

function readTail(from: ByteReader, expected: number): Uint8Array {
  const length = from.bounded(tailBytesMax, 'bytes of sketches');
  if (length !== expected) corrupt('lengths do not add up');
  if (length === 0) return noBytes;
  const tail = inflateRawSync(from.take(from.left()), { maxOutputLength: length });
  if (tail.length !== length) corrupt('sketches inflate to another length');
  return tail;
}
