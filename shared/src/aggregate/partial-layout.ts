/**
 * Head, times and extents of a serialised partial (FORMAT.md §4). The first byte says which of the later fields exist, so
 * that a partial of one reading, or of equal readings, stores their value once.
 */
import { FoglineError, invariant } from '../errors.ts';
import { type ByteReader, type ByteWriter, corrupt } from './bytes.ts';
import { type Extents, isLess } from './extents.ts';

/** Event times are integer milliseconds with |t| ≤ 2^53. */
const timeAbsMax = 2 ** 53;
/** Beyond it a duration may not be exact, and the last time is stored itself. */
const durationTimeAbsMax = 2 ** 51;

const versionMask = 0b11;
const flagSeconds = 0b01_0000;
const flagSketch = 0b10_0000;
const flagHeld = 0b100_0000;
const flagFar = 0b1000_0000;

/** Bits 2-3 of the head: no readings; one; several, all equal; several. */
export const shapes = { empty: 0, single: 1, uniform: 2, general: 3 } as const;

const roleMin = 0;
const roleMax = 1;
const roleOther = 2;
const leastFirst = roleMin | (roleMax << 2);
const leastLast = roleMax | (roleMin << 2);

export function makeHead(count: number, extents: Extents, hasSketch: boolean, isHeld: boolean): number {
  const { min, max, firstTime, lastTime } = extents;
  const extras = (hasSketch ? flagSketch : 0) | (isHeld ? flagHeld : 0);
  if (count === 0) return extras;
  const seconds = firstTime % 1000 === 0 && lastTime % 1000 === 0 ? flagSeconds : 0;
  if (count === 1) return extras | seconds | (shapes.single << 2);
  const isFar = Math.abs(firstTime) > durationTimeAbsMax || Math.abs(lastTime) > durationTimeAbsMax;
  const shape = Object.is(min, max) ? shapes.uniform : shapes.general;
  return extras | seconds | (isFar ? flagFar : 0) | (shape << 2);
}

/** Reads a head, refusing versions and flags that are not known. */
export function readHead(reader: ByteReader): number {
  const head = reader.byte();
  if ((head & versionMask) !== 0) {
    throw new FoglineError('codec_version', `aggregate: partial format ${head & versionMask} is not known`);
  }
  const shape = shapeOf(head);
  if (shape === shapes.empty && (head & flagSeconds) !== 0) throw corrupt('seconds of an empty partial');
  if (shape <= shapes.single && (head & flagFar) !== 0) throw corrupt('last time of at most one reading');
  return head;
}

export function shapeOf(head: number): number {
  return (head >> 2) & 3;
}

export function headHasSketch(head: number): boolean {
  return (head & flagSketch) !== 0;
}

export function headHasHeld(head: number): boolean {
  return (head & flagHeld) !== 0;
}

/** Does a partial with this head go on with its first time, a signed varint? */
export function headHasTime(head: number): boolean {
  return shapeOf(head) !== shapes.empty;
}

/** Does a partial of this head and count have sums (and a sketch, if any) of its own? Elsewhere they follow from the extents. */
export function headHasSums(head: number, count: number): boolean {
  return shapeOf(head) === shapes.general && count > 2;
}

/** Unit of the times, ms. */
export function timeUnitOf(head: number): number {
  return (head & flagSeconds) === 0 ? 1 : 1000;
}

export function writeTimes(writer: ByteWriter, head: number, count: number, extents: Extents): void {
  const { firstTime, lastTime } = extents;
  const unit = timeUnitOf(head);
  invariant(Number.isInteger(firstTime) && Number.isInteger(lastTime), 'times of whole milliseconds');
  invariant(Math.abs(firstTime) <= timeAbsMax && Math.abs(lastTime) <= timeAbsMax, 'times within 2^53');
  writer.signed(firstTime / unit);
  if (shapeOf(head) === shapes.single) return;
  writer.varint(count);
  if ((head & flagFar) === 0) writer.varint((lastTime - firstTime) / unit);
  else writer.signed(lastTime / unit);
}

/** Fills the times and returns the count. */
export function readTimes(reader: ByteReader, head: number, extents: Extents): number {
  const unit = timeUnitOf(head);
  const firstTime = reader.signed() * unit;
  extents.firstTime = firstTime;
  extents.lastTime = firstTime;
  if (Math.abs(firstTime) > timeAbsMax) throw corrupt('time out of range');
  if (shapeOf(head) === shapes.single) return 1;
  const count = reader.varint();
  const lastTime = (head & flagFar) === 0 ? firstTime + reader.varint() * unit : reader.signed() * unit;
  if (count < 2 || lastTime < firstTime || lastTime > timeAbsMax) throw corrupt('impossible count or times');
  extents.lastTime = lastTime;
  return count;
}

export function writeExtremes(writer: ByteWriter, head: number, extents: Extents): void {
  const { min, max, firstValue, lastValue } = extents;
  writer.float(min);
  if (shapeOf(head) !== shapes.general) return;
  writer.float(max);
  const first = roleOf(firstValue, min, max);
  const last = roleOf(lastValue, min, max);
  writer.byte(first | (last << 2));
  if (first === roleOther) writer.float(firstValue);
  if (last === roleOther) writer.float(lastValue);
}

function roleOf(value: number, min: number, max: number): number {
  return Object.is(value, min) ? roleMin : Object.is(value, max) ? roleMax : roleOther;
}

export function readExtremes(reader: ByteReader, head: number, count: number, extents: Extents): void {
  const min = reader.float();
  extents.min = min;
  extents.max = min;
  extents.firstValue = min;
  extents.lastValue = min;
  if (shapeOf(head) !== shapes.general) return;
  const max = reader.float();
  if (!isLess(min, max)) throw corrupt('min not below max');
  const roles = reader.byte();
  if ((roles & 3) > roleOther || roles >> 2 > roleOther) throw corrupt('unknown role of first or last');
  if (count === 2 && roles !== leastFirst && roles !== leastLast)
    throw corrupt('two readings that are not min and max');
  if (extents.firstTime === extents.lastTime && roles !== leastFirst)
    throw corrupt('first and last of one time that are not min and max');
  extents.max = max;
  extents.firstValue = readRole(reader, roles & 3, min, max);
  extents.lastValue = readRole(reader, roles >> 2, min, max);
}

function readRole(reader: ByteReader, role: number, min: number, max: number): number {
  if (role === roleMin) return min;
  if (role === roleMax) return max;
  const value = reader.float();
  if (isLess(value, min) || isLess(max, value)) throw corrupt('first or last beyond min and max');
  return value;
}
