/**
 * A block of up to 4,096 float64 values, bit for bit, as the smallest of several kinds. Layout, for count ≥ 1:
 *
 *   byte  bits 0-2 kind, bit 3 exceptions, bit 4 by series, bit 5 ticks
 *   kind  0 decimal     v = d / 10^e; byte e, svarint min d, varint max d − min d, [varint tick ≥ 2], [exceptions], and
 *                       where max > min the integers (d − min d) / tick
 *         1 single      v = fround(d / 10^e); the same
 *         2 dictionary  varint entries, a value block of them (not a dictionary), integer column of indices
 *         3 split       [bounds], split.ts
 *         4 xor         [bounds], xor.ts
 *         5 raw         [bounds], float64 each
 *         6 constant    float64
 *         7 grid        v = form(origin + k · step, miss), grid.ts; byte form, float64 origin, float64 step > 0, bounds
 *                       (always), varint max k, [exceptions], where max k > 0 the integers k, integer column of misses
 *   exceptions          varint number, then (varint gap, float64) each: row = row before + gap, the first from −1
 *   bounds              float64 min, float64 max, where count ≥ 64
 *   integers            by series: integer column of the first value of each series, integer column of the differences
 *                       within the series; otherwise one integer column
 *
 * Smallest and largest value of a block are read from its head, without its rows. Order is IEEE's with −0 < +0.
 * Only finite values exist: the encoder asserts it, the decoder refuses others.
 */
import { invariant } from '../errors.ts';
import { blockRowsMax } from './bit-pack.ts';
import { type BlockSeries, decodeBySeries, encodeBySeries, hasSeries } from './by-series.ts';
import { type ByteReader, type ByteWriter, corrupt, integerMax, keepSmaller } from './byte-io.ts';
import {
  chooseExponent,
  exceptionRows,
  exponentMax,
  powersOfTen,
  type Scaled,
  scaleDecimals,
  widerExponent,
} from './decimal.ts';
import { collectDistinct, compareDoubles, distinctIndices, distinctMax, distinctValues, looksRepetitive } from './dictionary.ts';
import { applyForm, findGrid, type Grid, gridMisses, gridSteps, isForm } from './grid.ts';
import { decodeIntegers, decodeScaled, encodeIntegers, encodeIntegersWithin } from './integer-column.ts';
import { decodeSplit, encodeSplit } from './split.ts';
import { decodeXor, encodeXor } from './xor.ts';

const kinds = { decimal: 0, single: 1, dictionary: 2, split: 3, xor: 4, raw: 5, constant: 6, grid: 7 } as const;
const exceptionsBit = 0x08;
const bySeriesBit = 0x10;
const ticksBit = 0x20;
const boundedRowsMin = 64;

export interface ValueBounds {
  readonly min: number;
  readonly max: number;
}

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
  const from = out.at;
  const exceptions = encodeDecimals(out, values, count, series, dense, false) ?? encodeSingles(out, values, count, series, dense);
  const isDecimal = exceptions !== undefined && exceptions * 16 <= count;
  if (!isDecimal) encodeDoubles(out, values, count, dense, from);
  const bits = (out.at - from) * 8;
  // Indices of a dictionary that is worth one take nine bits, or what entropy coding makes of them.
  if (bits > count * (dense ? 6 : 9) + 64 && looksRepetitive(values, count)) {
    keepSmaller(out, from, () => encodeDictionary(out, values, count, dense));
  }
  // A grid is coarser than the rounding that hides it: fewer digits or bits hide none.
  const places = isDecimal ? decimalPlaces : -1;
  if (!dense || bits <= count * 8 || (places >= 0 && places < gridPlacesMin)) return;
  const grid = findGrid(values, count, places);
  if (grid !== undefined) keepSmaller(out, from, () => encodeGrid(out, values, count, series, grid));
}

const gridPlacesMin = 4;
/** Decimal places of the last block that was tried as decimals of doubles; −1 when it had none. */
let decimalPlaces = -1;

function encodeGrid(out: ByteWriter, values: Float64Array, count: number, series: BlockSeries, grid: Grid): void {
  const headAt = out.at;
  out.u8(kinds.grid | (grid.exceptions > 0 ? exceptionsBit : 0));
  out.u8(grid.form);
  out.f64(grid.origin);
  out.f64(grid.step);
  const { min, max } = boundsOf(values, count, undefined);
  out.f64(min);
  out.f64(max);
  out.varint(grid.top);
  if (grid.exceptions > 0) writeExceptions(out, values, grid.exceptions);
  if (grid.top > 0) writeIntegers(out, headAt, gridSteps, count, 0, grid.top, series, true);
  encodeIntegers(out, gridMisses, count, true);
}

function encodeSingles(out: ByteWriter, values: Float64Array, count: number, series: BlockSeries, dense: boolean) {
  const middle = values[count >>> 1] as number;
  return Math.fround(middle) === middle ? encodeDecimals(out, values, count, series, dense, true) : undefined;
}

