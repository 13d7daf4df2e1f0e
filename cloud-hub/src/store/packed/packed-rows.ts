/**
 * Roll-up rows of one series and level as one block of columns. What is unpacked is what was packed, byte for byte: rows that do not
 * fit the columns are kept as they are. A block has no checksum of its own; who stores it adds one.
 *
 *   byte     version 1
 *   varint   rows, 1 … 4,096
 *   column   start / level of each row, ascending
 *   column   head of each partial, or 256: kept as it is
 *   byte     decimal places of the values, varint binary places
 *   varint   binary places of sums with zeros or both signs, varint of held integrals
 *   columns  of the rows that have them (rowColumns)
 *   varint   bytes of sketches and of partials kept as they are, then those, deflated
 *
 * "column": an integer column of the readings codec (shared/src/codec/FORMAT.md §3); sums are wide columns (columns.ts).
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Extents } from '@fogline/shared/aggregate/extents';
import { headHasHeld, headHasSketch, shapeOf, shapes, timeUnitOf } from '@fogline/shared/aggregate/partial-layout';
import { ByteReader, ByteWriter, corrupt } from '@fogline/shared/codec/byte-io';
import { FoglineError, invariant } from '@fogline/shared/errors';
import type { RollupRow } from '../read.ts';
import { readColumn, WideColumn, writeColumn, writeWideColumn } from './columns.ts';
import { bytesOf, hasSums, type PartialFields } from './partial-fields.ts';
import { type BlockGrid, type BlockPlan, emptyRow, type PlacedRow, type PlainRow, planBlock } from './plain-row.ts';
import { heldFrom, placesFrom, sumsFrom } from './sum-residuals.ts';
import { valueOn } from './value-grid.ts';

export const packedRowsMax = 4096;
const version = 1;
const headVerbatim = 256;
/** Sketches and odd partials of one block: 4,096 of the longest. */
const tailBytesMax = 4096 * 65_536;

const out = new ByteWriter(65_536);

const verifiedPerStep = 256;

