/**
 * Answers the hub's questions about the journal (PROTOCOL.md §6). The journal is read in slices of some milliseconds between which commits and
 * senders have their turn; a page waits until the window has a place that neither fresh data nor backlog needs. One page is in memory at a time, and
 * `pendingMax` questions wait; beyond, they are refused. Nothing outlives a session: the hub asks again.
 */
import type { Timer } from '@fogline/shared/clock';
import { messageOf } from '@fogline/shared/errors';
import { type Answer, decodeQuery, encodeAnswer, type Query } from '@fogline/shared/protocol/raw-query';
import { type RawPage, readRawPage } from '../journal/raw-page.ts';
import type { UplinkContext, UplinkPorts } from './uplink-ports.ts';

export const answerLimits = {
  pendingMax: 4,
  /** Of reading, and of the pause after it: a fifth of the time at most. */
  sliceMs: 4,
  pauseMs: 16,
  /** A page that took so long to read goes as it is. */
  pageMs: 2_000,
} as const;

interface AnswerPorts extends Pick<UplinkPorts, 'clock' | 'log'> {
  /** There is a place in the window for what can wait. */
  mayPublish(): boolean;
  /** The answer of this page was published and is not acked. */
  isUnderWay(query: Query): boolean;
  /** In its turn. */
  publish(payload: Uint8Array, query: Query): void;
  /** At once, where anything may leave. */
  refuse(payload: Uint8Array): void;
}

/** One page: being read, then waiting for its turn. */
interface Work {
  readonly query: Query;
  readonly page: Generator<void, RawPage>;
  payload?: Uint8Array;
}

export class Answers {
  readonly #context: Pick<UplinkContext, 'agent' | 'outbox' | 'series'>;
  readonly #ports: AnswerPorts;
  #pending: Query[] = [];
  #work: Work | undefined;
  #timer: Timer | undefined;

  constructor(context: Pick<UplinkContext, 'agent' | 'outbox' | 'series'>, ports: AnswerPorts) {
    this.#context = context;
    this.#ports = ports;
  }

  /** A question came. What is none is logged and left: the hub hears nothing, and nothing else suffers. */
  take(payload: Uint8Array): void {
    let query: Query;
    try {
      query = decodeQuery(payload);
    } catch (error) {
      this.#ports.log.warn({ reason: messageOf(error) }, 'a question of the hub was not understood');
      return;
    }
    if (query.agent !== this.#context.agent) return;
    const { id, page } = query;
    const [own] = [this.#work?.query, ...this.#pending].filter((other) => other?.id === id);
    // Asked again because the hub has waited for long: it is under way.
    if (own?.page === page || this.#ports.isUnderWay(query)) return;
    this.#pending = this.#pending.filter((other) => other !== own);
    if (this.#work?.query === own) this.#work = undefined;
    if (this.#pending.length + (this.#work === undefined ? 0 : 1) >= answerLimits.pendingMax) {
      const refused = `busy: ${answerLimits.pendingMax} questions wait already`;
      this.#ports.refuse(this.#answer(query, { refused }));
      return;
    }
    this.#pending.push(query);
    this.#wake();
  }

  /** There may be a place in the window. */
  pump(): void {
    const { query, payload } = this.#work ?? {};
    if (query === undefined || payload === undefined || !this.#ports.mayPublish()) return;
    this.#work = undefined;
    this.#ports.publish(payload, query);
    this.#wake();
  }

  /** The session is over. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pending = [];
    this.#work = undefined;
  }

  #wake(): void {
    this.#timer ??= this.#ports.clock.after('uplink.answer', answerLimits.pauseMs, () => {
      this.#timer = undefined;
      this.#slice();
    });
  }

  #slice(): void {
    this.#work ??= this.#next();
    const work = this.#work;
    if (work === undefined || work.payload !== undefined) return;
    const endMs = this.#ports.clock.monotonic() + answerLimits.sliceMs;
    for (let step = work.page.next(); ; step = work.page.next()) {
      if (step.done === true) {
        work.payload = this.#answer(work.query, step.value);
        this.pump();
        return;
      }
      if (this.#ports.clock.monotonic() >= endMs) break;
    }
    this.#wake();
  }

  #next(): Work | undefined {
    const query = this.#pending.shift();
    if (query === undefined) return undefined;
    const { clock } = this.#ports;
    const { outbox, series } = this.#context;
    const endMs = clock.monotonic() + answerLimits.pageMs;
    const mayGoOn = (): boolean => clock.monotonic() < endMs;
    return { query, page: readRawPage({ store: outbox.store, series }, query, clock.now(), mayGoOn) };
  }

  #answer({ id, page }: Query, fields: Partial<Answer>): Uint8Array {
    const empty = { refused: undefined, next: undefined, missing: [], definitions: [], block: undefined };
    return encodeAnswer({ agent: this.#context.agent, id, page, ...empty, ...fields });
  }
}
