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
import { deflateRawSync } from 'node:zlib';
import { Extents } from '@fogline/shared/aggregate/extents';
import { headHasHeld, headHasSketch, headHasSums, shapeOf, shapes } from '@fogline/shared/aggregate/partial-layout';
import { Spread } from '@fogline/shared/aggregate/spread';
import { ByteReader, ByteWriter } from '@fogline/shared/codec/byte-io';
import { FoglineError, invariant } from '@fogline/shared/errors';
import type { RollupRow, SpreadRow, SpreadsAsked } from '../read.ts';
import { readColumn, writeColumn, writeWideColumn } from './columns.ts';
import { ExtentColumns, headVerbatim, type RowPlace } from './extent-columns.ts';
import { bytesOf } from './partial-fields.ts';
import { type BlockGrid, type BlockPlan, type PlainRow, planBlock } from './plain-row.ts';
import { SumColumns } from './sum-columns.ts';

export const packedRowsMax = 4096;
const version = 1;

const out = new ByteWriter(65_536);
const noBytes = new Uint8Array(0);

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
    headHasSums(row.head, row.count) && headHasSketch(row.head) ? [row.sketch] : [],
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
  const summed = general.filter(({ head, count }) => headHasSums(head, count));
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

/** A block with its columns decoded, those of sums when they are first asked for; partials are made of rows that are asked for. */
export class PackedRows {
  readonly #levelMs: number;
  /** In levels. */
  readonly #starts: Float64Array;
  readonly #grid: BlockGrid;
  readonly #extents: ExtentColumns;
  #known: readonly RowPlace[] | undefined;
  /** What follows the extents. */
  readonly #rest: ByteReader;
  #columns: SumColumns | undefined;

  /** Throws `codec_corrupt`, `codec_version`. */
  constructor(bytes: Uint8Array, levelMs: number) {
    const from = new ByteReader(bytes, 0, bytes.length);
    const known = from.u8();
    if (known !== version) throw new FoglineError('codec_version', `packed rows: format ${known} is not known`);
    const count = from.bounded(packedRowsMax, 'rows');
    this.#levelMs = levelMs;
    this.#starts = readColumn(from, count);
    const heads = readColumn(from, count);
    this.#grid = {
      values: { scale: from.bounded(14, 'decimal places'), bits: from.bounded(1000, 'binary places') },
      crossingPlaces: from.bounded(4096, 'places of sums'),
      heldPlaces: from.bounded(4096, 'places of integrals'),
    };
    this.#extents = new ExtentColumns(from, heads, this.#grid.values);
    this.#rest = from;
  }

  /** Rows with `fromMs ≤ start < toMs`. Throws `codec_corrupt`. */
  rows(fromMs: number, toMs: number): RollupRow[] {
    return this.#within(fromMs, toMs, (place, startMs) => ({ startMs, partial: this.#partialAt(place, startMs) }));
  }

  /** What most questions need of the same rows. */
  spreads(fromMs: number, toMs: number, { hasSum, stepMs }: SpreadsAsked): SpreadRow[] {
    if (hasSum)
      return this.#within(fromMs, toMs, (place, startMs) => ({
        startMs,
        spread: this.#spreadAt(place, startMs),
        rows: 1,
      }));
    const asked = { levelMs: this.#levelMs, fromMs, toMs, stepMs };
    return this.#extents.spreads(this.#starts, asked, (odd) => Spread.of(this.#sums().verbatimAt({ odd })));
  }

  get #places(): readonly RowPlace[] {
    this.#known ??= [...this.#extents.places()];
    return this.#known;
  }

  #within<Row>(fromMs: number, toMs: number, rowAt: (place: RowPlace, startMs: number) => Row): Row[] {
    const rows: Row[] = [];
    for (const [row, place] of this.#places.entries()) {
      const startMs = (this.#starts[row] as number) * this.#levelMs;
      if (startMs >= fromMs && startMs < toMs) rows.push(rowAt(place, startMs));
    }
    return rows;
  }

  #sums(): SumColumns {
    this.#columns ??= new SumColumns(this.#rest, this.#places.at(-1), this.#grid);
    return this.#columns;
  }

  #spreadAt(place: RowPlace, startMs: number): Spread {
    const { head } = place;
    if (head === headVerbatim) return Spread.of(this.#sums().verbatimAt(place), true);
    const spread = new Spread();
    const row = this.#extents.rowAt(place);
    spread.count = row.count;
    this.#extents.readInto(spread, place, row, startMs);
    if (row.count === 0) return spread;
    if (headHasSums(head, row.count)) spread.sum = this.#sums().sumAt(place, row);
    else spread.deriveSum();
    return spread;
  }

  #partialAt(place: RowPlace, startMs: number): Uint8Array {
    const { head } = place;
    const columns = this.#sums();
    if (head === headVerbatim) return columns.verbatimAt(place);
    const row = this.#extents.rowAt(place);
    const extents = new Extents();
    this.#extents.readInto(extents, place, row, startMs);
    const isSummed = headHasSums(head, row.count);
    return bytesOf({
      head,
      count: row.count,
      extents,
      sums: isSummed ? columns.sumsAt(place, row) : undefined,
      held: headHasHeld(head) ? columns.heldAt(place, row) : undefined,
      sketch: isSummed && headHasSketch(head) ? columns.sketchAt(place) : noBytes,
    });
  }
}
