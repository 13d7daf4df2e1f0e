/**
 * Integers of several series in one block: a column of the first value of each series, then a column of the differences
 * within the series. A fleet's first values lie close together and so do the steps of its members, but a step from one
 * member to the next would spoil both.
 */
import { blockRowsMax } from './bit-pack.ts';
import { type ByteReader, type ByteWriter, integerMax } from './byte-io.ts';
import { decodeIntegers } from './integer-column.ts';
import { encodeIntegers } from './integer-encode.ts';

/** Where the series of a block begin: starts[0 … series), ascending from 0. */
export interface BlockSeries {
  readonly starts: Uint16Array;
  series: number;
}

export function newBlockSeries(): BlockSeries {
  return { starts: new Uint16Array(blockRowsMax), series: 0 };
}

/** Whether the rows can be told apart by series at all: more than one series, and one of them with more than one row. */
export function hasSeries(series: BlockSeries, count: number): boolean {
  return series.series > 1 && series.series < count;
}

const firsts = new Float64Array(blockRowsMax);
const steps = new Float64Array(blockRowsMax);

/** Appends x[i] − offset; false, and nothing, when a difference is too large for a column. */
export function encodeBySeries(
  out: ByteWriter,
  x: Float64Array,
  count: number,
  series: BlockSeries,
  offset: number,
  dense: boolean,
): boolean {
  const { starts } = series;
  const last = series.series - 1;
  let rest = 0;
  for (let s = 0; s <= last; s++) {
    const start = starts[s] as number;
    const end = s < last ? (starts[s + 1] as number) : count;
    firsts[s] = (x[start] as number) - offset;
    for (let i = start + 1; i < end; i++) {
      const step = (x[i] as number) - (x[i - 1] as number);
      if (Math.abs(step) > integerMax) return false;
      steps[rest++] = step;
    }
  }
  encodeIntegers(out, firsts, series.series, dense);
  encodeIntegers(out, steps, rest, dense);
  return true;
}

export function decodeBySeries(from: ByteReader, x: Float64Array, count: number, series: BlockSeries): void {
  const { starts } = series;
  const last = series.series - 1;
  decodeIntegers(from, firsts, series.series);
  decodeIntegers(from, steps, count - series.series);
  let rest = 0;
  for (let s = 0; s <= last; s++) {
    const start = starts[s] as number;
    const end = s < last ? (starts[s + 1] as number) : count;
    let value = firsts[s] as number;
    x[start] = value;
    for (let i = start + 1; i < end; i++) {
      value += steps[rest++] as number;
      x[i] = value;
    }
  }
}