/** As `packing`, in one go. */
export function packRows(rows: readonly RollupRow[], levelMs: number): Uint8Array {
  const steps = packing(rows, levelMs);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * Rows ascend by start, which is a multiple of `levelMs`; 1 … `packedRowsMax` of them. Every row was unpacked again and compared. Yields
 * where others may run, each time after a few milliseconds at most.
 */
export function* packing(rows: readonly RollupRow[], levelMs: number): Generator<void, Uint8Array> {
  const packed = writeBlock(yield* planBlock(rows, new Set()), rows, levelMs);
  const odd = yield* changed(rows, packed, levelMs);
  if (odd.size === 0) return packed;
  const again = writeBlock(yield* planBlock(rows, odd), rows, levelMs);
  invariant((yield* changed(rows, again, levelMs)).size === 0, 'rows that are kept as they are');
  return again;
}

/** Indices of the rows that do not come back as they were. */
function* changed(rows: readonly RollupRow[], packed: Uint8Array, levelMs: number): Generator<void, Set<number>> {
  const odd = new Set<number>();
  yield;
  const block = new PackedRows(packed, levelMs);
  for (let from = 0; from < rows.length; from += verifiedPerStep) {
    yield;
    const own = rows.slice(from, from + verifiedPerStep);
    const endMs = (own.at(-1)?.startMs ?? 0) + levelMs;
    const back = block.rows(own[0]?.startMs ?? 0, endMs);
    for (const [i, { startMs, partial }] of own.entries()) {
      const found = back[i];
      if (found?.startMs !== startMs || Buffer.compare(found.partial, partial) !== 0) odd.add(from + i);
    }
  }
  return odd;
}

function writeBlock({ grid, rows: planned }: BlockPlan, rows: readonly RollupRow[], levelMs: number): Uint8Array {
  invariant(rows.length > 0 && rows.length <= packedRowsMax, 'a block of rows within its limit');
  out.at = 0;
  out.u8(version);
  out.varint(rows.length);
  const starts = rows.map((row) => row.startMs / levelMs);
  invariant(starts.every(Number.isSafeInteger), 'starts on multiples of the level');
  writeColumn(out, starts);
  writeColumn(
    out,
    planned.map((row) => row?.head ?? headVerbatim),
  );
  out.u8(grid.values.scale);
  out.varint(grid.values.bits);
  out.varint(grid.crossingPlaces);
  out.varint(grid.heldPlaces);
  const plain = planned.filter((row) => row !== undefined);
  writeRowColumns(plain, grid);
  const odd = rows.flatMap((row, i) => (planned[i] === undefined ? [row.partial] : []));
  const sketches = plain.flatMap((row) =>
    hasSums(row.head, row.count) && headHasSketch(row.head) ? [row.sketch] : [],
  );
  for (const list of [sketches, odd]) {
    writeColumn(
      out,
      list.map((bytes) => bytes.length),
    );
  }
  const tail = Buffer.concat([...sketches, ...odd]);
  out.varint(tail.length);
  if (tail.length > 0) out.raw(deflateRawSync(tail, { level: 6 }));
  return out.bytes.slice(0, out.at);
}

function writeRowColumns(rows: readonly PlainRow[], grid: BlockGrid): void {
  const timed = rows.filter(({ head }) => shapeOf(head) !== shapes.empty);
  const several = timed.filter(({ head }) => shapeOf(head) !== shapes.single);
  const general = several.filter(({ head }) => shapeOf(head) === shapes.general);
  const summed = general.filter(({ count }) => count > 2);
  const held = rows.filter(({ head }) => headHasHeld(head));
  const column = (of: readonly PlainRow[], pick: (row: PlainRow) => number): void => writeColumn(out, of.map(pick));
  const wide = (of: readonly PlainRow[], pick: (row: PlainRow) => bigint): void => writeWideColumn(out, of.map(pick));
  column(timed, (row) => row.firstOffset);
  column(several, (row) => row.count);
  column(several, (row) => row.lastOffset);
  column(timed, (row) => row.last);
  column(general, (row) => row.first - row.lastBefore);
  column(general, (row) => Math.min(row.first, row.last) - row.min);
  column(general, (row) => row.max - Math.max(row.first, row.last));
  wide(summed, (row) => row.d1);
  wide(summed, (row) => row.d2);
  column(held, (row) => row.heldMs);
  wide(held, (row) => row.dh);
  if (grid.values.scale === 0) return;
  for (const name of ['k1', 'k2', 'k3'] as const) wide(summed, (row) => row[name]);
  wide(held, (row) => row.kh);
}

/** Rows with `fromMs ≤ start < toMs`. Throws `codec_corrupt`. */
export function unpackRows(bytes: Uint8Array, levelMs: number, fromMs: number, toMs: number): RollupRow[] {
  return new PackedRows(bytes, levelMs).rows(fromMs, toMs);
}

/** A block with its columns decoded; partials are made of those that are asked for. */
export class PackedRows {
  readonly #levelMs: number;
  /** In levels. */
  readonly #starts: Float64Array;
  readonly #columns: RowColumns;
  readonly #places: RowPlace[] = [];

  /** Throws `codec_corrupt`, `codec_version`. */
  constructor(bytes: Uint8Array, levelMs: number) {
    const from = new ByteReader(bytes, 0, bytes.length);
    const known = from.u8();
    if (known !== version) throw new FoglineError('codec_version', `packed rows: format ${known} is not known`);
    const count = from.bounded(packedRowsMax, 'rows');
    this.#levelMs = levelMs;
    this.#starts = readColumn(from, count);
    const heads = readColumn(from, count);
    const grid: BlockGrid = {
      values: { scale: from.bounded(14, 'decimal places'), bits: from.bounded(1000, 'binary places') },
      crossingPlaces: from.bounded(4096, 'places of sums'),
      heldPlaces: from.bounded(4096, 'places of integrals'),
    };
    this.#columns = new RowColumns(from, heads, grid);
    // Each column holds the rows that have it, so where a row stands is counted from the first.
    for (const head of heads) this.#places.push(this.#columns.next(head));
  }

  /** Rows with `fromMs ≤ start < toMs`. Throws `codec_corrupt`. */
  rows(fromMs: number, toMs: number): RollupRow[] {
    const rows: RollupRow[] = [];
    for (const [row, place] of this.#places.entries()) {
      const startMs = (this.#starts[row] as number) * this.#levelMs;
      if (startMs >= fromMs && startMs < toMs) rows.push({ startMs, partial: this.#columns.partialAt(place, startMs) });
    }
    return rows;
  }
}

/** Where a row stands in each group of columns. */
interface RowPlace {
  readonly head: number;
  readonly timed: number;
  readonly several: number;
  readonly general: number;
  readonly summed: number;
  readonly held: number;
  readonly sketch: number;
  readonly odd: number;
}

const noBytes = new Uint8Array(0);

class RowColumns {
  readonly #grid: BlockGrid;
  readonly #firstOffset: Float64Array;
  readonly #count: Float64Array;
  readonly #lastOffset: Float64Array;
  readonly #last: Float64Array;
  readonly #first: Float64Array;
  readonly #low: Float64Array;
  readonly #high: Float64Array;
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
  #place = { timed: -1, several: -1, general: -1, summed: -1, held: -1, sketch: -1, odd: -1 };

  constructor(from: ByteReader, heads: Float64Array, grid: BlockGrid) {
    this.#grid = grid;
    const plain = heads.filter((head) => head !== headVerbatim);
    const rowsOf = (test: (head: number) => boolean): number => plain.filter(test).length;
    const timed = rowsOf((head) => shapeOf(head) !== shapes.empty);
    const general = rowsOf((head) => shapeOf(head) === shapes.general);
    const several = general + rowsOf((head) => shapeOf(head) === shapes.uniform);
    const held = rowsOf(headHasHeld);
    this.#firstOffset = readColumn(from, timed);
    this.#count = readColumn(from, several);
    this.#lastOffset = readColumn(from, several);
    this.#last = readColumn(from, timed);
    this.#first = readColumn(from, general);
    this.#low = readColumn(from, general);
    this.#high = readColumn(from, general);
    let summed = 0;
    let sketches = 0;
    let at = 0;
    for (const head of plain) {
      if (shapeOf(head) < shapes.uniform) continue;
      if (!hasSums(head, this.#count[at++] as number)) continue;
      summed++;
      if (headHasSketch(head)) sketches++;
    }
    this.#d1 = new WideColumn(from, summed);
    this.#d2 = new WideColumn(from, summed);
    this.#heldMs = readColumn(from, held);
    this.#dh = new WideColumn(from, held);
    this.#k = grid.values.scale === 0 ? undefined : readRoundings(from, summed, held);
    const lengths = [...readColumn(from, sketches), ...readColumn(from, heads.length - plain.length)];
    this.#sketches = sketches;
    let end = 0;
    this.#ends = Float64Array.from(lengths, (length) => (end += length));
    this.#tail = readTail(from, end);
  }

  /** Moves on to the next row. */
  next(head: number): RowPlace {
    const place = this.#place;
    if (head === headVerbatim) {
      place.odd++;
      return { ...place, head };
    }
    const shape = shapeOf(head);
    if (shape !== shapes.empty) place.timed++;
    if (shape >= shapes.uniform) place.several++;
    if (shape === shapes.general) place.general++;
    if (shape === shapes.general && hasSums(head, this.#count[place.several] as number)) {
      place.summed++;
      if (headHasSketch(head)) place.sketch++;
    }
    if (headHasHeld(head)) place.held++;
    return { ...place, head };
  }

  partialAt(place: RowPlace, startMs: number): Uint8Array {
    const { head } = place;
    if (head === headVerbatim) return this.#bytesAt(this.#sketches + place.odd);
    const row = this.#gridRow(place);
    const { values } = this.#grid;
    const extents = new Extents();
    const unit = timeUnitOf(head);
    if (shapeOf(head) !== shapes.empty) {
      extents.firstTime = startMs + (this.#firstOffset[place.timed] as number) * unit;
      extents.lastTime =
        shapeOf(head) === shapes.single
          ? extents.firstTime
          : startMs + (this.#lastOffset[place.several] as number) * unit;
      extents.min = valueOn(values, row.min);
      extents.max = valueOn(values, row.max);
      extents.firstValue = valueOn(values, row.first);
      extents.lastValue = valueOn(values, row.last);
    }
    const isSummed = hasSums(head, row.count);
    return bytesOf({
      head,
      count: row.count,
      extents,
      sums: isSummed ? this.#sumsAt(place.summed, row) : undefined,
      held: headHasHeld(head) ? this.#heldAt(place, row) : undefined,
      sketch: isSummed && headHasSketch(head) ? this.#bytesAt(place.sketch) : noBytes,
    });
  }

  #gridRow({ head, timed, several, general }: RowPlace): PlacedRow {
    const shape = shapeOf(head);
    if (shape === shapes.empty) return emptyRow(timed < 0 ? 0 : (this.#last[timed] as number));
    const last = this.#last[timed] as number;
    const lastBefore = timed === 0 ? last : (this.#last[timed - 1] as number);
    const count = shape === shapes.single ? 1 : (this.#count[several] as number);
    if (shape !== shapes.general) return { count, min: last, max: last, first: last, last, lastBefore };
    const first = lastBefore + (this.#first[general] as number);
    const min = Math.min(first, last) - (this.#low[general] as number);
    const max = Math.max(first, last) + (this.#high[general] as number);
    return { count, min, max, first, last, lastBefore };
  }

  #sumsAt(summed: number, row: PlacedRow): PartialFields['sums'] {
    const { values, crossingPlaces } = this.#grid;
    const places =
      values.scale === 0
        ? values.bits
        : (placesFrom(valueOn(values, row.min), valueOn(values, row.max)) ?? crossingPlaces);
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

  #heldAt({ held }: RowPlace, row: PlacedRow): PartialFields['held'] {
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
