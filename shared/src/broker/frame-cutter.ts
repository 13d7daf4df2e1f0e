/**
 * Cuts a stream of bytes into MQTT 3.1.1 control packets, whatever the sizes in which the bytes arrive. Refuses from the fixed
 * header alone: nothing of an oversized or malformed frame is buffered. Holds at most one incomplete frame, in a buffer that
 * grows with the bytes that really came, so that a header announcing much costs nothing.
 */

export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  pingreq: 12,
  disconnect: 14,
} as const;

export type FrameRefusal = 'frame_too_large' | 'malformed_header' | 'malformed_length';
export type CutStatus = 'frame' | 'more' | FrameRefusal;

export type Sender = 'client' | 'server';

/** Per packet type: the flags that side must send, -1 = checked elsewhere (PUBLISH), -2 = it may not send the packet. */
const requiredFlags: Readonly<Record<Sender, readonly number[]>> = {
  client: [-2, 0, -2, -1, 0, 0, 2, 0, 2, -2, 2, -2, 0, -2, 0, -2],
  server: [-2, -2, 0, -1, 0, 0, 2, 0, -2, 0, -2, 0, -2, 0, -2, -2],
};
/** Per packet type: the exact remaining length, -1 = any. */
const requiredLength = [-1, -1, 2, -1, 2, 2, 2, 2, -1, -1, -1, 2, 0, 0, 0, -1] as const;
/** SUBSCRIBE and UNSUBSCRIBE: a packet id and at least one filter. */
const filterLengthMin = 5;

const carryBytesMin = 256;
const nothing = Buffer.alloc(0);

export class FrameCutter {
  frameBytesMax: number;
  /** The frame that `peek` found: `buffer[start..end)`, its body from `bodyStart`. */
  buffer: Buffer = nothing;
  start = 0;
  bodyStart = 0;
  end = 0;

  #chunk: Buffer = nothing;
  #position = 0;
  #queued: Buffer[] = [];
  #carry: Buffer = nothing;
  #carryLength = 0;
  #isCarryFrame = false;
  readonly #flags: readonly number[];

  constructor(frameBytesMax: number, sender: Sender = 'client') {
    this.frameBytesMax = frameBytesMax;
    this.#flags = requiredFlags[sender];
  }

  feed(chunk: Buffer): void {
    if (this.#position < this.#chunk.length) this.#queued.push(chunk);
    else {
      this.#chunk = chunk;
      this.#position = 0;
    }
  }

  /** Bytes fed and not consumed. */
  get bufferedBytes(): number {
    let bytes = this.#chunk.length - this.#position + this.#carryLength;
    for (const chunk of this.#queued) bytes += chunk.length;
    return bytes;
  }

  /** Finds the next whole frame without consuming it; the same answer until `consume` or `feed`. */
  peek(): CutStatus {
    for (;;) {
      const status = this.#carryLength > 0 ? this.#peekCarry() : this.#peekChunk();
      if (status !== 'more') return status;
      const next = this.#queued.shift();
      if (next === undefined) return 'more';
      this.#chunk = next;
      this.#position = 0;
    }
  }

  /** What came of a frame that is not whole yet; nothing while a whole one waits. */
  get incomplete(): Buffer {
    return this.#isCarryFrame ? nothing : this.#carry.subarray(0, this.#carryLength);
  }

  consume(): void {
    if (this.#isCarryFrame) {
      // A new buffer for the next: whoever got this frame may keep views into it.
      this.#carry = nothing;
      this.#carryLength = 0;
      this.#isCarryFrame = false;
    } else {
      this.#position = this.end;
    }
  }

  #peekChunk(): CutStatus {
    const chunk = this.#chunk;
    const available = chunk.length - this.#position;
    if (available === 0) return 'more';
    const size = this.#measure(chunk, this.#position, chunk.length);
    if (typeof size === 'string') return size;
    if (size === 0 || size > available) {
      this.#append(available);
      return 'more';
    }
    this.buffer = chunk;
    this.start = this.#position;
    this.end = this.#position + size;
    return 'frame';
  }

  #peekCarry(): CutStatus {
    if (this.#isCarryFrame) return 'frame';
    for (;;) {
      const size = this.#measure(this.#carry, 0, this.#carryLength);
      if (typeof size === 'string') return size;
      const missing = size === 0 ? 1 : size - this.#carryLength;
      if (missing === 0) {
        this.buffer = this.#carry;
        this.start = 0;
        this.end = size;
        this.#isCarryFrame = true;
        return 'frame';
      }
      const available = this.#chunk.length - this.#position;
      if (available === 0) return 'more';
      this.#append(Math.min(missing, available));
    }
  }

  /** Moves bytes of the chunk into the carry. */
  #append(bytes: number): void {
    const length = this.#carryLength + bytes;
    if (length > this.#carry.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(carryBytesMin, length, this.#carry.length * 2));
      this.#carry.copy(grown, 0, 0, this.#carryLength);
      this.#carry = grown;
    }
    this.#chunk.copy(this.#carry, this.#carryLength, this.#position, this.#position + bytes);
    this.#carryLength = length;
    this.#position += bytes;
    if (this.#position === this.#chunk.length) {
      this.#chunk = nothing;
      this.#position = 0;
    }
  }

  /** Size of the frame at `from`, 0 when its fixed header is not complete yet. Sets `bodyStart`. */
  #measure(buffer: Buffer, from: number, to: number): number | FrameRefusal {
    const first = buffer[from] as number;
    const type = first >> 4;
    const flags = this.#flags[type] as number;
    if (flags === -2 || (flags >= 0 && flags !== (first & 15))) return 'malformed_header';
    // PUBLISH: QoS 3 does not exist, and QoS 0 is never a duplicate.
    if (flags === -1 && ((first & 6) === 6 || (first & 14) === 8)) return 'malformed_header';
    let remaining = 0;
    for (let i = 1; ; i++) {
      if (i > 4) return 'malformed_length';
      if (from + i >= to) return 0;
      const byte = buffer[from + i] as number;
      remaining |= (byte & 127) << (7 * (i - 1));
      if (byte < 128) {
        const exact = requiredLength[type] as number;
        if (exact >= 0 && remaining !== exact) return 'malformed_length';
        const hasFilters = type === packetType.subscribe || type === packetType.unsubscribe;
        if (hasFilters && remaining < filterLengthMin) return 'malformed_length';
        if (remaining + i + 1 > this.frameBytesMax) return 'frame_too_large';
        this.bodyStart = from + i + 1;
        return remaining + i + 1;
      }
    }
  }
}
