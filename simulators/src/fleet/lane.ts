/**
 * One connection of a sender. At QoS 1 and 2 (and over HTTP) every message that was taken from the source is sent until it is acked, over
 * any number of connections, byte for byte the same and in the order in which it was taken; at QoS 0 it is sent once. At most `window`
 * messages are unsettled at a time, which bounds memory. A device has no memory of its own beyond that: while the
 * connection is away nothing is taken from the source. It connects when the first message is nearly due, and leaves after the last.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Timer } from '@fogline/shared/clock';
import { packetIdOf, sequenceOf, slotFlags } from './in-flight.ts';
import type { LanePorts } from './lane-ports.ts';
import type { Session } from './wire.ts';

const reconnect = { baseMs: 50, maxMs: 2_000, healthyMs: 100 } as const;
/** Of source time at speed 1: connections are there when the first message is due. */
const connectAheadMs = 1_000;
const messagesPerTurnMax = 256;

export class Lane {
  readonly lane: number;
  readonly #ports: LanePorts;
  readonly #backoff: Backoff;
  readonly #hasSubscriptions: boolean;
  #phase: 'idle' | 'queued' | 'connecting' | 'open' | 'waiting' | 'over' = 'idle';
  #session: Session | undefined;
  /** Messages are counted from 0: settled are all before `#head`, taken all before `#tail`, with the operating system all before `#written`. */
  #head = 0;
  #tail = 0;
  #written = 0;
  /** What was put together in this turn, and begins at this message. */
  #chunk: Buffer | undefined;
  #isStopping = false;
  /** Takes one of the places of connections that are coming about. */
  #isConnecting = false;
  #openedMs = 0;
  #timer: Timer | undefined;

  constructor(lane: number, ports: LanePorts) {
    this.lane = lane;
    this.#ports = ports;
    this.#backoff = new Backoff(reconnect, ports.random);
    this.#hasSubscriptions = (ports.source.subscriptions?.(lane).length ?? 0) > 0;
  }

