/**
 * The thin driver of the frame gate: a stream that the broker takes for its connection, over a TCP or TLS socket. Pauses the
 * socket for back pressure, owns keepalive and the time-out before CONNECT, and disconnects who does not read.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Clock, Timer } from '../clock.ts';
import { invariant } from '../errors.ts';
import type { ConnectPace } from './connect-pace.ts';
import type { Lane } from './fast-lane.ts';
import { FrameGate, type GateStep, type PendingBudget, type Refusal } from './frame-gate.ts';
import type { GateLimits } from './gate-limits.ts';

export type CloseReason =
  | Refusal
  | 'connect_timeout'
  | 'keepalive_timeout'
  | 'slow_reader'
  | 'parser_failed'
  /** Ended by the peer, or by the broker itself. */
  | 'closed';

export interface GateStreamOptions {
  readonly socket: Socket;
  readonly limits: GateLimits;
  readonly budget: PendingBudget;
  readonly clock: Clock;
  readonly pace: ConnectPace;
  /** The CONNECT is complete and well formed, and its turn has come: hand the stream to the broker now. */
  attach(stream: GateStream): void;
  /** The socket was paused: by pending publishes or by the rate limit. */
  paused(by: 'settle' | 'rate'): void;
  closed(reason: CloseReason, error?: Error): void;
}

const waking = new WeakSet<PendingBudget>();

/** Lets waiting connections go on while there is room for what they hold, one after the other. */
function wakeWaiting(budget: PendingBudget): void {
  if (budget.waiting.size === 0 || waking.has(budget)) return;
  waking.add(budget);
  for (const stream of budget.waiting) {
    if (budget.bytes >= budget.bytesMax) break;
    budget.waiting.delete(stream);
    stream.run();
  }
  waking.delete(budget);
}

const pingresp = Buffer.from([0xd0, 0]);
/** More than there can be packets in the broker for one connection. */
const readableTurnsMax = 1_000_000;
const highWaterBytes = 64 * 1_024;

export class GateStream extends Duplex {
  readonly #options: GateStreamOptions;
  readonly #gate: FrameGate;
  #inbox: Buffer[] = [];
  #waiting: GateStep | undefined;
  #isRunning = false;
  #reason: CloseReason = 'closed';
  #connectTimer: Timer | undefined;
  #keepaliveTimer: Timer | undefined;
  #rateTimer: Timer | undefined;
  #lingerTimer: Timer | undefined;
  #farewellTimer: Timer | undefined;
  #lastReceivedMs = 0;
  #isFlushDue = false;
  #isDrainOwed = false;
  #isSocketGone = false;
  #owedPings = 0;

  constructor(options: GateStreamOptions) {
    super({ autoDestroy: false, emitClose: true });
    this.#options = options;
    this.#gate = new FrameGate(options.limits, options.budget, (ticket) => this.#settleLane(ticket));
    const { socket, clock, limits } = options;
    // The reason of an end is told by `closed`; without a listener an 'error' would end the process.
    this.on('error', () => {});
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => {
      // Nothing may follow a DISCONNECT.
      if (this.destroyed || this.#isWaitingFor('settle_all')) return;
      this.#lastReceivedMs = clock.monotonic();
      this.#gate.feed(chunk);
      this.run();
    });
    socket.on('drain', () => this.#drained());
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.#socketClosed());
    this.#connectTimer = clock.after('mqtt connect time-out', limits.connectTimeoutMs, () =>
      this.#close('connect_timeout'),
    );
  }

  /** The broker is ready for what follows CONNECT. */
  accept(lane?: Lane): void {
    const nowMs = this.#options.clock.monotonic();
    this.#gate.accept(nowMs, lane);
    this.#lastReceivedMs = nowMs;
    this.#armKeepalive();
    this.run();
  }

  /** The broker is through with a publish; see `FrameGate.settle`. */
  settle(remainingLength: number): void {
    this.#gate.settle(remainingLength);
    this.#settled();
  }

