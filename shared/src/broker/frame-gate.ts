/**
 * The frame gate's core: what one MQTT connection may send, and when. Pure: bytes and times in, steps as data out; the driver
 * (gate-stream.ts) moves them between a socket and the broker.
 *
 * Guarantees: the broker sees only whole, well-formed frames within the limits, the first of them a CONNECT and nothing more until that
 * was accepted; acks leave in the order of the publishes; never more than `pendingBytesMax` (plus one frame) of publishes are in the
 * broker of one connection, nor than the listener's budget of all. Keepalive is the gate's: CONNECT reaches the broker with keepalive 0 and PINGREQ is answered here, so that a connection
 * whose acks are held stays alive.
 */
import { AckQueue } from './ack-queue.ts';
import type { Lane, Settle } from './fast-lane.ts';
import { FrameCutter, type FrameRefusal, packetType } from './frame-cutter.ts';
import type { GateLimits } from './gate-limits.ts';
import { Outbound } from './outbound.ts';

export type Refusal = FrameRefusal | 'not_connect_first' | 'second_connect' | 'malformed_connect' | 'malformed_publish';

export type GateStep =
  /** Whole frames for the broker. */
  | { readonly kind: 'frames'; readonly bytes: Buffer }
  /** The rewritten CONNECT for the broker. */
  | { readonly kind: 'connect'; readonly bytes: Buffer }
  /** Owed to the client: a PINGRESP. */
  | { readonly kind: 'ping' }
  | { readonly kind: 'refuse'; readonly reason: Refusal }
  /** Nothing to do until: more bytes, CONNECT accepted, publishes settled, all publishes settled, so many ms passed. */
  | { readonly kind: 'wait'; readonly for: 'bytes' | 'accept' | 'settle' | 'settle_all' }
  | { readonly kind: 'wait'; readonly for: 'rate'; readonly ms: number };

/** Bytes in publishes not settled, over all connections of a listener. */
export interface PendingBudget {
  readonly bytesMax: number;
  bytes: number;
  /** Connections that wait for room, the longest waiting first. */
  readonly waiting: Set<{ run(): void }>;
}

/** What a publish costs beside its bytes while it is pending; it bounds the number of empty ones. */
export const pendingOverheadBytes = 64;

const waitBytes: GateStep = { kind: 'wait', for: 'bytes' };
const waitAccept: GateStep = { kind: 'wait', for: 'accept' };
const waitSettle: GateStep = { kind: 'wait', for: 'settle' };
const waitSettleAll: GateStep = { kind: 'wait', for: 'settle_all' };
const ping: GateStep = { kind: 'ping' };
const rateWaitMsMin = 5;

export class FrameGate {
  readonly outbound: Outbound;
  readonly #limits: GateLimits;
  readonly #budget: PendingBudget;
  readonly #acks = new AckQueue();
  readonly #cutter: FrameCutter;
  #phase: 'connect' | 'accepting' | 'open' | 'closed' = 'connect';
  #pendingBytes = 0;
  #isDraining = false;
  #isLeaving = false;
  #keepaliveMs = 0;
  #messages: number;
  #messagesAtMs = 0;
  #lane: Lane | undefined;
  readonly #settle: Settle;
  /** In the broker: publishes not settled, SUBSCRIBE and UNSUBSCRIBE so far. */
  #publishesInside = 0;
  #questions = 0;
  /** Of the PUBLISH that was checked last. */
  #packetId = 0;
  #payloadAt = 0;

