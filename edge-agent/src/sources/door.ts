/**
 * What the doors of the agent share: the sources behind one door, who waits for which batch, and when a batch goes on. Whoever waits
 * hears of it once its batch is durable (P1), in the order in which they came.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError, invariant } from '@fogline/shared/errors';
import type { IngestPort, RejectionListener, SourceControl, Token } from './batch-port.ts';
import { SourceBatcher, type SourceCounters, type SourceOptions } from './source-batcher.ts';
import { TokenQueue, type Waiter } from './token-queue.ts';
import { TopicCache } from './topic-cache.ts';

/** A batch waits at most so long for more. */
export const batchWaitMsMax = 10;

export interface DoorPorts {
  readonly ingest: IngestPort;
  readonly onRejected?: RejectionListener;
  readonly clock: Clock;
}

/** The payload `bytes[start, end)` is valid until it returns; `done`, if anybody waits, is called with the ticket. */
type TakeBytes = (bytes: Buffer, start: number, end: number, done: Waiter | undefined, ticket: number) => void;

/** A door as the agent sees it, whatever comes through it. */
export interface OpenDoor extends SourceControl {
  /** Names of the sources behind it. */
  readonly sources: readonly string[];
  sourceCounters(source: string): SourceCounters;
  /** What happened at the door itself, by reason. */
  counters(): Readonly<Record<string, number>>;
  /** Submits what was decoded and lets go of everybody; what was not acked then will be sent again. */
  close(): Promise<void>;
}

export class Door {
  readonly names: readonly string[];
  readonly #sources: readonly SourceBatcher[];
  readonly #clock: Clock;
  readonly #ingest: IngestPort;
  readonly #routes = new TopicCache<SourceBatcher | undefined>();
  readonly #waiting = new Map<string, TokenQueue>();
  #isClosed = false;
  #timer: Timer | undefined;

  /** @throws FoglineError config_invalid. */
  constructor(sources: readonly SourceOptions[], { ingest, onRejected, clock }: DoorPorts) {
    this.#clock = clock;
    this.#ingest = ingest;
    this.#sources = sources.map((source) => new SourceBatcher(source, ingest, onRejected));
    this.names = this.#sources.map(({ name }) => name);
    for (const name of this.names) {
      if (this.#waiting.has(name)) {
        throw new FoglineError('config_invalid', `two sources are named "${name}"`, { details: { name } });
      }
      this.#waiting.set(name, new TokenQueue());
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The source of a topic: the first whose pattern matches. */
  route(topic: string): SourceBatcher | undefined {
    const known = this.#routes.get(topic);
    if (known !== undefined || this.#routes.has(topic)) return known;
    const source = this.#sources.find((candidate) => candidate.matches(topic));
    this.#routes.set(topic, source);
    return source;
  }

  source(name: string): SourceBatcher {
    const source = this.#sources.find((candidate) => candidate.name === name);
    if (source === undefined) throw new FoglineError('not_found', `no source is named "${name}"`);
    return source;
  }

  /** Decodes a message; `done` is called once it is durable, rows or not. */
  take(source: SourceBatcher, topic: string, payload: Uint8Array, done: (() => void) | undefined): void {
    if (this.#isClosed) return;
    source.take(topic, payload, this.#clock.now(), done === undefined ? undefined : this.await(source, done));
    this.gather(source);
  }

  /** The way of messages on one topic, where not even a string is made of each. */
  lane(source: SourceBatcher, topic: string): TakeBytes {
    const take = source.lane(topic);
    const waiting = this.#waitingFor(source.name);
    return (bytes, start, end, done, ticket) => {
      if (this.#isClosed) return;
      const token = done === undefined ? undefined : waiting.add(done, ticket);
      take(bytes, start, end, this.#clock.now(), token);
      if (this.#timer === undefined) this.gather(source);
    };
  }

  /** A token for somebody who waits for the batch that will carry it. */
  await(source: SourceBatcher, done: () => void): Token {
    return this.#waitingFor(source.name).add(done, 0);
  }

  /** Makes sure that what the source gathered goes on before long. */
  gather(source: SourceBatcher): void {
    if (source.hasWork) this.#timer ??= this.#clock.after('source batch', batchWaitMsMax, () => this.submitAll());
  }

  submitAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const source of this.#sources) source.submit();
  }

  /** Nobody sends more before what was gathered is committed. */
  hurry(): void {
    this.submitAll();
    this.#ingest.hurry?.();
  }

  release(source: string, tokens: readonly Token[]): void {
    const waiting = this.#waiting.get(source);
    for (const token of tokens) waiting?.release(token);
  }

  close(): void {
    this.submitAll();
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #waitingFor(source: string): TokenQueue {
    const waiting = this.#waiting.get(source);
    invariant(waiting !== undefined, 'somebody waits for a source of another door');
    return waiting;
  }
}
