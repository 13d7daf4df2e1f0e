/**
 * MQTT 3.1.1 packets that a client sends, written straight into one buffer: the only encoder of the simulators and of the bench's
 * publisher. Nothing is allocated per message.
 */

import { TextWriter } from './text-writer.ts';
import type { Qos } from './wire.ts';

const lengthMax = 0x0fff_ffff;
/** Of publishes; the one above is kept for subscriptions. */
export const packetIdMax = 65_534;

export class FrameWriter extends TextWriter {
  #start = 0;
  #topicAt = 0;
  /** Bytes that were kept free for the length of the packet. */
  #lengthBytes = 1;
  #qos: Qos = 0;

  /** The topic is written next. */
  beginPublish(qos: Qos): void {
    this.#qos = qos;
    this.#begin(0x30 | (qos << 1));
    this.#topicAt = this.at;
    this.#skip(2);
  }

  /** The payload is written next. `packetId` is not used at QoS 0. */
  endTopic(packetId: number): void {
    const length = this.at - this.#topicAt - 2;
    this.bytes[this.#topicAt] = length >> 8;
    this.bytes[this.#topicAt + 1] = length & 0xff;
    if (this.#qos > 0) this.uint16(packetId);
  }

  endPublish(): void {
    this.#end();
  }

  /** A clean session. */
  connect(options: ConnectOptions): void {
    const { clientId, username, password, keepaliveSeconds } = options;
    this.#begin(0x10);
    this.uint16(4);
    this.text('MQTT');
    this.byte(4);
    this.byte(0x02 | (username === undefined ? 0 : 0x80) | (password === undefined ? 0 : 0x40));
    this.uint16(keepaliveSeconds);
    this.#string(clientId);
    if (username !== undefined) this.#string(username);
    if (password !== undefined) this.#string(password);
    this.#end();
  }

  subscribe(packetId: number, filters: readonly string[], qos: Qos): void {
    this.#begin(0x82);
    this.uint16(packetId);
    for (const filter of filters) {
      this.#string(filter);
      this.byte(qos);
    }
    this.#end();
  }

  puback(packetId: number): void {
    this.byte(0x40);
    this.byte(2);
    this.uint16(packetId);
  }

  pubrel(packetId: number): void {
    this.byte(0x62);
    this.byte(2);
    this.uint16(packetId);
  }

  ping(): void {
    this.byte(0xc0);
    this.byte(0);
  }

  disconnect(): void {
    this.byte(0xe0);
    this.byte(0);
  }

  uint16(value: number): void {
    this.byte(value >> 8);
    this.byte(value & 0xff);
  }

  #string(text: string): void {
    const from = this.at;
    this.#skip(2);
    this.text(text);
    const length = this.at - from - 2;
    this.bytes[from] = length >> 8;
    this.bytes[from + 1] = length & 0xff;
  }

  #skip(count: number): void {
    this.reserve(count);
    this.at += count;
  }

  /** Packets of one kind are about as long as the one before: so the length rarely has to be given more room afterwards. */
  #begin(head: number): void {
    this.#start = this.at;
    this.byte(head);
    this.#skip(this.#lengthBytes);
  }

  #end(): void {
    const bodyAt = this.#start + 1 + this.#lengthBytes;
    const length = this.at - bodyAt;
    if (length > lengthMax) throw new RangeError(`a packet of ${length} bytes is too long for MQTT`);
    const wanted = length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4;
    if (wanted !== this.#lengthBytes) {
      const shift = wanted - this.#lengthBytes;
      this.reserve(Math.max(shift, 0));
      this.bytes.copyWithin(bodyAt + shift, bodyAt, this.at);
      this.at += shift;
      this.#lengthBytes = wanted;
    }
    let rest = length;
    for (let at = this.#start + 1, left = wanted; left > 0; left--) {
      this.bytes[at++] = (rest & 0x7f) | (left > 1 ? 0x80 : 0);
      rest >>>= 7;
    }
  }
}

export interface ConnectOptions {
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** 0 = none. */
  readonly keepaliveSeconds: number;
}
