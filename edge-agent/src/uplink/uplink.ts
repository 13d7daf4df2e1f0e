/**
 * The session with the hub. Connects, says `hello`, waits for `welcome`, brings the outbox in line with what the hub durably
 * holds, then sends: voids, alarms first, fresh batches as commits seal them, the backlog beside them at an adaptive pace.
 *
 * Guarantees: nothing is sealed or sent before `welcome`; nothing is sent that is not committed; definitions precede the batches that
 * use them. It keeps no state that matters: after a crash or a cut everything is read again from the database.
 */
import { Backoff } from '@fogline/shared/backoff';
import type { Timer } from '@fogline/shared/clock';
import { type Lane, laneCount, protocolLimits } from '@fogline/shared/protocol/limits';
import {
  decodeFlow,
  decodeWelcome,
  type EpochAnswer,
  encodeReported,
  encodeStatus,
  encodeVoid,
  type Flow,
  type LedgerRow,
  type Welcome,
} from '@fogline/shared/protocol/messages';
import { answerKind, isDownKind, parseTopic, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { EpochRow } from '../journal/stored.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { SealedBatch } from '../outbox/tail.ts';
import { Answers } from './answers.ts';
import { DefinitionsSent } from './definitions.ts';
import { Flight, type Message } from './flight.ts';
import { helloPages, wireOptions } from './hello.ts';
import { LinkWatch, linkWatchMs } from './link-watch.ts';
import { definedEpochs, isEveryEpochIn, reconcile } from './reconcile.ts';
import { reportedCounters } from './reported-counters.ts';
import type { UplinkContext, UplinkPorts } from './uplink-ports.ts';

const openTimeoutMs = 30_000;
const greetTimeoutMs = 15_000;
/** Of a hub that is there: it withholds acks while it cannot store, which a new session would not change. */
const ackTimeoutMs = 300_000;
const backoff = { baseMs: 500, maxMs: 60_000, healthyMs: 30_000 };

type State =
  | { readonly name: 'stopped' | 'waiting' | 'opening' }
  | {
      readonly name: 'greeting';
      readonly session: number;
      readonly pages: number;
      readonly answers: Map<number, Welcome>;
    }
  | { readonly name: 'ready'; readonly session: number };

export class Uplink {
  readonly #context: UplinkContext;
  readonly #ports: UplinkPorts;
  readonly #backoff: Backoff;
  readonly #flight: Flight;
  /** What the last welcome allows; `flow` may ask for less. */
  #windowMax: number;
  readonly #definitions: DefinitionsSent;
  readonly #answers: Answers;
  #state: State = { name: 'stopped' };
  #timer: Timer | undefined;
  #watch: Timer | undefined;
  readonly #link = new LinkWatch();
  #readySince: number | undefined;
  #batchCursor = new Array<number>(laneCount).fill(0);
  #voidCursor = 0;
  #isPumping = false;
  #lastProblem = '';

  constructor(context: UplinkContext, ports: UplinkPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#backoff = new Backoff(backoff, ports.random);
    this.#flight = new Flight(context.config.window);
    this.#windowMax = context.config.window;
    this.#definitions = new DefinitionsSent(context.agent, context.series);
    this.#answers = new Answers(context, {
      ...ports,
      mayPublish: () => this.isReady && this.#flight.backlogCapacity > 0,
      isUnderWay: ({ id, page }) => this.#flight.holdsAnswer(id, page),
      publish: (payload, { id, page }) => this.#publish(answerKind, payload, { kind: 'answer', id, page }),
      refuse: (payload) => {
        if (this.isReady) this.#publish(answerKind, payload, { kind: 'control' });
      },
    });
  }

  start(): void {
    if (this.#state.name === 'stopped') this.#connect();
  }

  stop(): void {
    if (this.#state.name === 'ready' || this.#state.name === 'greeting') this.#publishStatus(false);
    this.#endSession();
    this.#state = { name: 'stopped' };
    this.#ports.wire.close();
  }

  get isReady(): boolean {
    return this.#state.name === 'ready';
  }

  /** How many fresh batches may be sealed now. */
  get freshCapacity(): number {
    return this.isReady ? this.#flight.freshCapacity : 0;
  }

  /** Sends a batch that a commit just sealed. */
  sendFresh(batch: SealedBatch, payload: Uint8Array, hours: readonly (readonly number[])[]): void {
    if (!this.isReady) return;
    this.#sendDefinitions(this.#context.currentEpoch());
    this.#publish('batch', payload, { kind: 'batch', batch, hours, isBacklog: false });
  }

  /** Reports the account of these hours, and the counters; one report is under way at a time. */
  report(
    atMs: number,
    rows: readonly (LedgerRow & { readonly version: number })[],
    counters: readonly (readonly [string, number])[],
  ): void {
    if (!this.isReady || this.#flight.holdsReport()) return;
    const lines = rows.slice(0, protocolLimits.ledgerRowsPerMessageMax);
    const { agent } = this.#context;
    const payload = encodeReported({ agent, atMs, rows: lines, counters: reportedCounters(counters) });
    this.#publish('reported', payload, { kind: 'report', lines });
  }

  /** Sends as much of voids, answers and backlog as the window and the pace allow. */
  pump(): void {
    const { outbox } = this.#context;
    if (!this.#isPumping) this.#answers.pump();
    if (!this.isReady || this.#isPumping || !outbox.mayHaveBacklog) return;
    this.#isPumping = true;
    try {
      const isEmpty = this.#pumpVoids();
      while (this.#flight.backlogCapacity > 0) {
        if (this.#pumpBatch()) continue;
        outbox.mayHaveBacklog = !isEmpty;
        break;
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #now(): number {
    return this.#ports.clock.monotonic();
  }

  #connect(): void {
    this.#state = { name: 'opening' };
    this.#timer = this.#ports.clock.after('uplink.open', openTimeoutMs, () => this.#abort('no connection came about'));
    this.#link.begin(this.#now());
    this.#watchLink();
    this.#ports.wire.open(wireOptions(this.#context), {
      onOpen: () => this.#greet(),
      onMessage: (topic, payload) => this.#onMessage(topic, payload),
      onAck: (reference) => this.#onAck(reference),
      onHeard: () => this.#link.heard(),
      onClose: (reason) => this.#retry(reason),
    });
  }

  #retry(reason: string): void {
    if (this.#state.name === 'stopped') return;
    const healthyForMs = this.#readySince === undefined ? 0 : this.#now() - this.#readySince;
    this.#endSession();
    const delayMs = this.#backoff.nextDelayMs(healthyForMs);
    // The same problem again and again is one line, not one a second.
    const level = reason === this.#lastProblem ? 'debug' : 'warn';
    this.#lastProblem = reason;
    this.#ports.log[level]({ reason, retryMs: delayMs }, 'not connected to the hub; everything is kept here meanwhile');
    this.#state = { name: 'waiting' };
    this.#timer = this.#ports.clock.after('uplink.reconnect', delayMs, () => this.#connect());
  }

  #abort(reason: string): void {
    this.#ports.wire.close();
    this.#retry(reason);
  }

  #endSession(): void {
    this.#timer?.cancel();
    this.#watch?.cancel();
    this.#flight.clear();
    this.#answers.clear();
    this.#windowMax = this.#context.config.window;
    this.#flight.window = this.#windowMax;
    this.#readySince = undefined;
    this.#definitions.clear();
    this.#batchCursor.fill(0);
    this.#voidCursor = 0;
  }

  #greet(): void {
    this.#endSession();
    this.#watchLink();
    this.#link.heard();
    this.#ports.checkpoint();
    const { agent, software, outbox } = this.#context;
    const current = this.#context.currentEpoch();
    const session = this.#ports.random.uint32();
    const epochs = [...outbox.epochs.values()].map((row) => (row.id === current.id ? current : row));
    const head = {
      agent,
      session,
      current: current.epoch,
      software,
      clockMs: this.#ports.clock.now(),
      isClockTrusted: true,
      queued: outbox.queued(),
    };
    const messages = helloPages(head, epochs);
    this.#state = { name: 'greeting', session, pages: messages.length, answers: new Map() };
    this.#timer = this.#ports.clock.after('uplink.greet', greetTimeoutMs, () =>
      this.#abort('the hub did not answer hello'),
    );
    for (const payload of messages) this.#publish('hello', payload, { kind: 'control' });
  }

  #onMessage(topic: string, payload: Uint8Array): void {
    this.#link.heard();
    const kind = parseTopic(topic)?.kind ?? '';
    if (!isDownKind(kind)) return;
    if (kind === 'query') return this.#answers.take(payload);
    let message: { readonly welcome: Welcome } | { readonly flow: Flow };
    try {
      message = kind === 'welcome' ? { welcome: decodeWelcome(payload) } : { flow: decodeFlow(payload) };
    } catch (error) {
      this.#ports.log.error({ kind, error }, 'a message of the hub was refused');
      this.#abort(`the hub sent a ${kind} that this agent does not understand`);
      return;
    }
    if ('welcome' in message) this.#onWelcome(message.welcome);
    else if (this.isReady) this.#onFlow(message.flow);
  }

  #onFlow({ window }: Flow): void {
    this.#flight.window = Math.min(this.#windowMax, window);
    this.pump();
    if (this.#flight.freshCapacity > 0) this.#ports.onCapacity();
  }

  #onWelcome(welcome: Welcome): void {
    if (this.#state.name !== 'ready' && this.#state.name !== 'greeting') return;
    // Another process of this agent, or an answer to an earlier hello.
    if (welcome.to !== this.#context.currentEpoch().epoch || welcome.session !== this.#state.session) return;
    if (this.#state.name === 'ready') {
      // The hub knows less than it did: ask for all of it again, on the same connection.
      this.#greet();
      return;
    }
    if (welcome.refused !== undefined) {
      this.#abort(`the hub refused this agent: ${welcome.refused}`);
      return;
    }
    const { answers, pages, session } = this.#state;
    // A welcome of the hub's own accord may slip in between; what it asks for, the answers ask for too.
    if (welcome.pages !== pages || welcome.page > pages || answers.has(welcome.page)) return;
    answers.set(welcome.page, welcome);
    if (answers.size < pages) return;
    this.#timer?.cancel();
    const known = [...answers.values()].flatMap((answer) => answer.epochs);
    if (!isEveryEpochIn(this.#context, known)) {
      this.#abort('the hub does not take every epoch of this agent');
      return;
    }
    this.#reconcile(known);
    this.#windowMax = Math.min(this.#context.config.window, welcome.window);
    this.#flight.window = this.#windowMax;
    this.#readySince = this.#now();
    this.#lastProblem = '';
    this.#state = { name: 'ready', session };
    this.#ports.log.info({ window: this.#windowMax }, 'connected to the hub');
    this.#publishStatus(true);
    this.pump();
    this.#ports.onCapacity();
  }

  #reconcile(answers: readonly EpochAnswer[]): void {
    this.#ports.checkpoint();
    const { rewound, gone } = reconcile(this.#context, this.#definitions, answers);
    if (rewound > 0 || gone > 0)
      this.#ports.log.warn({ batches: rewound, itemsGone: gone }, 'the hub holds less than it acked; sending again');
    for (const row of definedEpochs(this.#context)) this.#sendDefinitions(row);
  }

  #sendDefinitions(epoch: EpochRow): void {
    for (const payload of this.#definitions.messagesFor(epoch)) this.#publish('series', payload, { kind: 'control' });
  }

  /** Returns whether none is left to send. */
  #pumpVoids(): boolean {
    const { outbox, agent } = this.#context;
    while (this.#flight.freshCapacity > 0) {
      const [lost] = outbox.store.voids.unacked(this.#voidCursor, 1);
      if (lost === undefined) return true;
      this.#voidCursor = lost.id;
      if (this.#flight.holdsVoid(lost.id)) continue;
      outbox.store.transaction(() => outbox.store.voids.markSent(lost.id));
      const payload = encodeVoid({ ...lost, agent, epoch: outbox.epochOf(lost.epochId) });
      this.#publish('void', payload, { kind: 'void', id: lost.id });
    }
    return false;
  }

  /** Sends one batch of the backlog, lanes in order: sealed ones again first, then newly sealed. False when there is none. */
  #pumpBatch(): boolean {
    const { outbox } = this.#context;
    for (let lane = 0; lane < laneCount; lane++) {
      const sealed = this.#nextSealed(lane as Lane) ?? outbox.sealBacklog(lane as Lane);
      if (sealed === undefined) continue;
      this.#batchCursor[lane] = sealed.id;
      const { payload, hours } = outbox.payloadOf(sealed);
      const current = this.#context.currentEpoch();
      if (sealed.epochId === current.id) this.#sendDefinitions(current);
      const batch: SealedBatch = { ...sealed, isAcked: false };
      this.#publish('batch', payload, { kind: 'batch', batch, hours, isBacklog: true });
      return true;
    }
    return false;
  }

  #nextSealed(lane: Lane): ReturnType<Outbox['sealBacklog']> {
    const { outbox } = this.#context;
    for (;;) {
      const [next] = outbox.store.unackedBatches(lane, this.#batchCursor[lane] ?? 0, 1);
      if (next === undefined) return undefined;
      if (!this.#flight.holdsBatch(next.id) && !outbox.isAckPending(next.id)) return next;
      this.#batchCursor[lane] = next.id;
    }
  }

  #onAck(reference: number): void {
    const sent = this.#flight.ack(reference, this.#now());
    if (sent === undefined) return;
    this.#link.acked(sent.bytes, this.#now() - sent.sentAt);
    const { outbox } = this.#context;
    switch (sent.kind) {
      case 'batch':
        outbox.ack(sent.batch, sent.hours);
        break;
      case 'void':
        outbox.store.transaction(() => outbox.store.voids.setAcked(sent.id, true));
        break;
      case 'report':
        outbox.store.transaction(() => {
          for (const { lane, hour, version } of sent.lines) outbox.store.markReported(lane, hour, version);
        });
        break;
      case 'answer':
      case 'control':
        break;
    }
    this.pump();
    if (this.isReady && this.#flight.freshCapacity > 0) this.#ports.onCapacity();
  }

  #publish(kind: UpKind | typeof answerKind, payload: Uint8Array, message: Message): void {
    const reference = this.#flight.add(message, this.#now(), payload.byteLength);
    this.#ports.wire.publish(topicOf(this.#context.agent, kind), payload, false, reference);
  }

  #publishStatus(isOnline: boolean): void {
    const { agent } = this.#context;
    const payload = encodeStatus({ agent, epoch: this.#context.currentEpoch().epoch, isOnline });
    const reference = this.#flight.add({ kind: 'control' }, this.#now());
    this.#ports.wire.publish(topicOf(agent, 'status'), payload, true, reference);
  }

  /** From the first attempt to connect to the end of the session. */
  #watchLink(): void {
    this.#watch = this.#ports.clock.after('uplink.watch', linkWatchMs, () => {
      const isOpening = this.#state.name === 'opening';
      const sign = this.#link.look(this.#now(), isOpening ? 0 : this.#flight.bytesWaiting);
      if (sign === 'dead') return this.#abort(isOpening ? 'no connection came about' : 'the hub fell silent');
      if (this.#flight.stalledMs(this.#now()) > ackTimeoutMs) return this.#abort('the hub stopped acknowledging');
      if (sign === 'ask' && !isOpening) this.#ports.wire.ping();
      this.#watchLink();
    });
  }
}
