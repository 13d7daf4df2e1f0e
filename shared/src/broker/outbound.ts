/**
 * What goes to one client. Follows the frames in the bytes that the broker writes, in whatever pieces, and gives every PUBACK and
 * PUBREC to the ack queue, which decides when it leaves; all else passes in order. Small writes are gathered into
 * one buffer per flush.
 */
import { invariant } from '../errors.ts';
import type { AckQueue } from './ack-queue.ts';

/** Pieces from this size on are passed on without a copy. */
const copyBytesMax = 1_024;
const scratchBytes = 4_096;

const pubackByte = 0x40;
const pubrecByte = 0x50;
const subackByte = 0x90;
const unsubackByte = 0xb0;

type State = 'header' | 'length' | 'body';

export class Outbound {
  readonly #acks: AckQueue;
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #scratch: Buffer = Buffer.allocUnsafeSlow(256);
  #scratchLength = 0;

  #state: State = 'header';
  #header = 0;
  #remaining = 0;
  #lengthShift = 0;
  /** The ack being read; its two id bytes, most significant first. */
  #ackId = 0;
  /** SUBSCRIBE and UNSUBSCRIBE that the broker has answered. */
  answered = 0;

  constructor(acks: AckQueue) {
    this.#acks = acks;
  }

  /** Bytes gathered and not taken. */
  get bytes(): number {
    return this.#pieceBytes + this.#scratchLength;
  }

  /** Follows one piece written by the broker. */
  write(piece: Buffer): void {
    let passFrom = 0;
    let at = 0;
    while (at < piece.length) {
      if (this.#state === 'body') {
        const take = Math.min(this.#remaining, piece.length - at);
        if (this.#isAck()) {
          for (let i = 0; i < take; i++) this.#ackId = (this.#ackId << 8) | (piece[at + i] as number);
          passFrom = at + take;
        }
        at += take;
        this.#remaining -= take;
      } else {
        const byte = piece[at] as number;
        if (this.#state === 'header') {
          this.#header = byte;
          this.#lengthShift = 0;
          this.#ackId = 0;
          this.#state = 'length';
          if (this.#isAck()) this.#pass(piece, passFrom, at);
        } else {
          this.#remaining |= (byte & 127) << this.#lengthShift;
          this.#lengthShift += 7;
          if (byte < 128) this.#state = 'body';
        }
        at++;
        if (this.#isAck()) passFrom = at;
      }
      if (this.#state === 'body' && this.#remaining === 0) {
        if (!this.#isAck() && this.#acks.isReady) {
          this.#pass(piece, passFrom, at);
          passFrom = at;
        }
        this.#endFrame();
      }
    }
    this.#pass(piece, passFrom, piece.length);
  }

  /** Appends a whole frame of the gate's own; only between frames of the broker. */
  reply(frame: Buffer): void {
    invariant(this.#state === 'header', 'a reply of the gate would cut a frame of the broker');
    this.#pass(frame, 0, frame.length);
  }

  get isBetweenFrames(): boolean {
    return this.#state === 'header';
  }

  /** The bytes that may leave now, in order. */
  take(): Buffer[] {
    this.#sealScratch();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#pieceBytes = 0;
    return pieces;
  }

  #isAck(): boolean {
    return this.#header === pubackByte || this.#header === pubrecByte;
  }

  #endFrame(): void {
    this.#state = 'header';
    if (this.#header === subackByte || this.#header === unsubackByte) this.answered++;
    if (this.#isAck()) {
      const isKnown = this.#acks.ack(this.#header === pubackByte ? 1 : 2, this.#ackId);
      invariant(isKnown, 'the broker acked a publish that the gate did not pass');
    }
    this.releaseAcks();
  }

  /** Acks that may leave do; in the middle of a frame of the broker, behind it. */
  releaseAcks(): void {
    if (!this.isBetweenFrames) return;
    for (let ack = this.#acks.shift(); ack !== 0; ack = this.#acks.shift()) {
      this.#reserve(4);
      const at = this.#scratchLength;
      this.#scratch[at] = ack >> 16 === 1 ? pubackByte : pubrecByte;
      this.#scratch[at + 1] = 2;
      this.#scratch[at + 2] = (ack >> 8) & 255;
      this.#scratch[at + 3] = ack & 255;
      this.#scratchLength = at + 4;
    }
  }

  #pass(piece: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length <= 0) return;
    if (length < copyBytesMax) {
      this.#reserve(length);
      piece.copy(this.#scratch, this.#scratchLength, from, to);
      this.#scratchLength += length;
    } else {
      this.#sealScratch();
      this.#pieces.push(from === 0 && to === piece.length ? piece : piece.subarray(from, to));
      this.#pieceBytes += length;
    }
  }

  #reserve(bytes: number): void {
    if (this.#scratchLength + bytes <= this.#scratch.length) return;
    this.#sealScratch();
    this.#scratch = Buffer.allocUnsafeSlow(scratchBytes);
  }

  #sealScratch(): void {
    if (this.#scratchLength === 0) return;
    // The socket may keep the piece after this call: go on behind it, never over it.
    this.#pieces.push(this.#scratch.subarray(0, this.#scratchLength));
    this.#pieceBytes += this.#scratchLength;
    this.#scratch = this.#scratch.subarray(this.#scratchLength);
    this.#scratchLength = 0;
  }
}