/** Appends the values as decimals and gives the number of exceptions; undefined (nothing appended) when they are none. */
function encodeDecimals(
  out: ByteWriter,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  dense: boolean,
  single: boolean,
): number | undefined {
  let exponent = chooseExponent(values, count, single);
  decimalPlaces = single ? -1 : exponent;
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
  if (!single) decimalPlaces = exponent;
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
  let tick = max - min;
  for (let i = 0; i < count && tick > 1; i++) {
    let rest = (scaled[i] as number) - min;
    while (rest > 0) [tick, rest] = [rest, tick % rest];
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

function writeExceptions(out: ByteWriter, values: Float64Array, exceptions: number): void {
  out.varint(exceptions);
  let before = -1;
  for (let i = 0; i < exceptions; i++) {
    const row = exceptionRows[i] as number;
    const value = values[row] as number;
    invariant(Number.isFinite(value), 'readings: values are finite');
    out.varint(row - before);
    out.f64(value);
    before = row;
  }
}

/** Appends the smallest of the kinds for doubles, unless what was appended since `from` is smaller. */
function encodeDoubles(out: ByteWriter, values: Float64Array, count: number, dense: boolean, from: number): void {
  let min = values[0] as number;
  let max = min;
  for (let i = 0; i < count; i++) {
    const own = values[i] as number;
    invariant(Number.isFinite(own), 'readings: values are finite');
    if (compareDoubles(own, min) < 0) min = own;
    if (compareDoubles(own, max) > 0) max = own;
  }
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
    head(kinds.raw);
    for (let i = 0; i < count; i++) out.f64(values[i] as number);
  });
  keepSmaller(out, from, () => {
    head(kinds.split);
    encodeSplit(out, values, count, dense);
  });
  keepSmaller(out, from, () => {
    head(kinds.xor);
    encodeXor(out, values, count);
  });
}

/** Appends nothing when there are too many distinct values. */
function encodeDictionary(out: ByteWriter, values: Float64Array, count: number, dense: boolean): void {
  const entries = collectDistinct(values, count);
  if (entries < 2) return;
  out.u8(kinds.dictionary);
  out.varint(entries);
  encodeTable(out, distinctValues, entries, dense);
  encodeIntegers(out, distinctIndices, entries === 0 ? 0 : count, dense);
}

const oneSeries: BlockSeries = { starts: Uint16Array.of(0), series: 1 };

/** A dictionary's table: a value block that is not itself a dictionary (distinct values never look repetitive). */
function encodeTable(out: ByteWriter, table: Float64Array, entries: number, dense: boolean): void {
  encodeValues(out, table, entries, oneSeries, dense);
}

/** Reads values[0 … count), 1 ≤ count ≤ 4,096. Throws `codec_corrupt`. */
export function decodeValues(from: ByteReader, values: Float64Array, count: number, series: BlockSeries): void {
  decodeBlock(from, values, count, series, false);
}

function decodeBlock(from: ByteReader, values: Float64Array, count: number, series: BlockSeries, isTable: boolean): void {
  const head = from.u8();
  const kind = head & 7;
  if (kind === kinds.decimal || kind === kinds.single) {
    decodeDecimals(from, values, count, series, head);
    return;
  }
  if (kind === kinds.grid) {
    decodeGrid(from, values, count, series, head);
    return;
  }
  if (head > 7) corrupt('unknown value block');
  switch (kind) {
    case kinds.dictionary:
      if (isTable) corrupt('dictionary in a dictionary');
      decodeDictionary(from, values, count);
      return;
    case kinds.constant:
      values.fill(finite(from.f64()), 0, count);
      return;
    case kinds.split:
      readBounds(from, count);
      decodeSplit(from, values, count);
      break;
    case kinds.xor:
      readBounds(from, count);
      decodeXor(from, values, count);
      break;
    case kinds.raw:
      readBounds(from, count);
      for (let i = 0; i < count; i++) values[i] = from.f64();
      break;
    default:
      corrupt('unknown value block');
  }
  for (let i = 0; i < count; i++) finite(values[i] as number);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) corrupt('value is not finite');
  return value;
}

function readBounds(from: ByteReader, count: number): ValueBounds | undefined {
  return count < boundedRowsMin ? undefined : { min: finite(from.f64()), max: finite(from.f64()) };
}

function decodeDecimals(
  from: ByteReader,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  head: number,
): void {
  if (head & ~(7 | exceptionsBit | bySeriesBit | ticksBit)) corrupt('unknown value block');
  const exponent = from.u8();
  if (exponent > exponentMax) corrupt('exponent out of range');
  const min = from.svarint();
  const range = from.bounded(integerMax, 'range');
  const tick = head & ticksBit ? from.varint() : 1;
  const exceptions = head & exceptionsBit ? readExceptions(from, count) : 0;
  const power = powersOfTen[exponent] as number;
  const isSingle = (head & 7) === kinds.single;
  if (range > 0 && tick === 1 && !isSingle && (head & bySeriesBit) === 0) {
    decodeScaled(from, values, count, min, range, power);
  } else {
    if (range === 0) values.fill(0, 0, count);
    else if (head & bySeriesBit) decodeBySeries(from, values, count, series);
    else decodeIntegers(from, values, count);
    for (let i = 0; i < count; i++) {
      const quotient = ((values[i] as number) * tick + min) / power;
      values[i] = finite(isSingle ? Math.fround(quotient) : quotient);
    }
  }
  for (let i = 0; i < exceptions; i++) values[exceptionRows[i] as number] = exceptionValues[i] as number;
}

