/** Lines of a payload, by position: nothing is copied. */

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Of a line or row; a longer one is refused as a whole. */
export const lineBytesMax = 64 * 1_024;

/** Position of the newline that ends the line at `from`, or the end of the payload. */
export function lineEnd(payload: Buffer, from: number): number {
  const at = payload.indexOf(newline, from);
  return at < 0 ? payload.length : at;
}

/** `end` without a carriage return before it. */
export function withoutReturn(payload: Buffer, from: number, end: number): number {
  return end > from && payload[end - 1] === carriageReturn ? end - 1 : end;
}

/** Past a byte order mark. */
export function afterMark(payload: Buffer): number {
  return payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf ? 3 : 0;
}

/** Numbers of lines, counted on from where it was asked last. */
export class LineCounter {
  #payload: Buffer | undefined;
  #position = 0;
  #line = 1;

  /** The number, from 1, of the line that begins at `position`; asked in ascending order for one payload. */
  at(payload: Buffer, position: number): number {
    if (payload !== this.#payload || position < this.#position) {
      this.#payload = payload;
      this.#position = 0;
      this.#line = 1;
    }
    while (this.#position < position) {
      this.#position = lineEnd(payload, this.#position) + 1;
      if (this.#position <= position) this.#line++;
    }
    return this.#line;
  }

  /** Lets go of the payload. */
  forget(): void {
    this.#payload = undefined;
  }
}
