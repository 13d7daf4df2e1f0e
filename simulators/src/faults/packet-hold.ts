/**
 * Sees the MQTT packets in one direction of one connection, so that a fault can hit inside one. Bytes come out unchanged and in order,
 * a whole packet at a time: what has begun is held until it is whole. From the first byte that is not MQTT on, all passes as it comes.
 */
import { FrameCutter, packetType } from '@fogline/shared/broker/frame-cutter';
import type { Direction } from './link-weather.ts';

export type PacketName = keyof typeof packetType;

export const packetNames = Object.keys(packetType) as readonly PacketName[];

export function isPacketName(name: string): name is PacketName {
  return Object.hasOwn(packetType, name);
}

export interface Packet {
  readonly bytes: Buffer;
  /** Undefined where it is no packet of MQTT, or the rest of one. */
  readonly name: PacketName | undefined;
}

/** The largest that a fault can be aimed at; larger ones pass as they come. */
const packetBytesMax = 4 * 1024 * 1024;

const names = new Map<number, PacketName>(packetNames.map((name) => [packetType[name], name]));

export class PacketHold {
  readonly #cutter: FrameCutter;
  #isLost = false;

  constructor(direction: Direction) {
    this.#cutter = new FrameCutter(packetBytesMax, direction === 'up' ? 'client' : 'server');
  }

  /** What may go on now. */
  take(chunk: Buffer): Packet[] {
    if (this.#isLost) return [{ bytes: chunk, name: undefined }];
    const cutter = this.#cutter;
    const packets: Packet[] = [];
    const before = cutter.incomplete;
    cutter.feed(chunk);
    let passed = 0;
    let status = cutter.peek();
    for (; status === 'frame'; status = cutter.peek()) {
      const bytes = cutter.buffer.subarray(cutter.start, cutter.end);
      packets.push({ bytes, name: names.get((bytes[0] ?? 0) >> 4) });
      passed += bytes.length;
      cutter.consume();
    }
    if (status === 'more') return packets;
    this.#isLost = true;
    packets.push({ bytes: Buffer.concat([before, chunk]).subarray(passed), name: undefined });
    return packets;
  }

  /** What is still held, for a stream that ends or is cut in the middle of a packet. */
  rest(): Buffer {
    const { incomplete } = this.#cutter;
    return this.#isLost ? incomplete.subarray(0, 0) : incomplete;
  }
}
