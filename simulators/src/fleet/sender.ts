/**
 * Sends a source over as many connections as it has lanes, at the pace of device time, and keeps count. The same engine serves
 * fleets and replays. It works in turns: all lanes that have something to do put their messages together, the truth file is
 * written once for all of them, then the bytes leave.
 */
import { Sketch } from '@fogline/shared/aggregate/sketch';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Random } from '@fogline/shared/random';
import { DueHeap } from './due-heap.ts';
import { InFlight } from './in-flight.ts';
import { Lane } from './lane.ts';
import type { LaneCounts, LanePorts } from './lane-ports.ts';
import { Outgoing, type Source } from './source.ts';
import type { TruthWriter } from './truth-writer.ts';
import type { Wire } from './wire.ts';

export interface SenderOptions {
  readonly source: Source;
  readonly wire: Wire;
  /** Unsettled messages per connection. */
  readonly window: number;
  readonly truth?: TruthWriter;
  readonly clock: Clock;
  readonly random: Random;
  /** Device time at the moment of opening. */
  readonly startMs: number;
  /** Device seconds per second; 0 = as fast as acks allow. */
  readonly speed: number;
  /** Client ids are this, a dash and the lane. */
  readonly clientPrefix: string;
}

export interface SenderStats extends Readonly<LaneCounts> {
  /** Sent at QoS 1 or 2 and not acked. */
  readonly unsettled: number;
  /** Connections that are wanted and not there. */
  readonly waiting: number;
  /** Device time; Infinity at speed 0. */
  readonly deviceNowMs: number;
}

export interface Sender {
  /** Resolves when the source is exhausted and everything is settled. */
  readonly done: Promise<void>;
  /** From sending a message for the first time to its ack, ms. */
  readonly ackMs: Sketch;
  stats(): SenderStats;
  /** Takes nothing more, waits up to `graceMs` for what is unsettled, and disconnects. */
  stop(graceMs: number): Promise<void>;
}

const truthFlushMs = 200;
/** Between two looks at a source that holds back until other lanes have gone on. */
const patienceMs = 5;
const timerMsMax = 60_000;
const connectingMax = 256;
/** Then acks are read before more is sent. */
const messagesPerTurn = 8_192;

export function openSender(options: SenderOptions): Sender {
  return new TurnSender(options);
}

