/**
 * Time blocks and value blocks of a blob. A time block holds the rows of one or more timelines, relative to the blob's
 * earliest time (absolute in a blob of wide times):
 *
 *   byte     0 one integer column, 1 by series; only when the block holds several timelines, one of them with several rows
 *   integers
 *
 * A value block holds the flags of its rows as an integer column, when the blob has any, then the values (value-block.ts).
 */
import { blockRowsMax } from './bit-pack.ts';
import { decodeBySeries, encodeBySeries, hasSeries, newBlockSeries } from './by-series.ts';
import { type ByteReader, type ByteWriter, corrupt, keepSmaller } from './byte-io.ts';
import { decodeIntegers, decodeRegular } from './integer-column.ts';
import { encodeIntegers, encodeIntegersLess } from './integer-encode.ts';
import type { BlockPlan } from './layout.ts';
import { decodeValues } from './value-block.ts';
import { encodeValues } from './value-encode.ts';

/** Scratch of one block; valid until the next call. */
export const blockTimes = new Float64Array(blockRowsMax);
export const blockValues = new Float64Array(blockRowsMax);
export const blockFlags = new Uint8Array(blockRowsMax);
/** Where each series of the block begins. */
const blockSeries = newBlockSeries();
const flagInts = new Float64Array(blockRowsMax);

/** The same for a block of one series. */
export function enterLoneBlock(): void {
  blockSeries.series = 1;
  blockSeries.starts[0] = 0;
}

/** Sets `blockSeries` for a block of the plan; gives its rows. */
export function enterBlock(plan: BlockPlan, block: number, order: Uint32Array, counts: Uint32Array): number {
  const position = plan.position[block] as number;
  const members = plan.series[block] as number;
  blockSeries.series = members;
  let at = 0;
  for (let s = 0; s < members; s++) {
    blockSeries.starts[s] = at;
    at += counts[order[position + s] as number] as number;
  }
  return plan.rows[block] as number;
}

/** Appends times[0 … count), less `base`. */
export function encodeTimeBlock(
  out: ByteWriter,
  times: Float64Array,
  count: number,
  base: number,
  dense: boolean,
): void {
  if (!hasSeries(blockSeries, count)) {
    encodeIntegersLess(out, times, count, base, dense);
    return;
  }
  const from = out.at;
  out.u8(0);
  encodeIntegersLess(out, times, count, base, dense);
  keepSmaller(out, from, () => {
    out.u8(1);
    if (!encodeBySeries(out, times, count, blockSeries, base, dense)) out.at--;
  });
}

/** Reads times[0 … count); every time must lie in [min, max]. */
export function decodeTimeBlock(
  from: ByteReader,
  times: Float64Array,
  count: number,
  base: number,
  min: number,
  max: number,
): void {
  const form = hasSeries(blockSeries, count) ? from.u8() : 0;
  if (form === 0 && decodeRegular(from, times, count, base)) {
    // Equal steps: the ends tell the range.
    const first = times[0] as number;
    const last = times[count - 1] as number;
    if (!(Math.min(first, last) >= min && Math.max(first, last) <= max)) corrupt('time out of range');
    return;
  }
  if (form === 0) decodeIntegers(from, times, count);
  else if (form === 1) decodeBySeries(from, times, count, blockSeries);
  else corrupt('unknown time block');
  for (let i = 0; i < count; i++) {
    const time = (times[i] as number) + base;
    if (!(time >= min && time <= max)) corrupt('time out of range');
    times[i] = time;
  }
}

/** Appends flags[0 … count), where the blob has any, and values[0 … count). */
export function encodeValueBlock(
  out: ByteWriter,
  values: Float64Array,
  flags: Uint8Array | undefined,
  count: number,
  dense: boolean,
): void {
  if (flags !== undefined) {
    for (let i = 0; i < count; i++) flagInts[i] = flags[i] as number;
    encodeIntegers(out, flagInts, count, dense);
  }
  encodeValues(out, values, count, blockSeries, dense);
}

/** Reads flags[0 … count), where the blob has any, and values[0 … count). */
export function decodeValueBlock(
  from: ByteReader,
  values: Float64Array,
  flags: Uint8Array | undefined,
  count: number,
): void {
  if (flags !== undefined) decodeFlags(from, flags, count);
  decodeValues(from, values, count, blockSeries);
}

/** Quality 0-2 and the text bit are all the flags there are. */
export function decodeFlags(from: ByteReader, into: Uint8Array, count: number): void {
  decodeIntegers(from, flagInts, count);
  for (let i = 0; i < count; i++) {
    const flags = flagInts[i] as number;
    if (!(flags >= 0 && flags < 7) || flags === 3) corrupt('flags out of range');
    into[i] = flags;
  }
}