function decodeGrid(from: ByteReader, values: Float64Array, count: number, series: BlockSeries, head: number): void {
  if (head & ~(7 | exceptionsBit | bySeriesBit)) corrupt('unknown value block');
  const form = from.u8();
  if (!isForm(form)) corrupt('form out of range');
  const origin = finite(from.f64());
  const step = finite(from.f64());
  from.take(16);
  const top = from.varint();
  const exceptions = head & exceptionsBit ? readExceptions(from, count) : 0;
  if (top === 0) values.fill(0, 0, count);
  else if (head & bySeriesBit) decodeBySeries(from, values, count, series);
  else decodeIntegers(from, values, count);
  decodeIntegers(from, scaled, count);
  for (let i = 0; i < count; i++) {
    values[i] = finite(applyForm(form, origin + (values[i] as number) * step, scaled[i] as number));
  }
  for (let i = 0; i < exceptions; i++) values[exceptionRows[i] as number] = exceptionValues[i] as number;
}

const exceptionValues = new Float64Array(blockRowsMax);

function readExceptions(from: ByteReader, count: number): number {
  const exceptions = from.bounded(count, 'exception count');
  let row = -1;
  for (let i = 0; i < exceptions; i++) {
    const gap = from.varint();
    row += gap;
    if (gap === 0 || row >= count) corrupt('exception out of range');
    exceptionRows[i] = row;
    exceptionValues[i] = finite(from.f64());
  }
  return exceptions;
}

function decodeDictionary(from: ByteReader, values: Float64Array, count: number): void {
  const entries = from.bounded(distinctMax, 'dictionary entries');
  if (entries === 0) corrupt('dictionary is empty');
  decodeBlock(from, distinctValues, entries, oneSeries, true);
  decodeIntegers(from, values, count);
  for (let i = 0; i < count; i++) {
    const entry = values[i] as number;
    if (!(entry >= 0 && entry < entries)) corrupt('dictionary index out of range');
    values[i] = distinctValues[entry] as number;
  }
}

/** Smallest and largest value of the block that begins at `from`, by its head alone where it tells them. */
export function readValueBounds(from: ByteReader, count: number, isTable = false): ValueBounds {
  const at = from.at;
  const head = from.u8();
  const kind = head & 7;
  if (kind === kinds.decimal || kind === kinds.single) return readDecimalBounds(from, count, head);
  if (kind === kinds.dictionary) {
    const entries = from.bounded(distinctMax, 'dictionary entries');
    if (entries === 0 || isTable) corrupt('dictionary of nothing or of dictionaries');
    return readValueBounds(from, entries, true);
  }
  if (kind === kinds.grid) {
    from.take(17);
    return { min: finite(from.f64()), max: finite(from.f64()) };
  }
  if (kind !== kinds.constant && count >= boundedRowsMin) return readBounds(from, count) as ValueBounds;
  from.at = at;
  decodeBlock(from, scaled, count, oneSeries, true);
  return boundsOf(scaled, count, undefined);
}

function readDecimalBounds(from: ByteReader, count: number, head: number): ValueBounds {
  const exponent = from.u8();
  if (exponent > exponentMax) corrupt('exponent out of range');
  const power = powersOfTen[exponent] as number;
  const scaledMin = from.svarint();
  const scaledMax = scaledMin + from.bounded(integerMax, 'range');
  if (head & ticksBit) from.varint();
  const isSingle = (head & 7) === kinds.single;
  const min = isSingle ? Math.fround(scaledMin / power) : scaledMin / power;
  const max = isSingle ? Math.fround(scaledMax / power) : scaledMax / power;
  return withExceptions(from, count, head, min, max);
}

/** Bounds of a block whose rows but the exceptions lie within [min, max]. */
function withExceptions(from: ByteReader, count: number, head: number, min: number, max: number): ValueBounds {
  if ((head & exceptionsBit) === 0) return { min, max };
  const exceptions = readExceptions(from, count);
  return boundsOf(exceptionValues, exceptions, exceptions === count ? undefined : { min, max });
}

function boundsOf(values: Float64Array, count: number, within: ValueBounds | undefined): ValueBounds {
  let min = within?.min ?? (values[0] as number);
  let max = within?.max ?? min;
  for (let i = 0; i < count; i++) {
    const own = values[i] as number;
    if (compareDoubles(own, min) < 0) min = own;
    if (compareDoubles(own, max) > 0) max = own;
  }
  return { min, max };
}