class TurnSender implements Sender {
  readonly done: Promise<void>;
  readonly ackMs = new Sketch();
  readonly #options: SenderOptions;
  readonly #openedMs: number;
  readonly #counts: LaneCounts = {
    sent: 0,
    resent: 0,
    settled: 0,
    dropped: 0,
    connects: 0,
    disconnects: 0,
    open: 0,
    openMax: 0,
    lastReason: '',
  };
  readonly #inFlight: InFlight;
  readonly #lanes: Lane[];
  readonly #isReady: Uint8Array;
  #ready: Lane[] = [];
  /** Lanes that sleep, by the device time at which they wake. */
  readonly #isAsleep: Uint8Array;
  readonly #dueMs: Float64Array;
  readonly #later: DueHeap;
  #patient: Lane[] = [];
  readonly #toConnect: Lane[] = [];
  #connecting = 0;
  #lanesLeft: number;
  readonly #resolve: () => void;
  #isTurnDue = false;
  #timer: Timer | undefined;
  #patienceTimer: Timer | undefined;
  #flushTimer: Timer | undefined;
  #isEnded = false;

  constructor(options: SenderOptions) {
    const { source, clock, window } = options;
    this.#options = options;
    this.#openedMs = clock.monotonic();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    this.#inFlight = new InFlight(source.lanes, window);
    this.#isReady = new Uint8Array(source.lanes);
    this.#isAsleep = new Uint8Array(source.lanes);
    this.#dueMs = new Float64Array(source.lanes);
    this.#later = new DueHeap(new Int32Array(source.lanes), this.#dueMs);
    this.#lanesLeft = source.lanes;
    const ports = this.#ports();
    this.#lanes = Array.from({ length: source.lanes }, (_, lane) => new Lane(lane, ports));
    for (const lane of this.#lanes) this.#makeReady(lane);
    if (options.truth !== undefined) this.#flushLater();
  }

  #ports(): LanePorts {
    const { clock, truth, source, wire, random, clientPrefix, speed } = this.#options;
    const inFlight = this.#inFlight;
    return {
      wire,
      source,
      clock,
      random,
      clientPrefix,
      speed,
      inFlight,
      outgoing: new Outgoing(wire.framing, truth?.lines),
      counts: this.#counts,
      deviceNowMs: () => this.#deviceNowMs(),
      monotonicMs: () => clock.monotonic(),
      makeReady: (lane) => this.#makeReady(lane),
      wantsConnection: (lane) => {
        this.#toConnect.push(lane);
        this.#connect();
      },
      connected: () => {
        this.#connecting--;
        this.#connect();
      },
      settled: (slot, isAck, isReading) => this.#settled(slot, isAck, isReading),
      lanesLeft: () => this.#lanesLeft,
      over: () => {
        if (--this.#lanesLeft === 0) this.#resolve();
        // Whoever only listened has nothing to listen for.
        if (this.#lanesLeft === 1) for (const lane of this.#lanes) if (lane.isOpen) this.#makeReady(lane);
      },
    };
  }

  stats(): SenderStats {
    let [unsettled, waiting] = [0, 0];
    for (const lane of this.#lanes) {
      unsettled += lane.unsettled;
      if (lane.isWaiting) waiting++;
    }
    return { ...this.#counts, unsettled, waiting, deviceNowMs: this.#deviceNowMs() };
  }

  async stop(graceMs: number): Promise<void> {
    for (const lane of this.#lanes) {
      lane.drain();
      this.#makeReady(lane);
    }
    await new Promise<void>((settled) => {
      const grace = this.#options.clock.after('fleet grace', graceMs, settled);
      void this.done.then(() => {
        grace.cancel();
        settled();
      });
    });
    this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const timer of [this.#timer, this.#patienceTimer, this.#flushTimer]) timer?.cancel();
    for (const lane of this.#lanes) lane.end();
    this.#options.wire.close();
    this.#options.truth?.close();
  }

  #deviceNowMs(): number {
    const { speed, startMs, clock } = this.#options;
    return speed === 0 ? Infinity : startMs + (clock.monotonic() - this.#openedMs) * speed;
  }

  #makeReady(lane: Lane): void {
    if (this.#isReady[lane.lane] !== 0 || this.#isEnded) return;
    this.#isReady[lane.lane] = 1;
    this.#ready.push(lane);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    if (this.#isEnded) return;
    const { truth } = this.#options;
    const nowMs = this.#deviceNowMs();
    this.#wake(nowMs);
    const lanes = this.#ready;
    this.#ready = [];
    const sentBefore = this.#counts.sent;
    let done = 0;
    while (done < lanes.length && this.#counts.sent - sentBefore < messagesPerTurn) {
      this.#fill(lanes[done++] as Lane, nowMs);
    }
    truth?.flush();
    for (let i = 0; i < done; i++) (lanes[i] as Lane).send();
    for (let i = done; i < lanes.length; i++) this.#ready.push(lanes[i] as Lane);
    if (this.#ready.length > 0) this.#turnSoon();
    this.#setTimer();
  }

  #fill(lane: Lane, nowMs: number): void {
    const number = lane.lane;
    this.#isReady[number] = 0;
    const { source, truth, clock } = this.#options;
    if (truth !== undefined && lane.isOpen && source.dueMs(number) <= nowMs) truth.at(clock.now());
    const nextMs = lane.fill(nowMs);
    if (Number.isNaN(nextMs)) this.#bePatient(lane);
    else if (nextMs === -Infinity) {
      this.#isReady[number] = 1;
      this.#ready.push(lane);
    } else if (nextMs !== Infinity) this.#sleep(lane, nextMs);
  }

  /** The lane may be asleep already, when something else woke it before its time. */
  #sleep(lane: Lane, untilMs: number): void {
    const number = lane.lane;
    if (this.#isAsleep[number] !== 0) {
      if (untilMs < (this.#dueMs[number] as number)) this.#bePatient(lane);
      return;
    }
    this.#isAsleep[number] = 1;
    this.#dueMs[number] = untilMs;
    this.#later.add(number);
  }

  #wake(nowMs: number): void {
    for (let number = this.#later.first; number >= 0; number = this.#later.first) {
      if ((this.#dueMs[number] as number) > nowMs) return;
      this.#later.removeFirst();
      this.#isAsleep[number] = 0;
      this.#makeReady(this.#lanes[number] as Lane);
    }
  }

  #setTimer(): void {
    const first = this.#later.first;
    this.#timer?.cancel();
    if (first < 0) return;
    const { clock, speed } = this.#options;
    const waitMs = ((this.#dueMs[first] as number) - this.#deviceNowMs()) / speed;
    this.#timer = clock.after('fleet next reading', Math.min(Math.max(waitMs, 1), timerMsMax), () => this.#turn());
  }

  #bePatient(lane: Lane): void {
    this.#patient.push(lane);
    this.#patienceTimer ??= this.#options.clock.after('fleet patience', patienceMs, () => {
      this.#patienceTimer = undefined;
      const lanes = this.#patient;
      this.#patient = [];
      for (const each of lanes) this.#makeReady(each);
    });
  }

  #connect(): void {
    while (this.#connecting < connectingMax) {
      const lane = this.#toConnect.shift();
      if (lane === undefined) return;
      this.#connecting++;
      lane.connect();
    }
  }

  #settled(slot: number, isAck: boolean, isReading: boolean): void {
    const { truth, clock, source } = this.#options;
    const inFlight = this.#inFlight;
    this.#counts.settled++;
    if (!isAck) return;
    this.ackMs.add(Math.max(0, clock.monotonic() - (inFlight.sentAtMs[slot] as number)), 1);
    if (truth === undefined || !isReading) return;
    truth.at(clock.now());
    const { lines } = truth;
    lines.put(ackHead);
    source.writeName(lines, inFlight.device[slot] as number, inFlight.position[slot] as number);
    lines.put(ackMiddle);
    lines.integer(inFlight.timeMs[slot] as number);
    lines.put(ackTail);
  }

  #flushLater(): void {
    const { clock, truth } = this.#options;
    truth?.flush();
    this.#flushTimer = clock.after('truth flush', truthFlushMs, () => this.#flushLater());
  }
}

const ackHead = Buffer.from('{"a":["');
const ackMiddle = Buffer.from('",');
const ackTail = Buffer.from(']}\n');