  /** `settle` is handed to who takes publishes by the lane; it is to call `settleLane`. */
  constructor(limits: GateLimits, budget: PendingBudget, settle: Settle = (ticket) => this.settleLane(ticket)) {
    this.#limits = limits;
    this.#budget = budget;
    this.#settle = settle;
    this.#cutter = new FrameCutter(limits.connectFrameBytesMax);
    this.#messages = limits.messageBurstMax;
    this.outbound = new Outbound(this.#acks);
  }

  /** Silence after which the client counts as gone; 0 = never (MQTT: one and a half times the keepalive). */
  get keepaliveMs(): number {
    return this.#keepaliveMs;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Publishes whose ack has not left. */
  get unacked(): number {
    return this.#acks.length;
  }

  get bufferedBytes(): number {
    return this.#cutter.bufferedBytes;
  }

  feed(chunk: Buffer): void {
    this.#cutter.feed(chunk);
  }

  /** The broker accepted the CONNECT; with a lane, publishes may pass it by. */
  accept(nowMs: number, lane?: Lane): void {
    if (this.#phase !== 'accepting') return;
    this.#phase = 'open';
    this.#lane = lane;
    this.#cutter.frameBytesMax = this.#limits.frameBytesMax;
    this.#messagesAtMs = nowMs;
  }

  /** The broker is through with a publish of this remaining length: acked, and delivered to every subscriber. */
  settle(remainingLength: number): void {
    if (this.#phase === 'closed') return;
    this.#publishesInside = Math.max(0, this.#publishesInside - 1);
    this.#unbook(remainingLength + pendingOverheadBytes);
  }

  /** A publish that the lane took is durable. */
  settleLane(ticket: number): void {
    if (this.#phase === 'closed') return;
    this.#unbook(this.#acks.settle(ticket));
    this.outbound.releaseAcks();
  }

  /** The client is gone and its DISCONNECT waited long enough for the publishes before it. */
  leave(): void {
    this.#isLeaving = true;
  }

  close(): void {
    this.#phase = 'closed';
    this.#budget.bytes -= this.#pendingBytes;
    this.#pendingBytes = 0;
  }

  /** The next thing to do; called until it says wait or refuse. `nowMs` is monotonic. */
  step(nowMs: number): GateStep {
    switch (this.#phase) {
      case 'connect':
        return this.#stepConnect();
      case 'accepting':
        return waitAccept;
      case 'open':
        return this.#stepOpen(nowMs);
      case 'closed':
        return waitBytes;
    }
  }

  #stepConnect(): GateStep {
    const cutter = this.#cutter;
    const status = cutter.peek();
    if (status === 'more') return waitBytes;
    if (status !== 'frame') return { kind: 'refuse', reason: status };
    if ((cutter.buffer[cutter.start] as number) >> 4 !== packetType.connect) {
      return { kind: 'refuse', reason: 'not_connect_first' };
    }
    const bytes = Buffer.from(cutter.buffer.subarray(cutter.start, cutter.end));
    const keepaliveAt = keepaliveOffset(bytes, cutter.bodyStart - cutter.start);
    if (keepaliveAt === 0) return { kind: 'refuse', reason: 'malformed_connect' };
    this.#keepaliveMs = bytes.readUInt16BE(keepaliveAt) * 1_500;
    bytes.writeUInt16BE(0, keepaliveAt);
    cutter.consume();
    this.#phase = 'accepting';
    return { kind: 'connect', bytes };
  }

  #stepOpen(nowMs: number): GateStep {
    const cutter = this.#cutter;
    let range: Buffer | undefined;
    let from = 0;
    let to = 0;
    let stop: GateStep | undefined;
    while (stop === undefined) {
      const status = cutter.peek();
      if (status !== 'frame') {
        stop = status === 'more' ? waitBytes : { kind: 'refuse', reason: status };
        break;
      }
      // Frames of one buffer that follow each other leave as one range, without a copy.
      if (range !== undefined && (range !== cutter.buffer || to !== cutter.start)) break;
      const type = (cutter.buffer[cutter.start] as number) >> 4;
      if (type === packetType.publish) {
        stop = this.#check(nowMs);
        if (stop === undefined && this.#takeByLane(range)) continue;
        if (stop === undefined) this.#book();
      } else if (type === packetType.pingreq) stop = ping;
      else if (type === packetType.connect) stop = { kind: 'refuse', reason: 'second_connect' };
      else if (type === packetType.disconnect && this.#pendingBytes > 0 && !this.#isLeaving) stop = waitSettleAll;
      else if (type === packetType.subscribe || type === packetType.unsubscribe) this.#questions++;
      if (stop !== undefined) break;
      if (range === undefined) {
        range = cutter.buffer;
        from = cutter.start;
      }
      to = cutter.end;
      cutter.consume();
    }
    if (range !== undefined) return { kind: 'frames', bytes: range.subarray(from, to) };
    if (stop === ping) cutter.consume();
    return stop ?? waitBytes;
  }

  /** Checks the PUBLISH at hand; undefined = it may pass. */
  #check(nowMs: number): GateStep | undefined {
    const { buffer, bodyStart, start, end } = this.#cutter;
    const qos = ((buffer[start] as number) >> 1) & 3;
    if (this.#isOverBudget(qos)) return waitSettle;
    const idBytes = qos === 0 ? 0 : 2;
    if (end - bodyStart < 2 + idBytes) return { kind: 'refuse', reason: 'malformed_publish' };
    const idAt = bodyStart + 2 + buffer.readUInt16BE(bodyStart);
    if (idAt + idBytes > end || idAt === bodyStart + 2) return { kind: 'refuse', reason: 'malformed_publish' };
    this.#packetId = qos === 0 ? 0 : buffer.readUInt16BE(idAt);
    this.#payloadAt = idAt + idBytes;
    if (qos !== 0 && this.#packetId === 0) return { kind: 'refuse', reason: 'malformed_publish' };
    const waitMs = this.#takeMessage(nowMs);
    return waitMs > 0 ? { kind: 'wait', for: 'rate', ms: waitMs } : undefined;
  }

  /** The PUBLISH at hand goes to the broker. */
  #book(): void {
    const { buffer, bodyStart, start, end } = this.#cutter;
    const qos = ((buffer[start] as number) >> 1) & 3;
    const bytes = end - bodyStart + pendingOverheadBytes;
    if (qos !== 0) this.#acks.push(qos as 1 | 2, this.#packetId);
    this.#publishesInside++;
    this.#pendingBytes += bytes;
    this.#budget.bytes += bytes;
  }

  /** Consumes the PUBLISH at hand if it may pass the broker by. While the broker holds anything of this connection, nothing does. */
  #takeByLane(before: Buffer | undefined): boolean {
    const lane = this.#lane;
    if (lane === undefined || before !== undefined || this.#publishesInside > 0) return false;
    if (this.#questions > this.outbound.answered) return false;
    const { buffer, bodyStart, start, end } = this.#cutter;
    const flags = (buffer[start] as number) & 15;
    const qos = (flags >> 1) & 3;
    if (qos === 2 || (flags & 1) === 1) return false;
    const payloadAt = this.#payloadAt;
    const taker = lane.taker(buffer, bodyStart + 2, qos === 0 ? payloadAt : payloadAt - 2);
    if (taker === undefined) return false;
    this.#cutter.consume();
    if (qos === 0) {
      taker.take(buffer, payloadAt, end, undefined, 0);
      return true;
    }
    const bytes = end - bodyStart + pendingOverheadBytes;
    this.#pendingBytes += bytes;
    this.#budget.bytes += bytes;
    taker.take(buffer, payloadAt, end, this.#settle, this.#acks.pushLane(this.#packetId, bytes));
    return true;
  }

  #unbook(bookedBytes: number): void {
    const bytes = Math.min(bookedBytes, this.#pendingBytes);
    this.#pendingBytes -= bytes;
    this.#budget.bytes -= bytes;
  }

  /**
   * Stops at the connection's limit, goes on at half of it: sockets are not switched per message. QoS 0 is not held for an ack, so
   * it does not wait for other connections' acks either: the consumer drops it when it is overloaded.
   */
  #isOverBudget(qos: number): boolean {
    const own = this.#isDraining ? this.#limits.pendingBytesMax / 2 : this.#limits.pendingBytesMax;
    this.#isDraining = this.#pendingBytes >= own;
    return this.#isDraining || (qos !== 0 && this.#budget.bytes >= this.#budget.bytesMax);
  }

  #takeMessage(nowMs: number): number {
    const perSecond = this.#limits.messagesPerSecondMax;
    if (perSecond === 0) return 0;
    const earned = ((nowMs - this.#messagesAtMs) * perSecond) / 1_000;
    this.#messages = Math.min(this.#limits.messageBurstMax, this.#messages + earned);
    this.#messagesAtMs = nowMs;
    if (this.#messages >= 1) {
      this.#messages--;
      return 0;
    }
    return Math.max(rateWaitMsMin, Math.ceil(((1 - this.#messages) * 1_000) / perSecond));
  }
}

/** Where a CONNECT keeps its keepalive, 0 when it is not a CONNECT of MQTT 3.1, 3.1.1 or 5. */
function keepaliveOffset(frame: Buffer, body: number): number {
  if (frame.length < body + 2) return 0;
  const nameLength = frame.readUInt16BE(body);
  const name = frame.toString('latin1', body + 2, body + 2 + nameLength);
  if (name !== 'MQTT' && name !== 'MQIsdp') return 0;
  const keepaliveAt = body + 2 + nameLength + 2;
  return frame.length >= keepaliveAt + 2 ? keepaliveAt : 0;
}