  /** Messages that were sent and are not settled. */
  get unsettled(): number {
    let count = 0;
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      if (((this.#ports.inFlight.flags[this.#slot(sequence)] as number) & slotFlags.settled) === 0) count++;
    }
    return count;
  }

  get isOpen(): boolean {
    return this.#phase === 'open';
  }

  /** Wants a connection and has none. */
  get isWaiting(): boolean {
    return this.#phase === 'queued' || this.#phase === 'connecting' || this.#phase === 'waiting';
  }

  /** Takes nothing more from the source; what is unsettled is still sent. */
  drain(): void {
    this.#isStopping = true;
  }

  /** Ends the connection, settled or not. */
  end(): void {
    if (this.#phase === 'over') return;
    if (this.#phase === 'open') this.#ports.counts.open--;
    this.#phase = 'over';
    this.#timer?.cancel();
    this.#session?.end();
  }

  /** The sender lets the lane connect now. */
  connect(): void {
    if (this.#phase !== 'queued') return;
    const { wire, clientPrefix, counts, source } = this.#ports;
    this.#phase = 'connecting';
    this.#isConnecting = true;
    this.#session = wire.connect(`${clientPrefix}-${this.lane}`, {
      onOpen: () => {
        if (this.#phase !== 'connecting') return;
        this.#phase = 'open';
        this.#openedMs = this.#ports.monotonicMs();
        counts.connects++;
        counts.openMax = Math.max(counts.openMax, ++counts.open);
        this.#connected();
        if (this.#hasSubscriptions) this.#session?.subscribe(source.subscriptions?.(this.lane) ?? []);
        this.#sendAgain();
        this.#ports.makeReady(this);
      },
      onAck: (packetId) => this.#onAck(packetId),
      onWritten: (mark) => this.#onWritten(mark),
      onRefused: (mark, reason) => {
        counts.lastReason = reason;
        this.#drop(mark);
      },
      onMessage: (topic, payload) => {
        source.onMessage?.(topic, payload, this.#ports.deviceNowMs());
        // An answer to a command is due at once, or will be.
        this.#ports.makeReady(this);
      },
      onClosed: (reason) => this.#onClosed(reason),
    });
  }

  /**
   * Takes what is due and fits the window, and puts it together; `send` sends it. Returns when it has to look again, in device time:
   * `-Infinity` in the next turn, `Infinity` not before something happens, NaN when the source asks for patience.
   */
  fill(nowMs: number): number {
    if (this.#phase === 'over') return Infinity;
    const { source, speed } = this.#ports;
    const dueMs = this.#isStopping ? Infinity : source.dueMs(this.lane);
    if (dueMs === Infinity && this.#head === this.#tail && !this.#mustListen()) {
      this.#finish();
      return Infinity;
    }
    if (this.#phase === 'idle') {
      const connectMs = this.#hasSubscriptions ? -Infinity : dueMs - connectAheadMs * speed;
      if (connectMs > nowMs) return connectMs;
      this.#phase = 'queued';
      this.#ports.wantsConnection(this);
    }
    return this.#phase === 'open' ? this.#take(nowMs) : Infinity;
  }

  /** Commands may come as long as anybody has something to send. */
  #mustListen(): boolean {
    return this.#hasSubscriptions && !this.#isStopping && this.#ports.lanesLeft() > 1;
  }

  #take(nowMs: number): number {
    const { source, outgoing, inFlight } = this.#ports;
    const { window } = inFlight;
    const first = this.#tail;
    const last = Math.min(this.#head + window, first + messagesPerTurnMax);
    outgoing.frames.at = 0;
    let next = Number.NaN;
    while (this.#tail < last) {
      const dueMs = this.#isStopping ? Infinity : source.dueMs(this.lane);
      next = dueMs;
      if (dueMs > nowMs || dueMs === Infinity) break;
      outgoing.packetId = packetIdOf(this.#tail);
      const from = outgoing.frames.at;
      if (!source.take(this.lane, outgoing)) {
        next = Number.NaN;
        break;
      }
      this.#remember(from, outgoing.frames.at);
      next = -Infinity;
    }
    if (this.#tail > first) this.#pack(first);
    return this.#tail >= this.#head + window ? Infinity : next;
  }

  #remember(from: number, to: number): void {
    const { inFlight, outgoing, counts, wire, monotonicMs } = this.#ports;
    const slot = this.#slot(this.#tail++);
    inFlight.device[slot] = outgoing.device;
    inFlight.position[slot] = outgoing.position;
    inFlight.timeMs[slot] = outgoing.timeMs;
    inFlight.sentAtMs[slot] = monotonicMs();
    const isAcked = outgoing.qos > 0 || wire.framing === 'lines';
    inFlight.flags[slot] = (isAcked ? slotFlags.acked : 0) | (outgoing.isReading ? slotFlags.reading : 0);
    inFlight.setPlace(slot, from, to);
    counts.sent++;
  }

  /** What the shared buffer holds becomes the lane's own. */
  #pack(first: number): void {
    const { inFlight, outgoing } = this.#ports;
    const { bytes, at } = outgoing.frames;
    const chunk = Buffer.allocUnsafe(at);
    bytes.copy(chunk, 0, 0, at);
    for (let sequence = first; sequence < this.#tail; sequence++) inFlight.setChunk(this.#slot(sequence), chunk);
    this.#chunk = chunk;
  }

  /** After what was taken is in the truth file. */
  send(): void {
    const chunk = this.#chunk;
    this.#chunk = undefined;
    if (chunk !== undefined && this.#phase === 'open') this.#session?.write(chunk, this.#tail);
  }

  #sendAgain(): void {
    const { inFlight, counts } = this.#ports;
    const pieces: Buffer[] = [];
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const slot = this.#slot(sequence);
      if (((inFlight.flags[slot] as number) & slotFlags.settled) === 0) pieces.push(inFlight.bytesOf(slot));
    }
    counts.resent += pieces.length;
    this.#written = this.#head;
    if (pieces.length > 0) this.#session?.write(Buffer.concat(pieces), this.#tail);
  }

  #onAck(packetId: number): void {
    const sequence = sequenceOf(packetId, this.#head);
    if (sequence >= this.#tail) return;
    this.#settle(sequence, true);
    this.#advance();
  }

  #onWritten(mark: number): void {
    const { inFlight, wire } = this.#ports;
    for (let sequence = Math.max(this.#written, this.#head); sequence < mark; sequence++) {
      const needsAck = ((inFlight.flags[this.#slot(sequence)] as number) & slotFlags.acked) !== 0;
      if (!needsAck || wire.framing === 'lines') this.#settle(sequence, needsAck);
    }
    this.#written = mark;
    this.#advance();
  }

  #settle(sequence: number, isAck: boolean): void {
    const slot = this.#slot(sequence);
    const { inFlight } = this.#ports;
    const flags = inFlight.flags[slot] as number;
    if ((flags & slotFlags.settled) !== 0) return;
    inFlight.settle(slot);
    this.#ports.settled(slot, isAck, (flags & slotFlags.reading) !== 0);
  }

  #advance(): void {
    const { inFlight, source } = this.#ports;
    const before = this.#head;
    while (this.#head < this.#tail) {
      const slot = this.#slot(this.#head);
      if (((inFlight.flags[slot] as number) & slotFlags.settled) === 0) break;
      if (((inFlight.flags[slot] as number) & slotFlags.reading) !== 0) {
        source.settled?.(inFlight.device[slot] as number, inFlight.position[slot] as number);
      }
      this.#head++;
    }
    if (this.#head > before) this.#ports.makeReady(this);
  }

  #onClosed(reason: string): void {
    const { counts, clock, makeReady, monotonicMs } = this.#ports;
    const wasOpen = this.#phase === 'open';
    this.#session = undefined;
    this.#chunk = undefined;
    this.#connected();
    if (this.#phase === 'over') return;
    if (wasOpen) {
      counts.disconnects++;
      counts.open--;
    }
    counts.lastReason = reason;
    this.#dropUnsent();
    this.#phase = 'waiting';
    const delayMs = this.#backoff.nextDelayMs(wasOpen ? monotonicMs() - this.#openedMs : 0);
    this.#timer = clock.after('fleet reconnect', delayMs, () => {
      this.#phase = 'queued';
      this.#ports.wantsConnection(this);
    });
    makeReady(this);
  }

  #connected(): void {
    if (!this.#isConnecting) return;
    this.#isConnecting = false;
    this.#ports.connected();
  }

  /** What went out at QoS 0 and did not leave this machine is gone. */
  #dropUnsent(): void {
    const { inFlight } = this.#ports;
    for (let sequence = this.#head; sequence < this.#tail; sequence++) {
      const slot = this.#slot(sequence);
      if (((inFlight.flags[slot] as number) & slotFlags.acked) === 0) this.#giveUp(slot);
    }
    this.#advance();
  }

  /** The server will not have it, now or later. */
  #drop(mark: number): void {
    for (let sequence = this.#head; sequence < mark; sequence++) this.#giveUp(this.#slot(sequence));
    this.#written = mark;
    this.#advance();
  }

  #giveUp(slot: number): void {
    const { inFlight, counts } = this.#ports;
    if (((inFlight.flags[slot] as number) & slotFlags.settled) !== 0) return;
    inFlight.settle(slot);
    counts.dropped++;
  }

  #finish(): void {
    this.end();
    this.#ports.over();
  }

  #slot(sequence: number): number {
    return this.#ports.inFlight.slot(this.lane, sequence);
  }
}
