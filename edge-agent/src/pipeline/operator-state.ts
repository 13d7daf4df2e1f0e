/** Saved state of an operator: a version and rows of plain values. Another version is a bug of an upgrade, never read as this one. */
import { Packr } from 'msgpackr';

const packr = new Packr({ useRecords: false });

export function packState(version: number, rows: readonly unknown[]): Uint8Array {
  return packr.pack([version, rows]);
}

/** Throws `RangeError` for another version. */
export function unpackState<Row>(what: string, version: number, state: Uint8Array): Row[] {
  const [found, rows] = packr.unpack(state) as [number, Row[]];
  if (found !== version) throw new RangeError(`${what} state version ${found}, expected ${version}`);
  return rows;
}
