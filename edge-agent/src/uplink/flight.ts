/** The in-flight window: what was published and not yet acked, and how fast the backlog may go beside fresh data. */
import type { SealedBatch } from '../outbox/tail.ts';

/** What waits for an ack, and what its ack is for. */
export type Message =
  | {
      readonly kind: 'batch';
      readonly batch: SealedBatch;
      readonly hours: readonly (readonly number[])[];
      readonly isBacklog: boolean;
    }
  | { readonly kind: 'void'; readonly id: number }
  | { readonly kind: 'report'; readonly lines: readonly { lane: 0 | 1 | 2 | 3; hour: number; version: number }[] }
  | { readonly kind: 'answer'; readonly id: number; readonly page: number }
  | { readonly kind: 'control' };

export type Sent = Message & { readonly sentAt: number; readonly bytes: number };

/** An ack of the backlog faster than this lets one more batch fly; slower than `slowAckMs` halves the pace. */
const fastAckMs = 500;
const slowAckMs = 2000;
/** Places that the backlog leaves free for fresh data. */
const reservedForFresh = 2;

export class Flight {
  readonly #sent = new Map<number, Sent>();
  #nextReference = 1;
  #window: number;
  #backlogPace = 1;
  #backlogInFlight = 0;
  #dataInFlight = 0;
  #bytesInFlight = 0;
  /** Monotonic ms of the last sign that acks flow. */
  #progressAt = 0;

  constructor(window: number) {
    this.#window = window;
  }

  get window(): number {
    return this.#window;
  }

  set window(window: number) {
    if (window < this.#window) this.#backlogPace = Math.max(1, this.#backlogPace / 2);
    this.#window = window;
  }

  get freshCapacity(): number {
    return Math.max(0, this.#window - this.#dataInFlight);
  }

  get backlogCapacity(): number {
    const room = Math.max(1, this.#window - reservedForFresh) - this.#dataInFlight;
    return Math.max(0, Math.min(room, Math.floor(this.#backlogPace) - this.#backlogInFlight));
  }

  /** Of everything that waits for an ack; undefined when nothing does. */
  get bytesWaiting(): number | undefined {
    return this.#sent.size === 0 ? undefined : this.#bytesInFlight;
  }

  add(message: Message, sentAt: number, bytes = 0): number {
    if (this.#sent.size === 0) this.#progressAt = sentAt;
    const reference = this.#nextReference++;
    const sent = { ...message, sentAt, bytes };
    this.#sent.set(reference, sent);
    this.#track(sent, 1);
    return reference;
  }

  /** Takes out what was acked; undefined for a reference of an earlier session. */
  ack(reference: number, now: number): Sent | undefined {
    const sent = this.#sent.get(reference);
    if (sent === undefined) return undefined;
    this.#sent.delete(reference);
    this.#track(sent, -1);
    this.#progressAt = now;
    if (isBesideFresh(sent)) {
      const tookMs = now - sent.sentAt;
      if (tookMs < fastAckMs) this.#backlogPace = Math.min(this.#window, this.#backlogPace + 1);
      else if (tookMs > slowAckMs) this.#backlogPace = Math.max(1, this.#backlogPace / 2);
    }
    return sent;
  }

  holdsBatch(id: number): boolean {
    return this.#holds((sent) => sent.kind === 'batch' && sent.batch.id === id);
  }

  holdsVoid(id: number): boolean {
    return this.#holds((sent) => sent.kind === 'void' && sent.id === id);
  }

  holdsAnswer(id: number, page: number): boolean {
    return this.#holds((sent) => sent.kind === 'answer' && sent.id === id && sent.page === page);
  }

  holdsReport(): boolean {
    return this.#holds((sent) => sent.kind === 'report');
  }

  /** How long something has been waiting without any ack. */
  stalledMs(now: number): number {
    return this.#sent.size === 0 ? 0 : now - this.#progressAt;
  }

  /** Forgets everything: a session ended. References are not used again. */
  clear(): void {
    this.#sent.clear();
    this.#bytesInFlight = 0;
    this.#backlogInFlight = 0;
    this.#dataInFlight = 0;
    this.#backlogPace = 1;
  }

  #holds(isMeant: (sent: Sent) => boolean): boolean {
    for (const sent of this.#sent.values()) if (isMeant(sent)) return true;
    return false;
  }

  #track(sent: Sent, by: 1 | -1): void {
    this.#bytesInFlight += by * sent.bytes;
    if (sent.kind === 'batch' || sent.kind === 'void' || sent.kind === 'answer') this.#dataInFlight += by;
    if (isBesideFresh(sent)) this.#backlogInFlight += by;
  }
}

/** It takes a place that fresh data leaves, at the pace of the backlog. */
function isBesideFresh(sent: Message): boolean {
  return sent.kind === 'answer' || (sent.kind === 'batch' && sent.isBacklog);
}
