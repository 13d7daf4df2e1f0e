/** Bytes with a CRC-32 before them, for what is stored and has no checksum of its own. */
import { crc32 } from 'node:zlib';
import { FoglineError } from './errors.ts';

export function withChecksum(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.byteLength);
  new DataView(out.buffer).setUint32(0, crc32(bytes), true);
  out.set(bytes, 4);
  return out;
}

/** Throws `storage_corrupt`. */
export function checkedBytes(stored: Uint8Array, what: string): Uint8Array {
  const bytes = stored.subarray(4);
  if (stored.byteLength < 4 || new DataView(stored.buffer, stored.byteOffset).getUint32(0, true) !== crc32(bytes))
    throw new FoglineError('storage_corrupt', `${what} does not match its checksum`);
  return bytes;
}
