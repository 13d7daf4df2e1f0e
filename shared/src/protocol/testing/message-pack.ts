/** MessagePack without any check, for tests that take messages apart and put them together wrongly. */
import { pack, unpack } from 'msgpackr';

export function packAnything(value: unknown): Uint8Array {
  return pack(value);
}

/** Throws what msgpackr throws. */
export function unpackAnything(bytes: Uint8Array): unknown {
  return unpack(bytes);
}
