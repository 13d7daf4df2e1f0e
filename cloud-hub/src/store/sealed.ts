/** Bytes of roll-ups as they are stored: after a checksum that covers their key too, so that a bit that flipped there is noticed as well. */
import { crc32 } from 'node:zlib';
import { FoglineError } from '@fogline/shared/errors';

const keyBytes = 24;
const checksumBytes = 4;

function keyOf(levelMs: number, series: number, startMs: number): Buffer {
  const key = Buffer.alloc(keyBytes);
  key.writeDoubleLE(levelMs, 0);
  key.writeDoubleLE(series, 8);
  key.writeDoubleLE(startMs, 16);
  return key;
}

export function seal(bytes: Uint8Array, levelMs: number, series: number, startMs: number): Uint8Array {
  const out = new Uint8Array(checksumBytes + bytes.byteLength);
  new DataView(out.buffer).setUint32(0, crc32(bytes, crc32(keyOf(levelMs, series, startMs))), true);
  out.set(bytes, checksumBytes);
  return out;
}

/** Throws `storage_corrupt`. */
export function openSealed(stored: Uint8Array, levelMs: number, series: number, startMs: number): Uint8Array {
  const bytes = stored.subarray(checksumBytes);
  const sum =
    stored.byteLength < checksumBytes ? undefined : new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);
  if (sum !== crc32(bytes, crc32(keyOf(levelMs, series, startMs))))
    throw new FoglineError(
      'storage_corrupt',
      `the roll-up of series ${series} at ${startMs} does not match its checksum`,
    );
  return bytes;
}
