/**
 * The encoder of value-block.ts: decimals where the values are decimals, else the smallest of the kinds for doubles; then a
 * dictionary or a grid where they promise, and are, less.
 */
import { invariant } from '../errors.ts';
import { blockRowsMax } from './bit-pack.ts';
import { type BlockSeries, encodeBySeries, hasSeries } from './by-series.ts';
import { type ByteWriter, keepSmaller } from './byte-io.ts';
import {
  chooseExponent,
  powersOfTen,
  rounder,
  type Scaled,
  scaleDecimals,
  widerExponent,
  writeExceptions,
} from './decimal.ts';
import { collectDistinct, distinctIndices, distinctValues, looksRepetitive } from './dictionary.ts';
import { boundsOf } from './double-order.ts';
import { findGrid, type Grid, gridMisses, gridSteps } from './grid.ts';
import { encodeIntegers, encodeIntegersWithin, encodeNoise } from './integer-encode.ts';
import { denseBitsOf } from './integer-plan.ts';
import { encodeQuickDecimals } from './quick-decimals.ts';
import { encodeSplit } from './split.ts';
import { boundedRowsMin, bySeriesBit, exceptionsBit, kinds, oneSeries, ticksBit } from './value-block.ts';
import { encodeXor } from './xor.ts';

const scaled = new Float64Array(blockRowsMax);
const attempt = new Float64Array(blockRowsMax);

/** Appends values[0 … count), 1 ≤ count ≤ 4,096. */
export function encodeValues(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
): void {
  encodeBlock(out, values, count, series, dense, false);
}

function encodeBlock(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  isTable: boolean,
): void {
  const exponent = chooseExponent(values, count, false);
  if (!dense && !isTable && !hasSeries(series, count)) {
    const from = out.at;
    if (encodeQuickDecimals(out, values, count, exponent)) {
      // A dictionary costs more time than all of this: only for what it makes much smaller.
      if ((out.at - from) * 8 > count * 9 + 64 && looksRepetitive(values, count, 0.75)) {
        keepSmaller(out, from, () => encodeDictionary(out, values, count, dense));
      }
      return;
    }
  }
  // A grid is coarser than the rounding that hides it: few digits hide none.
  const grid =
    dense && !isTable && (exponent < 0 || exponent >= gridPlacesMin) ? findGrid(values, count, exponent) : undefined;
  if (grid === undefined) {
    encodePlain(out, values, count, series, dense, isTable, exponent);
    return;
  }
  const from = out.at;
  encodeGrid(out, values, count, series, grid);
  if (grid.isClear && count >= clearGridRowsMin) return;
  keepSmaller(out, from, () => encodePlain(out, values, count, series, dense, isTable, exponent));
}

const gridPlacesMin = 4;
/** From this many rows a clear grid is taken unasked: its head costs little then, and trying the rest much. */
const clearGridRowsMin = 512;

/** Every kind but the grid. */
function encodePlain(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  isTable: boolean,
  exponent: number,
): void {
  const from = out.at;
  const isRepetitive = !isTable && looksRepetitive(values, count, 0.25);
  if (dense && isRepetitive && encodeClearDictionary(out, values, count, exponent)) return;
  encodeNumbers(out, values, count, series, dense, exponent);
  // Indices of a dictionary that is worth one take nine bits, or what entropy coding makes of them.
  const bits = (out.at - from) * 8;
  const isPromising = isRepetitive
    ? bits > count * (dense ? 6 : 9) + 64
    : bits > count * repeatedBitsMin && !isTable && looksRepetitive(values, count, 0.03);
  if (isPromising) keepSmaller(out, from, () => encodeDictionary(out, values, count, dense));
}

/** Values that take so many bits are worth a dictionary that most of them use but twice. */
const repeatedBitsMin = 32;

/**
 * Appends a dictionary of the few values of a wide range, if it takes less than they are expected to take as numbers of their own: those
 * need not be tried then. False, and nothing, otherwise.
 */
function encodeClearDictionary(out: ByteWriter, values: Float64Array, count: number, exponent: number): boolean {
  if (exponent < 0) return false;
  let lowest = Infinity;
  let highest = -Infinity;
  for (let i = 0; i < count; i += 16) {
    lowest = Math.min(lowest, values[i] as number);
    highest = Math.max(highest, values[i] as number);
  }
  if (!((highest - lowest) * (powersOfTen[exponent] as number) > clearRangeMin)) return false;
  const { min, max, exceptions } = scaleDecimals(values, count, exponent, false, scaled);
  if (exceptions > 0) return false;
  const bits = denseBitsOf(scaled, count, min, max) * count;
  const from = out.at;
  encodeDictionary(out, values, count, true);
  if (out.at > from && (out.at - from) * 8 < bits) return true;
  out.at = from;
  return false;
}

/** Below this a value's own bits are about as few as those of its index. */
const clearRangeMin = 2 ** 12;

/** Decimals where the values are decimals, else the smallest of the kinds for doubles. */
function encodeNumbers(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  exponent: number,
): void {
  const from = out.at;
  const exceptions =
    encodeDecimals(out, values, count, series, dense, exponent, false) ??
    encodeSingles(out, values, count, series, dense);
  if (exceptions === undefined || exceptions * 16 > count) encodeDoubles(out, values, count, dense, from);
}

function encodeGrid(out: ByteWriter, values: Float64Array, count: number, series: BlockSeries, grid: Grid): void {
  const headAt = out.at;
  out.u8(kinds.grid | (grid.exceptions > 0 ? exceptionsBit : 0));
  out.u8(grid.form);
  out.f64(grid.origin);
  out.f64(grid.step);
  out.f64(grid.min);
  out.f64(grid.max);
  out.varint(grid.top);
  if (grid.exceptions > 0) writeExceptions(out, values, grid.exceptions);
  if (grid.top > 0) writeIntegers(out, headAt, gridSteps, count, 0, grid.top, series, true);
  encodeNoise(out, gridMisses, count, true);
}