  #settleLane(ticket: number): void {
    this.#gate.settleLane(ticket);
    this.#flushSoon();
    this.#settled();
  }

  #settled(): void {
    if (this.#isWaitingFor('settle') || this.#isWaitingFor('settle_all')) this.run();
    wakeWaiting(this.#options.budget);
  }

  #isWaitingFor(what: 'settle' | 'settle_all'): boolean {
    return this.#waiting?.kind === 'wait' && this.#waiting.for === what;
  }

  /** Does what the gate says until it waits. Also called when the budget of the listener has room again. */
  run(): void {
    if (this.#isRunning || this.destroyed) return;
    this.#isRunning = true;
    try {
      while (!this.destroyed) {
        const step = this.#gate.step(this.#options.clock.monotonic());
        this.#waiting = step;
        if (!this.#perform(step)) break;
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** False: nothing more to do now. */
  #perform(step: GateStep): boolean {
    switch (step.kind) {
      case 'connect':
        this.#connectTimer?.cancel();
        this.#options.pace.begin(() => {
          if (this.destroyed) return;
          this.#options.attach(this);
          this.#deliver(step.bytes);
        });
        return true;
      case 'frames':
        this.#deliver(step.bytes);
        return true;
      case 'ping':
        this.#owedPings++;
        this.#flushSoon();
        return true;
      case 'refuse':
        this.#close(step.reason);
        return false;
      case 'wait':
        this.#wait(step);
        return false;
    }
  }

  #wait(step: GateStep & { readonly kind: 'wait' }): void {
    const { socket, clock, budget } = this.#options;
    if (step.for === 'bytes' || step.for === 'settle_all') {
      if (socket.isPaused()) {
        this.#lastReceivedMs = clock.monotonic();
        socket.resume();
      }
      if (step.for === 'settle_all') this.#linger();
      return;
    }
    if (!socket.isPaused() && step.for !== 'accept') this.#options.paused(step.for);
    socket.pause();
    // At its own limit it waits for its own publishes only.
    if (step.for === 'settle' && budget.bytes >= budget.bytesMax) budget.waiting.add(this);
    if (step.for === 'rate') {
      this.#rateTimer?.cancel();
      this.#rateTimer = clock.after('mqtt rate limit', step.ms, () => this.run());
    }
  }

  /**
   * The broker reads on 'readable' only when it is through with all packets of its last read, which would hold back whatever
   * follows a publish whose ack is held. Each further 'readable' counts as one packet done for it, so it is repeated until
   * the broker reads. The gate's budget, not this, is what bounds the broker.
   */
  #deliver(bytes: Buffer): void {
    this.#inbox.push(bytes);
    try {
      for (let turn = 0; this.#inbox.length > 0 && !this.destroyed && this.emit('readable'); turn++) {
        invariant(turn < readableTurnsMax, 'the broker does not read');
      }
    } catch (error) {
      this.#close('parser_failed', error instanceof Error ? error : new Error(String(error)));
    }
  }

  override read(size?: number): Buffer | null {
    if (size === 0 || this.#inbox.length === 0) return null;
    const [first, ...rest] = this.#inbox as [Buffer, ...Buffer[]];
    this.#inbox = [];
    return rest.length === 0 ? first : Buffer.concat([first, ...rest]);
  }

  /** Gathers what the broker writes; it leaves once per turn. False asks the broker to wait for 'drain'. */
  override write(piece: Uint8Array | string, ..._rest: unknown[]): boolean {
    if (this.destroyed || this.#isSocketGone) return true;
    const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(piece);
    this.#gate.outbound.write(bytes);
    this.#flushSoon();
    if (this.#isTooFarBehind()) {
      this.#close('slow_reader');
      return true;
    }
    if (this.#waitingBytes < highWaterBytes) return true;
    this.#isDrainOwed = true;
    return false;
  }

  get #waitingBytes(): number {
    return this.#gate.outbound.bytes + this.#options.socket.writableLength;
  }

  #isTooFarBehind(): boolean {
    return this.#waitingBytes > this.#options.limits.outboundBytesMax;
  }

  override cork(): void {}
  override uncork(): void {}

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.destroyed || this.#isSocketGone) return;
    const { socket } = this.#options;
    while (this.#owedPings > 0 && this.#gate.outbound.isBetweenFrames) {
      this.#gate.outbound.reply(pingresp);
      this.#owedPings--;
    }
    const pieces = this.#gate.outbound.take();
    if (pieces.length > 1) socket.cork();
    let isRoom = true;
    for (const piece of pieces) isRoom = socket.write(piece);
    if (pieces.length > 1) socket.uncork();
    // Of acks of the fast lane and of PINGRESPs the broker knows nothing.
    if (this.#isTooFarBehind()) this.#close('slow_reader');
    else if (isRoom && !socket.writableNeedDrain) this.#drained();
  }

  #drained(): void {
    if (!this.#isDrainOwed || this.#gate.outbound.bytes >= highWaterBytes) return;
    this.#isDrainOwed = false;
    this.emit('drain');
  }

  #armKeepalive(): void {
    const { clock, socket } = this.#options;
    const limitMs = this.#gate.keepaliveMs;
    if (limitMs === 0 || this.destroyed) return;
    // A socket that the gate itself paused cannot show that its client lives.
    const silentMs =
      socket.isPaused() || this.#isWaitingFor('settle_all') ? 0 : clock.monotonic() - this.#lastReceivedMs;
    if (silentMs >= limitMs) this.#close('keepalive_timeout');
    else this.#keepaliveTimer = clock.after('mqtt keepalive', limitMs - silentMs, () => this.#armKeepalive());
  }

  #socketClosed(): void {
    this.#isSocketGone = true;
    this.#farewellTimer?.cancel();
    // The client said DISCONNECT behind publishes that are still held: it left in order, so the broker hears that first.
    if (this.destroyed || this.#isWaitingFor('settle_all')) return;
    this.destroy();
  }

  /** DISCONNECT waits for the publishes before it, but not for ever. */
  #linger(): void {
    const { clock, limits } = this.#options;
    this.#lingerTimer ??= clock.after('mqtt linger', limits.drainTimeoutMs, () => {
      this.#gate.leave();
      this.run();
    });
  }

  #close(reason: CloseReason, error?: Error): void {
    if (this.destroyed) return;
    this.#reason = reason;
    this.destroy(error);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const { socket, clock, limits, budget } = this.#options;
    for (const timer of [this.#connectTimer, this.#keepaliveTimer, this.#rateTimer, this.#lingerTimer]) timer?.cancel();
    this.#gate.close();
    budget.waiting.delete(this);
    wakeWaiting(budget);
    this.#inbox = [];
    if (!this.#isSocketGone) {
      // What was written just before, a CONNACK with its refusal, still leaves.
      for (const piece of this.#gate.outbound.take()) socket.write(piece);
      if (socket.writableLength === 0 || this.#reason === 'slow_reader') socket.destroy();
      else {
        socket.destroySoon();
        this.#farewellTimer = clock.after('mqtt farewell', limits.drainTimeoutMs, () => socket.destroy());
      }
    }
    this.#options.closed(this.#reason, error ?? undefined);
    callback(error);
  }
}
