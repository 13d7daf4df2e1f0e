/**
 * A block of up to 4,096 float64 values, bit for bit, as one of several kinds (value-encode.ts finds the smallest). Layout, for count ≥ 1:
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
import { blockRowsMax } from './bit-pack.ts';
import { type BlockSeries, decodeBySeries } from './by-series.ts';
import { type ByteReader, corrupt, integerMax } from './byte-io.ts';
import { exceptionRows, exponentMax, powersOfTen } from './decimal.ts';
import { distinctMax, distinctValues } from './dictionary.ts';
import { boundsOf, type ValueBounds } from './double-order.ts';
import { applyForm, isForm } from './grid.ts';
import { decodeIntegers } from './integer-column.ts';
import { decodeScaled } from './quick-decode.ts';
import { decodeSplit } from './split.ts';
import { decodeXor } from './xor.ts';

export const kinds = { decimal: 0, single: 1, dictionary: 2, split: 3, xor: 4, raw: 5, constant: 6, grid: 7 } as const;
export const exceptionsBit = 0x08;
export const bySeriesBit = 0x10;
export const ticksBit = 0x20;
/** Blocks of doubles with fewer rows store no bounds: they are decoded to find them. */
export const boundedRowsMin = 64;

/** A dictionary's table, or any block whose series do not matter. */
export const oneSeries: BlockSeries = { starts: Uint16Array.of(0), series: 1 };

const scaled = new Float64Array(blockRowsMax);

/** Reads values[0 … count), 1 ≤ count ≤ 4,096. Throws `codec_corrupt`. */
export function decodeValues(from: ByteReader, values: Float64Array, count: number, series: BlockSeries): void {
  decodeBlock(from, values, count, series, false);
}

function decodeBlock(
  from: ByteReader,
  values: Float64Array,
  count: number,
  series: BlockSeries,
  isTable: boolean,
): void {
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
  finite(from.f64());
  finite(from.f64());
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
