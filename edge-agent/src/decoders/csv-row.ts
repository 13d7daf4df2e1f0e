/**
 * One row of CSV (RFC 4180), from bytes to positions of cells; nothing is allocated per row. A row is a line: a cell in quotes may
 * hold separators and doubled quotes, not newlines, so that what is broken ends where its line ends.
 */

export const columnsMax = 1_024;

const quote = 0x22;
const space = 0x20;

export class CsvRow {
  readonly #separator: number;
  cells = 0;
  /** Without the quotes, and without spaces around it. */
  readonly start = new Int32Array(columnsMax);
  readonly end = new Int32Array(columnsMax);
  readonly #hasDoubled = new Uint8Array(columnsMax);

  /** @param separator one byte. */
  constructor(separator: string) {
    this.#separator = separator.charCodeAt(0);
  }

  /** Splits `[from, end)`; false when a quote does not end or there are too many cells. */
  split(bytes: Buffer, from: number, end: number): boolean {
    this.cells = 0;
    for (let at = from; ; at++) {
      if (this.cells >= columnsMax) return false;
      at = bytes[at] === quote && at < end ? this.#quoted(bytes, at + 1, end) : this.#plain(bytes, at, end);
      if (at < 0) return false;
      if (at >= end) return true;
      if (bytes[at] !== this.#separator) return false;
    }
  }

  text(bytes: Buffer, cell: number): string {
    const text = bytes.toString('utf8', this.start[cell] as number, this.end[cell] as number);
    return this.#hasDoubled[cell] === 1 ? text.replaceAll('""', '"') : text;
  }

  isEmpty(cell: number): boolean {
    return this.start[cell] === this.end[cell];
  }

  /** The position of the separator after the cell, or the end. */
  #plain(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && bytes[at] !== this.#separator) at++;
    let [first, last] = [from, at];
    while (first < last && bytes[first] === space) first++;
    while (last > first && bytes[last - 1] === space) last--;
    this.#put(first, last, 0);
    return at;
  }

  #quoted(bytes: Buffer, from: number, end: number): number {
    let hasDoubled = 0;
    for (let at = from; at < end; at++) {
      if (bytes[at] !== quote) continue;
      if (at + 1 >= end || bytes[at + 1] !== quote) {
        this.#put(from, at, hasDoubled);
        return at + 1;
      }
      hasDoubled = 1;
      at++;
    }
    return -1;
  }

  #put(start: number, end: number, hasDoubled: number): void {
    const cell = this.cells++;
    this.start[cell] = start;
    this.end[cell] = end;
    this.#hasDoubled[cell] = hasDoubled;
  }
}
