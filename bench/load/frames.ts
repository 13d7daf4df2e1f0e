/**
 * MQTT 3.1.1 frames that are built once and patched in place: a publish costs two stores for the id and the digits of value
 * and time. A frame may be patched again once its message was acked, so a ring as long as the in-flight window suffices.
 */
import { FrameWriter } from '@fogline/simulators/fleet/mqtt-frames';

/** As long as the other. */
const roots = { ingest: 'sensors', astray: 'nowhere' } as const;
const rootAt = 4;
const valueWidth = 6;
const timeWidth = 13;

export class FrameRing {
  /** One frame a slot, views of one buffer in the order of the slots. */
  readonly frames: readonly Buffer[];
  readonly frameBytes: number;
  readonly payloadBytes: number;
  readonly #all: Buffer;
  readonly #idAt: number;
  readonly #valueAt: number;
  readonly #timeAt: number;

  /** The slots belong to the devices in turn; all their names are of one length. */
  constructor(devices: readonly string[], slots: number) {
    const between = ',"ts":';
    const beforeValue = (device: string): string => `{"device":"${device}","temperature":`;
    const frames = devices.map((device) => {
      const writer = new FrameWriter();
      writer.beginPublish(1);
      writer.text(topicOf(device));
      writer.endTopic(0);
      writer.text(`${beforeValue(device)}${' '.repeat(valueWidth)}${between}${'0'.repeat(timeWidth)}}`);
      writer.endPublish();
      return bytesOf(writer);
    });
    const [device = ''] = devices;
    this.frameBytes = frames[0]?.length ?? 0;
    if (frames.some(({ length }) => length !== this.frameBytes)) throw new RangeError('device names differ in length');
    this.payloadBytes = beforeValue(device).length + valueWidth + between.length + timeWidth + 1;
    this.#idAt = this.frameBytes - this.payloadBytes - 2;
    this.#valueAt = this.#idAt + 2 + beforeValue(device).length;
    this.#timeAt = this.#valueAt + valueWidth + between.length;
    this.#all = Buffer.concat(Array.from({ length: slots }, (_, slot) => frames[slot % frames.length] as Buffer));
    this.frames = Array.from({ length: slots }, (_, slot) => this.span(slot, 1));
  }

  /** The bytes of `count` slots in a row. */
  span(slot: number, count: number): Buffer {
    return this.#all.subarray(slot * this.frameBytes, (slot + count) * this.frameBytes);
  }

  /** `packetId` from 1 to 65,535, `hundredths` from -9,999 to 99,999, `timeMs` of 13 digits. */
  patch(slot: number, packetId: number, hundredths: number, timeMs: number): void {
    const all = this.#all;
    const at = slot * this.frameBytes;
    all[at + this.#idAt] = packetId >> 8;
    all[at + this.#idAt + 1] = packetId & 255;
    this.#patchValue(at + this.#valueAt, hundredths);
    const upper = Math.floor(timeMs / 1e7);
    this.#patchDigits(at + this.#timeAt, 6, upper);
    this.#patchDigits(at + this.#timeAt + 6, 7, timeMs - upper * 1e7);
  }

  /** To the topic that is stored, or to one that nobody asked for. */
  address(slot: number, isAstray: boolean): void {
    this.#all.write(isAstray ? roots.astray : roots.ingest, slot * this.frameBytes + rootAt, 'latin1');
  }

  /** Right-aligned with two decimals; JSON allows the blanks before it. */
  #patchValue(at: number, hundredths: number): void {
    const all = this.#all;
    const size = Math.abs(hundredths);
    const whole = Math.floor(size / 100);
    this.#patchDigits(at + 4, 2, size % 100);
    all[at + 3] = 0x2e;
    all[at] = whole >= 100 ? 0x30 + Math.floor(whole / 100) : 0x20;
    all[at + 1] = whole >= 10 ? 0x30 + (Math.floor(whole / 10) % 10) : 0x20;
    all[at + 2] = 0x30 + (whole % 10);
    if (hundredths < 0) all[at + (whole >= 10 ? 0 : 1)] = 0x2d;
  }

  #patchDigits(at: number, width: number, value: number): void {
    let rest = value;
    for (let i = at + width - 1; i >= at; i--) {
      this.#all[i] = 0x30 + (rest % 10);
      rest = Math.floor(rest / 10);
    }
  }
}

function topicOf(device: string): string {
  return `${roots.ingest}/${device}/climate`;
}

/** CONNECT with a clean session and no keepalive. */
export function connectFrame(clientId: string): Buffer {
  const writer = new FrameWriter();
  writer.connect({ clientId, keepaliveSeconds: 0 });
  return bytesOf(writer);
}

function bytesOf({ bytes, at }: FrameWriter): Buffer {
  return bytes.subarray(0, at);
}
