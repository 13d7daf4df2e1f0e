/**
 * What the lanes of a sender have sent and not yet settled, in columns: `window` slots a lane. A slot remembers the message's bytes,
 * so that it can be sent again as it was, and whose it is.
 */
import { packetIdMax } from './mqtt-frames.ts';

export class InFlight {
  readonly window: number;
  readonly device: Int32Array;
  readonly position: Float64Array;
  readonly timeMs: Float64Array;
  /** Monotonic ms of the first transmission. */
  readonly sentAtMs: Float64Array;
  /** Bits of `slotFlags`. */
  readonly flags: Uint8Array;
  /** Where the bytes are in their chunk. */
  readonly #from: Uint32Array;
  readonly #to: Uint32Array;
  readonly #chunks: (Buffer | undefined)[];

  constructor(lanes: number, window: number) {
    const slots = lanes * window;
    this.window = window;
    this.device = new Int32Array(slots);
    this.position = new Float64Array(slots);
    this.timeMs = new Float64Array(slots);
    this.sentAtMs = new Float64Array(slots);
    this.flags = new Uint8Array(slots);
    this.#from = new Uint32Array(slots);
    this.#to = new Uint32Array(slots);
    this.#chunks = Array.from({ length: slots });
  }

  /** Messages of a lane are counted from 0. */
  slot(lane: number, sequence: number): number {
    return lane * this.window + (sequence % this.window);
  }

  setPlace(slot: number, from: number, to: number): void {
    this.#from[slot] = from;
    this.#to[slot] = to;
  }

  setChunk(slot: number, chunk: Buffer): void {
    this.#chunks[slot] = chunk;
  }

  bytesOf(slot: number): Buffer {
    const chunk = this.#chunks[slot];
    if (chunk === undefined) throw new Error('the bytes of a settled message are asked for');
    return chunk.subarray(this.#from[slot], this.#to[slot]);
  }

  settle(slot: number): void {
    this.flags[slot] = (this.flags[slot] as number) | slotFlags.settled;
    this.#chunks[slot] = undefined;
  }
}

/** `acked`: only an ack settles it, and it is sent again without. `reading`: it is in the truth file. */
export const slotFlags = { settled: 1, acked: 2, reading: 4 } as const;

export function packetIdOf(sequence: number): number {
  return (sequence % packetIdMax) + 1;
}

/** The message with this packet id among those from `first` on; they are fewer than there are ids. */
export function sequenceOf(packetId: number, first: number): number {
  const step = packetId - 1 - (first % packetIdMax);
  return first + (step < 0 ? step + packetIdMax : step);
}