function encodeSingles(out: ByteWriter, values: Float64Array, count: number, series: BlockSeries, dense: boolean) {
  const middle = values[count >>> 1] as number;
  if (Math.fround(middle) !== middle) return undefined;
  return encodeDecimals(out, values, count, series, dense, chooseExponent(values, count, true), true);
}

/** Appends the values as decimals and gives the number of exceptions; undefined (nothing appended) when they are none. */
function encodeDecimals(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  chosen: number,
  single: boolean,
): number | undefined {
  let exponent = chosen;
  if (exponent < 0) return undefined;
  let fit = scaleDecimals(values, count, exponent, single, scaled);
  if (fit.exceptions * 64 > count) {
    const wider = widerExponent(values, fit.exceptions, single);
    if (wider > exponent) {
      const other = scaleDecimals(values, count, wider, single, attempt);
      if (other.exceptions * 76 + count * (wider - exponent) * 3.3 < fit.exceptions * 76) exponent = wider;
      fit = scaleDecimals(values, count, exponent, single, scaled);
    }
  }
  if (fit.exceptions * 4 > count) return undefined;
  writeDecimals(out, values, count, series, dense, single, exponent, fit);
  return fit.exceptions;
}

function writeDecimals(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  single: boolean,
  exponent: number,
  fit: Scaled,
): void {
  const { min, max, exceptions } = fit;
  const headAt = out.at;
  const head = (single ? kinds.single : kinds.decimal) | (exceptions > 0 ? exceptionsBit : 0);
  out.u8(head);
  out.u8(exponent);
  out.svarint(min);
  out.varint(max - min);
  const tick = dense && max > min ? commonTick(count, min, max) : 1;
  if (tick > 1) {
    out.bytes[headAt] = head | ticksBit;
    out.varint(tick);
  }
  if (exceptions > 0) writeExceptions(out, values, exceptions);
  if (max === min) return;
  if (tick === 1) {
    writeIntegers(out, headAt, scaled, count, min, max, series, dense);
    return;
  }
  for (let i = 0; i < count; i++) scaled[i] = ((scaled[i] as number) - min) / tick;
  writeIntegers(out, headAt, scaled, count, 0, (max - min) / tick, series, dense);
}

/** Greatest common divisor of all `scaled` − min. */
function commonTick(count: number, min: number, max: number): number {
  const x = scaled;
  let tick = max - min;
  let perTick = 1 / tick;
  for (let i = 0; i < count && tick > 1; i++) {
    const own = (x[i] as number) - min;
    // A product tells multiples of the tick so far; a division, which is slow, is left for what is none.
    if ((own * perTick + rounder - rounder) * tick === own) continue;
    let rest = own % tick;
    while (rest > 0) [tick, rest] = [rest, tick % rest];
    perTick = 1 / tick;
  }
  return tick;
}

/** Appends x − min, by series where that is smaller, which it notes in the head of the block. */
function writeIntegers(
  out: ByteWriter,
  headAt: number,
  x: Float64Array,
  count: number,
  min: number,
  max: number,
  series: BlockSeries,
  dense: boolean,
): void {
  const from = out.at;
  encodeIntegersWithin(out, x, count, min, max, min, dense);
  if (!hasSeries(series, count)) return;
  const isBySeries = keepSmaller(out, from, () => encodeBySeries(out, x, count, series, min, dense));
  if (isBySeries) out.bytes[headAt] = (out.bytes[headAt] as number) | bySeriesBit;
}

/** Appends the smallest of the kinds for doubles, unless what was appended since `from` is smaller. */
function encodeDoubles(out: ByteWriter, values: Float64Array, count: number, dense: boolean, from: number): void {
  for (let i = 0; i < count; i++) invariant(Number.isFinite(values[i]), 'readings: values are finite');
  const { min, max } = boundsOf(values, count, undefined);
  if (Object.is(min, max)) {
    out.at = from;
    out.u8(kinds.constant);
    out.f64(min);
    return;
  }
  const head = (kind: number) => {
    out.u8(kind);
    if (count < boundedRowsMin) return;
    out.f64(min);
    out.f64(max);
  };
  keepSmaller(out, from, () => {
    head(kinds.split);
    encodeSplit(out, values, count, dense);
  });
  // XOR lives on values that return; a try costs as much as all the rest.
  if (dense || count < xorRowsMin || looksRepetitive(values, count, 0.25)) {
    keepSmaller(out, from, () => {
      head(kinds.xor);
      encodeXor(out, values, count);
    });
  }
  if (out.at - from < rawBytes(count)) return;
  keepSmaller(out, from, () => {
    head(kinds.raw);
    for (let i = 0; i < count; i++) out.f64(values[i] as number);
  });
}

/** Fewer rows are tried as XOR in fast mode too. */
const xorRowsMin = 64;

/** Bytes of a block of kind raw. */
function rawBytes(count: number): number {
  return 1 + (count < boundedRowsMin ? 0 : 16) + 8 * count;
}

/** Appends nothing when there are too many distinct values. */
function encodeDictionary(out: ByteWriter, values: Float64Array, count: number, dense: boolean): void {
  const entries = collectDistinct(values, count);
  if (entries < 2) return;
  out.u8(kinds.dictionary);
  out.varint(entries);
  encodeBlock(out, distinctValues, entries, oneSeries, dense, true);
  encodeIntegers(out, distinctIndices, count, dense);
}
