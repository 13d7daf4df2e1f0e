/** What all connections of a link have in common: counters, delay, rate, slices, stalls and the armed cuts. */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { PacketName } from './packet-hold.ts';

export type Direction = 'up' | 'down';
export type CutMode = 'rst' | 'fin';

/** One direction of the link, over all connections. */
interface DirectionState {
  /** Handed to the far side so far. */
  bytes: number;
  /** Monotonic ms from which the next byte may leave, where a rate is set. */
  freeAtMs: number;
  cutAt: number;
  cutMode: CutMode;
  packetCut: PacketCut | undefined;
}

/** A cut inside a packet: which one from now on, and how many of its bytes still arrive. */
export interface PacketCut {
  readonly packet: PacketName;
  /** 1 = the next. */
  readonly nth: number;
  /** Half of the packet where undefined; at least 1, and at most all but one. */
  readonly bytes: number | undefined;
  readonly mode: CutMode;
}

export class LinkWeather {
  readonly up: DirectionState = { bytes: 0, freeAtMs: 0, cutAt: Infinity, cutMode: 'rst', packetCut: undefined };
  readonly down: DirectionState = { bytes: 0, freeAtMs: 0, cutAt: Infinity, cutMode: 'rst', packetCut: undefined };
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #delayMs = 0;
  #bytesPerSecond = Infinity;
  #sliceBytes = Infinity;
  #stallTimer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isStalled(): boolean {
    return this.#stallTimer !== undefined;
  }

  /** When bytes that arrive now may leave, by the delay alone. */
  dueMs(): number {
    return this.#clock.monotonic() + this.#delayMs;
  }

  /** Largest piece to forward at once, so that a slow link trickles instead of bursting. */
  get pieceBytes(): number {
    const trickle = this.#bytesPerSecond === Infinity ? Infinity : Math.max(1, Math.floor(this.#bytesPerSecond / 20));
    return Math.min(trickle, this.#sliceBytes);
  }

  /** Pieces must leave one by one, each in a turn of its own. */
  get isSliced(): boolean {
    return this.#sliceBytes !== Infinity;
  }

  /** Ms to wait before a piece that is due at `dueMs` may leave; 0 or less = now. */
  waitMs(direction: Direction, dueMs: number): number {
    return Math.max(dueMs, this[direction].freeAtMs) - this.#clock.monotonic();
  }

  /** Counts bytes that leave now; true when the armed cut falls on the last of them. */
  count(direction: Direction, bytes: number): CutMode | undefined {
    const state = this[direction];
    state.bytes += bytes;
    if (this.#bytesPerSecond !== Infinity) {
      state.freeAtMs = Math.max(state.freeAtMs, this.#clock.monotonic()) + (bytes / this.#bytesPerSecond) * 1000;
    }
    if (state.bytes < state.cutAt) return undefined;
    state.cutAt = Infinity;
    return state.cutMode;
  }

  /** Bytes that may still pass before the armed cut. */
  untilCut(direction: Direction): number {
    return this[direction].cutAt - this[direction].bytes;
  }

  armCut(direction: Direction, bytes: number, mode: CutMode): void {
    this[direction].cutAt = this[direction].bytes + Math.max(1, bytes);
    this[direction].cutMode = mode;
  }

  armPacketCut(direction: Direction, cut: PacketCut): void {
    this[direction].packetCut = cut;
  }

  /** A packet is about to leave whole; arms the cut inside it where it is the one. */
  packetStarts(direction: Direction, name: PacketName, length: number): void {
    const state = this[direction];
    const armed = state.packetCut;
    if (armed?.packet !== name) return;
    if (armed.nth > 1) {
      state.packetCut = { ...armed, nth: armed.nth - 1 };
      return;
    }
    state.packetCut = undefined;
    const bytes = armed.bytes ?? Math.floor(length / 2);
    this.armCut(direction, Math.min(Math.max(1, bytes), length - 1), armed.mode);
  }

  setSlices(bytes: number): void {
    this.#sliceBytes = bytes;
  }

  setDelay(ms: number): void {
    this.#delayMs = ms;
  }

  setRate(bytesPerSecond: number): void {
    this.#bytesPerSecond = bytesPerSecond;
  }

  stall(ms: number): void {
    this.#stallTimer?.cancel();
    this.#stallTimer = this.#clock.after('link stall', ms, () => {
      this.#stallTimer = undefined;
      const waiting = [...this.#waiting];
      this.#waiting.clear();
      for (const resume of waiting) resume();
    });
  }

  /** Calls `resume` once when the stall is over. */
  afterStall(resume: () => void): void {
    this.#waiting.add(resume);
  }

  after(ms: number, fire: () => void): Timer {
    return this.#clock.after('link piece', ms, fire);
  }

  close(): void {
    this.#stallTimer?.cancel();
    this.#waiting.clear();
  }
}
