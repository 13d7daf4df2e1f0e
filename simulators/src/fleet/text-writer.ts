/**
 * Bytes of messages and of truth lines, put together without a string per value: a buffer that grows and is used again. What `bytes` holds
 * up to `at` is the text so far.
 */

const bytesFirst = 4 * 1024;
const zero = 0x30;
const powersOfTen = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const;

export class TextWriter {
  bytes: Buffer;
  at = 0;

  constructor(capacity = bytesFirst) {
    this.bytes = Buffer.allocUnsafeSlow(capacity);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.at + count, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  /** Any text, as UTF-8. */
  text(text: string): void {
    this.reserve(text.length * 3);
    this.at += this.bytes.write(text, this.at);
  }

  /** A short text as bytes. */
  put(source: Uint8Array): void {
    const { length } = source;
    this.reserve(length);
    const { bytes } = this;
    // For short texts a call of `set` costs more than a loop.
    for (let i = 0, at = this.at; i < length; i++) bytes[at++] = source[i] as number;
    this.at += length;
  }

  /** What stands in `source` from `from` up to `to`. */
  copy(source: Uint8Array, from: number, to: number): void {
    this.reserve(to - from);
    const { bytes } = this;
    for (let i = from, at = this.at; i < to; i++) bytes[at++] = source[i] as number;
    this.at += to - from;
  }

  /** Decimal digits of a safe integer, with zeros in front up to `width` digits. */
  integer(value: number, width = 1): void {
    this.reserve(24 + width);
    let rest = value;
    if (value < 0) {
      this.bytes[this.at++] = 0x2d;
      rest = -value;
    }
    if (rest < 1e9) this.#small(rest, width);
    else {
      const upper = Math.floor(rest / 1e9);
      this.integer(upper, width - 9);
      this.#small(rest - upper * 1e9, 9);
    }
  }

  /** `scaled` / 10^`decimals`, exactly, with all its decimals (at most 9). */
  decimal(scaled: number, decimals: number): void {
    if (decimals === 0) {
      this.integer(scaled);
      return;
    }
    const power = powersOfTen[decimals] as number;
    let rest = scaled;
    if (scaled < 0) {
      this.byte(0x2d);
      rest = -scaled;
    }
    const whole = Math.floor(rest / power);
    this.integer(whole);
    this.byte(0x2e);
    this.#small(rest - whole * power, decimals);
  }

  /** The text so far, and begins anew. */
  take(): string {
    const text = this.bytes.toString('utf8', 0, this.at);
    this.at = 0;
    return text;
  }

  /** Of 0 ≤ value < 10^9. */
  #small(value: number, width: number): void {
    let digits = 1;
    while (digits < 9 && value >= (powersOfTen[digits] as number)) digits++;
    const count = Math.max(digits, width);
    this.reserve(count);
    const { bytes } = this;
    let rest = value | 0;
    for (let at = this.at + count - 1; at >= this.at; at--) {
      const next = (rest / 10) | 0;
      bytes[at] = zero + rest - next * 10;
      rest = next;
    }
    this.at += count;
  }
}
