/**
 * Cuts what a broker sends into MQTT 3.1.1 packets, whatever the sizes in which the bytes arrive. A packet that is too large does not end the
 * connection, because the broker would send it again for ever: its head is kept, the rest is let go by, and it is handed out as cut.
 */

export interface Packet {
  readonly type: number;
  readonly flags: number;
  /** Without the fixed header. A view, valid until the handler returns. */
  readonly body: Buffer;
  /** The body is only the beginning. */
  readonly isCut: boolean;
}

/** Enough of a PUBLISH for its topic and its packet id. */
const headBytesMax = 2 + 65_535 + 2;
const lengthBytesMax = 4;

export class PacketReader {
  readonly #packetBytesMax: number;
  readonly #handle: (packet: Packet) => void;
  #held: Buffer = Buffer.alloc(0);
  /** Of a packet that was handed out as cut: bytes that are still to come. */
  #passing = 0;

  /** `packetBytesMax`: of a body. */
  constructor(packetBytesMax: number, handle: (packet: Packet) => void) {
    this.#packetBytesMax = Math.max(packetBytesMax, headBytesMax);
    this.#handle = handle;
  }

  /** False when it is no MQTT: nothing that follows can be read. */
  feed(chunk: Buffer): boolean {
    const passed = Math.min(this.#passing, chunk.length);
    this.#passing -= passed;
    const fresh = chunk.subarray(passed);
    let bytes = this.#held.length === 0 ? fresh : Buffer.concat([this.#held, fresh]);
    this.#held = Buffer.alloc(0);
    for (;;) {
      const length = remainingLength(bytes);
      if (length === 'broken') return false;
      if (length === 'more') break;
      const { bodyStart, bodyLength } = length;
      const isCut = bodyLength > this.#packetBytesMax;
      const end = bodyStart + (isCut ? headBytesMax : bodyLength);
      if (bytes.length < end) break;
      const first = bytes[0] as number;
      this.#handle({ type: first >> 4, flags: first & 15, body: bytes.subarray(bodyStart, end), isCut });
      const next = bodyStart + bodyLength;
      if (next > bytes.length) this.#passing = next - bytes.length;
      bytes = bytes.subarray(Math.min(next, bytes.length));
    }
    // A copy: the chunk must not be kept for its last bytes.
    this.#held = Buffer.from(bytes);
    return true;
  }
}

function remainingLength(bytes: Buffer): { bodyStart: number; bodyLength: number } | 'more' | 'broken' {
  let bodyLength = 0;
  for (let index = 0; index < lengthBytesMax; index++) {
    const byte = bytes[1 + index];
    if (byte === undefined) return 'more';
    bodyLength += (byte & 127) * 128 ** index;
    if (byte < 128) return { bodyStart: 2 + index, bodyLength };
  }
  return 'broken';
}
