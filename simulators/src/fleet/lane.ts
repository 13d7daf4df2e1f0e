/**
 * One connection of a sender. At QoS 1 and 2 every message that was taken from the source is sent until it is acked, over any
 * number of connections, byte for byte the same and in the order of its times; at QoS 0 it is sent once. At most `window`
 * messages are unsettled at a time, which bounds memory. A device has no memory of its own beyond that: while the
 * connection is away nothing is taken from the source.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Random } from '@fogline/shared/random';
import type { Message, Source } from './source.ts';
import type { TruthWriter } from './truth-writer.ts';
import type { Qos, Session, Wire } from './wire.ts';

export interface LaneOptions {
  readonly lane: number;
  readonly clientId: string;
  readonly wire: Wire;
  readonly source: Source;
  readonly qos: Qos;
  readonly window: number;
  readonly truth: TruthWriter | undefined;
  readonly clock: Clock;
  readonly random: Random;
  /** Device time of this moment; Infinity = everything is due. */
  deviceNowMs(): number;
  /** Monotonic ms until a device time is due. */
  untilMs(deviceMs: number): number;
  /** All messages of the source are sent and settled. */
  onDone(): void;
  readonly counts: LaneCounts;
}

/** Shared by all lanes of a sender. */
export interface LaneCounts {
  sent: number;
  resent: number;
  settled: number;
  connects: number;
  disconnects: number;
  lastReason: string;
}

const reconnectDelayMs = { first: 50, max: 2_000 } as const;
/** Between two looks at a source that holds back until other lanes have gone on. */
const blockedMs = 5;
const timerMsMax = 60_000;

export class Lane {
  readonly #options: LaneOptions;
  readonly #unsettled = new Map<number, Message>();
  #resend: Message[] = [];
  #nextHandle = 0;
  #attempts = 0;
  #session: Session | undefined;
  #isOpen = false;
  #isStopping = false;
  #isDone = false;
  #timer: Timer | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#connect();
  }

  /** Messages that were sent and are not settled. */
  get unsettled(): number {
    return this.#unsettled.size + this.#resend.length;
  }

  /** Takes nothing more from the source; what is unsettled is still sent. `onDone` follows when all is settled. */
  drain(): void {
    this.#isStopping = true;
    this.#pump();
  }

  /** Ends the connection, settled or not. */
  end(): void {
    this.#isStopping = true;
    this.#isDone = true;
    this.#timer?.cancel();
    this.#session?.end();
  }

  #connect(): void {
    const { wire, clientId, counts } = this.#options;
    this.#session = wire.connect(clientId, {
      onOpen: () => {
        counts.connects++;
        this.#attempts = 0;
        this.#isOpen = true;
        this.#pump();
      },
      onSettled: (handles) => this.#onSettled(handles),
      onClosed: (reason) => this.#onClosed(reason),
    });
  }

  #onSettled(handles: readonly number[]): void {
    const { counts, truth, source, qos } = this.#options;
    for (const handle of handles) {
      const message = this.#unsettled.get(handle);
      if (message === undefined) continue;
      this.#unsettled.delete(handle);
      counts.settled++;
      if (qos > 0) truth?.acked(message);
      source.settled?.(message);
    }
    this.#pump();
  }

  #onClosed(reason: string): void {
    const { counts, qos, clock, random } = this.#options;
    this.#session = undefined;
    if (this.#isOpen) counts.disconnects++;
    this.#isOpen = false;
    counts.lastReason = reason;
    // In the order of sending: acks may have come in any order, device time must not run backwards.
    this.#resend = qos === 0 ? [] : [...this.#unsettled.values(), ...this.#resend];
    this.#unsettled.clear();
    if (this.#isDone) return;
    this.#timer?.cancel();
    const ceilingMs = Math.min(reconnectDelayMs.max, reconnectDelayMs.first * 2 ** this.#attempts++);
    this.#timer = clock.after('fleet reconnect', random.unit() * ceilingMs, () => this.#connect());
  }

  /** Sends what is due and fits the window. */
  #pump(): void {
    if (!this.#isOpen || this.#session === undefined || this.#isDone) return;
    const { source, lane, window, truth, qos, counts } = this.#options;
    const batch: Message[] = [];
    const room = window - this.#unsettled.size;
    const again = this.#resend.splice(0, room);
    counts.resent += again.length;
    const nowMs = this.#options.deviceNowMs();
    while (!this.#isStopping && again.length + batch.length < room && source.dueMs(lane) <= nowMs) {
      const message = source.take(lane);
      if (message === undefined) break;
      truth?.sent(message, qos);
      batch.push(message);
    }
    counts.sent += batch.length;
    truth?.flush();
    for (const message of again) this.#publish(message);
    for (const message of batch) this.#publish(message);
    this.#whatNext();
  }

  #publish(message: Message): void {
    const handle = this.#nextHandle++;
    this.#unsettled.set(handle, message);
    this.#session?.publish(handle, message.topic, message.payload, this.#options.qos);
  }

  #whatNext(): void {
    const { source, lane, window, clock, untilMs, onDone } = this.#options;
    const dueMs = this.#isStopping ? Infinity : source.dueMs(lane);
    if (dueMs === Infinity) {
      if (this.unsettled > 0) return;
      this.#isDone = true;
      onDone();
      return;
    }
    if (this.#unsettled.size >= window) return;
    this.#timer?.cancel();
    const waitMs = Math.max(blockedMs, untilMs(dueMs));
    this.#timer = clock.after('fleet next reading', Math.min(waitMs, timerMsMax), () => this.#pump());
  }
}
