/**
 * What an envelope may be made of: nil, booleans, numbers, strings, binary and arrays. Walked before msgpackr sees a byte, because
 * msgpackr also decodes extensions, and with them a message of 500 bytes can keep it busy for hours (shared references) or
 * build objects that nobody asked for. Time and memory are linear in the length, whatever the bytes say.
 */

import { isUtf8 } from 'node:buffer';

/** The deepest message, `hello`, nests five arrays. */
export const nestingMax = 8;
/** Values of one envelope, arrays included. The most a message has is 132,000: a full page of `welcome` with all its ranges. */
export const valuesMax = 262_144;

/** Bytes that follow the first byte of a value without a length of its own; -1 = it is not of this kind. Index: first byte − 0xc0. */
const fixedBytes = [0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8] as const;

/** What is wrong with it; undefined when it is exactly one plain value. */
export function plainProblem(bytes: Uint8Array): string | undefined {
  // Values that are still to come, per open array.
  const open: number[] = [];
  let at = 0;
  let left = 1;
  let values = 0;
  for (;;) {
    while (left === 0) {
      const outer = open.pop();
      if (outer === undefined) return at === bytes.length ? undefined : `${bytes.length - at} bytes too many`;
      left = outer;
    }
    left--;
    if (++values > valuesMax) return `more than ${valuesMax} values`;
    const first = bytes[at++];
    if (first === undefined) return 'it ends too early';
    const count = arrayLength(bytes, first, at);
    if (count >= 0) {
      at += first === 0xdc ? 2 : first === 0xdd ? 4 : 0;
      // Each entry takes a byte or more.
      if (count > bytes.length - at) return 'it ends too early';
      if (open.length >= nestingMax) return `arrays nest deeper than ${nestingMax}`;
      open.push(left);
      left = count;
      continue;
    }
    const size = sizeAfter(bytes, first, at);
    if (size < 0) return `a value begins with 0x${first.toString(16)}, which is no plain type`;
    const from = at + stringHeadBytes(first);
    at += size;
    if (at > bytes.length) return 'it ends too early';
    // A decoder would put U+FFFD in place of what is no UTF-8, and one name would become another.
    if (isString(first) && !isUtf8(bytes.subarray(from, at))) return 'a string is not UTF-8';
  }
}

/** Entries of an array; -1 when the value is none. `at` is past the first byte. */
function arrayLength(bytes: Uint8Array, first: number, at: number): number {
  if (first >= 0x90 && first < 0xa0) return first - 0x90;
  if (first === 0xdc) return unsigned(bytes, at, 2);
  return first === 0xdd ? unsigned(bytes, at, 4) : -1;
}

/** Bytes of a value after its first; -1 when it is of no plain type. */
function sizeAfter(bytes: Uint8Array, first: number, at: number): number {
  if (first < 0x80 || first >= 0xe0) return 0;
  if (first >= 0xa0 && first < 0xc0) return first - 0xa0;
  if (first === 0xc4 || first === 0xd9) return 1 + unsigned(bytes, at, 1);
  if (first === 0xc5 || first === 0xda) return 2 + unsigned(bytes, at, 2);
  if (first === 0xc6 || first === 0xdb) return 4 + unsigned(bytes, at, 4);
  return first < 0xc0 ? -1 : (fixedBytes[first - 0xc0] ?? -1);
}

function isString(first: number): boolean {
  return (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb);
}

/** Bytes of the length of a string that does not lie in its first byte. */
function stringHeadBytes(first: number): number {
  return first === 0xd9 ? 1 : first === 0xda ? 2 : first === 0xdb ? 4 : 0;
}

/** Big-endian; bytes that are not there count as 0, the caller finds out by the position. */
function unsigned(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
