/** Which rows of a block fit its columns, and what the columns hold of them. */
import type { Extents } from '@fogline/shared/aggregate/extents';
import { shapeOf, shapes, timeUnitOf } from '@fogline/shared/aggregate/partial-layout';
import type { RollupRow } from '../read.ts';
import { fitsWide } from './columns.ts';
import { fieldsOf, type PartialFields } from './partial-fields.ts';
import {
  type GridRow,
  heldResidualsOf,
  integerIn,
  placesFrom,
  placesOf,
  residualsOf,
  type SumResiduals,
} from './sum-residuals.ts';
import { gridFor, integerOn, type ValueGrid } from './value-grid.ts';

export interface BlockGrid {
  readonly values: ValueGrid;
  /** Binary places of sums of rows with zeros or both signs, and of held integrals. */
  readonly crossingPlaces: number;
  readonly heldPlaces: number;
}

/** A row on the grid; `lastBefore` is the last value of the row before it that has readings, or its own. */
export interface PlacedRow extends GridRow {
  readonly lastBefore: number;
}

export interface PlainRow extends PlacedRow, SumResiduals {
  readonly head: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly heldMs: number;
  readonly dh: bigint;
  readonly kh: bigint;
  readonly sketch: Uint8Array;
}

/** Of what is written as it is, the columns know nothing. */
const columnMax = 2 ** 50;
const placesMax = 4096;
/** Head bit 7: a last time stored itself. */
const headFar = 0x80;

/** A row without readings: what was held is what was last seen. */
export function emptyRow(last: number): PlacedRow {
  return { count: 0, min: last, max: last, first: last, last, lastBefore: last };
}

const rowsPerStep = 128;

export interface BlockPlan {
  readonly grid: BlockGrid;
  /** Undefined: does not fit. */
  readonly rows: readonly (PlainRow | undefined)[];
}

/** `verbatim`: indices of rows that are not to fit. Yields where others may run. */
export function* planBlock(rows: readonly RollupRow[], verbatim: ReadonlySet<number>): Generator<void, BlockPlan> {
  const fields: PartialFields[] = [];
  for (const [i, row] of rows.entries()) {
    if (i % rowsPerStep === rowsPerStep - 1) yield;
    fields.push(fieldsOf(row.partial));
  }
  const grid = blockGrid(fields);
  const planned: (PlainRow | undefined)[] = [];
  let lastBefore: number | undefined;
  for (const [i, row] of rows.entries()) {
    if (i % rowsPerStep === 0) yield;
    const own = fields[i];
    const plain = own === undefined || verbatim.has(i) ? undefined : asRow(own, row.startMs, grid, lastBefore);
    if (plain !== undefined && shapeOf(plain.head) !== shapes.empty) lastBefore = plain.last;
    planned.push(plain);
  }
  return { grid, rows: planned };
}

function blockGrid(fields: readonly PartialFields[]): BlockGrid {
  const values = gridFor(fields.flatMap(valuesOf));
  const crossing: number[] = [];
  const held: number[] = [];
  for (const own of fields) {
    if (own.held !== undefined) held.push(placesOf(own.held.integral));
    if (own.sums === undefined || placesFrom(own.extents.min, own.extents.max) !== undefined) continue;
    crossing.push(placesOf(own.sums.sum), Math.ceil(placesOf(own.sums.sumSq) / 2));
  }
  const heldPlaces = greatest(held);
  return {
    values,
    crossingPlaces: greatest(crossing),
    heldPlaces: values.scale === 0 ? Math.max(values.bits, heldPlaces) : heldPlaces,
  };
}

function greatest(places: readonly number[]): number {
  return places.reduce((most, own) => (own <= placesMax && own > most ? own : most), 0);
}

function valuesOf({ head, extents }: PartialFields): number[] {
  const { min, max, firstValue, lastValue } = extents;
  return shapeOf(head) === shapes.empty ? [] : [min, max, firstValue, lastValue];
}

/** Undefined where it does not fit the columns. */
function asRow(
  fields: PartialFields,
  startMs: number,
  grid: BlockGrid,
  lastBefore: number | undefined,
): PlainRow | undefined {
  const { head, count, extents, sketch } = fields;
  const placed = placedRow(fields, grid.values, lastBefore);
  if (placed === undefined || (head & headFar) !== 0 || count > columnMax) return undefined;
  const [firstOffset, lastOffset] = offsetsOf(head, extents, startMs);
  if (Math.abs(firstOffset) > columnMax || Math.abs(lastOffset) > columnMax) return undefined;
  if (!Number.isInteger(firstOffset) || !Number.isInteger(lastOffset)) return undefined;
  const sums = sumResiduals(fields, grid, placed);
  const held = heldResiduals(fields, grid, placed.last);
  if (sums === undefined || held === undefined) return undefined;
  return { ...placed, ...sums, ...held, head, firstOffset, lastOffset, sketch };
}

function placedRow(
  { head, count, extents }: PartialFields,
  grid: ValueGrid,
  lastBefore: number | undefined,
): PlacedRow | undefined {
  if (shapeOf(head) === shapes.empty) return emptyRow(lastBefore ?? 0);
  const min = integerOn(grid, extents.min);
  const max = integerOn(grid, extents.max);
  const first = integerOn(grid, extents.firstValue);
  const last = integerOn(grid, extents.lastValue);
  if (Number.isNaN(min + max + first + last)) return undefined;
  return { count, min, max, first, last, lastBefore: lastBefore ?? last };
}

function offsetsOf(head: number, { firstTime, lastTime }: Extents, startMs: number): [first: number, last: number] {
  if (shapeOf(head) === shapes.empty) return [0, 0];
  const unit = timeUnitOf(head);
  return [(firstTime - startMs) / unit, (lastTime - startMs) / unit];
}

const noSums: SumResiduals = { d1: 0n, d2: 0n, k1: 0n, k2: 0n, k3: 0n };

function sumResiduals({ sums, extents }: PartialFields, grid: BlockGrid, row: GridRow): SumResiduals | undefined {
  if (sums === undefined) return noSums;
  const { values, crossingPlaces } = grid;
  const places = values.scale === 0 ? values.bits : (placesFrom(extents.min, extents.max) ?? crossingPlaces);
  const sum = integerIn(sums.sum, places);
  const sumSq = integerIn(sums.sumSq, 2 * places);
  if (sum === undefined || sumSq === undefined) return undefined;
  const residuals = residualsOf(sum, sumSq, places, values, row);
  const all = [residuals.d1, residuals.d2, residuals.k1, residuals.k2, residuals.k3];
  return all.every(fitsWide) ? residuals : undefined;
}

function heldResiduals(
  { held }: PartialFields,
  { values, heldPlaces }: BlockGrid,
  last: number,
): Pick<PlainRow, 'heldMs' | 'dh' | 'kh'> | undefined {
  if (held === undefined) return { heldMs: 0, dh: 0n, kh: 0n };
  const integral = integerIn(held.integral, heldPlaces);
  if (integral === undefined || held.durationMs > columnMax) return undefined;
  const about = BigInt(held.durationMs) * BigInt(last);
  const { dh, kh } = heldResidualsOf(integral, heldPlaces, values, about);
  return fitsWide(dh) && fitsWide(kh) ? { heldMs: held.durationMs, dh, kh } : undefined;
}
