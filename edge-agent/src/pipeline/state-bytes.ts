/** State of operators as bytes, and back. Numbers keep every bit. */
import { Packr } from 'msgpackr';

const packr = new Packr({ useRecords: false });

export function packState(version: number, ...parts: readonly unknown[]): Uint8Array {
  return packr.pack([version, ...parts]);
}

/** The parts of `packState`; throws RangeError for another version: the state of another build must not be taken for one's own. */
export function unpackState(bytes: Uint8Array, version: number): readonly unknown[] {
  const [found, ...parts] = packr.unpack(bytes) as [number, ...unknown[]];
  if (found !== version) throw new RangeError(`state of an operator has version ${found}, expected ${version}`);
  return parts;
}

export function bytesOf(array: Float64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function floatsOf(bytes: Uint8Array): Float64Array {
  return new Float64Array(new Uint8Array(bytes).buffer);
}

export function idsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}
