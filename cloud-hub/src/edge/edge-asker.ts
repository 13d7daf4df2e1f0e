/**
 * Asks agents for pages of their journals and hands answers to who waits for them. An answer counts only from the agent that was asked, with the id and
 * page that are waited for; any other is counted and dropped. Nothing is stored: a hub that restarts has forgotten its questions, and late answers to them
 * are strays. Bounded: `questionsMax` questions at once, `perAgentMax` pages at once of one agent, one page each under way.
 */
import type { Clock, Timer } from '@fogline/shared/clock';
import { type Answer, decodeAnswer, encodeQuery, type Query } from '@fogline/shared/protocol/raw-query';
import type { Random } from '@fogline/shared/random';

export const edgeLimits = {
  questionsMax: 16,
  perAgentMax: 2,
  /** Within which a page must be there, and after which it is asked for once more. */
  pageMs: 15_000,
  repeatMs: 8_000,
  lookMs: 200,
} as const;

export interface EdgePorts {
  readonly clock: Clock;
  readonly random: Pick<Random, 'uint32'>;
  /** May be lost. */
  send(agent: string, payload: Uint8Array): void;
  /** The agent is connected and listens to questions. */
  isHeard(agent: string): boolean;
}

/** Why there is no page. `abandoned`: who asked went away, or the hub stops. */
export type NoPage = 'offline' | 'timed_out' | 'busy' | 'abandoned';

interface Waiting {
  readonly page: number;
  readonly end: (outcome: Answer | NoPage) => void;
}

/** `unasked`, `foreign`, `malformed`: answers that were dropped. `invalid`: of a page that was waited for, and does not fit the question. */
const counted = [
  'answered',
  'offline',
  'timed_out',
  'busy',
  'abandoned',
  'unasked',
  'foreign',
  'malformed',
  'invalid',
] as const;

export class EdgeAsker {
  readonly #ports: EdgePorts;
  /** By agent, then id. */
  readonly #waiting = new Map<string, Map<number, Waiting>>();
  readonly #counters = Object.fromEntries(counted.map((name) => [name, 0])) as Record<(typeof counted)[number], number>;
  #questions = 0;
  #isStopped = false;

  constructor(ports: EdgePorts) {
    this.#ports = ports;
  }

  /** Of questions, for all their pages. */
  newId(): number {
    return this.#ports.random.uint32();
  }

  /** Runs a question; undefined when too many run already. */
  async within<Result>(question: () => Promise<Result>): Promise<Result | undefined> {
    if (this.#questions >= edgeLimits.questionsMax) return undefined;
    this.#questions++;
    try {
      return await question();
    } finally {
      this.#questions--;
    }
  }

  /** One page. */
  async ask(query: Query, isAbandoned: () => boolean): Promise<Answer | NoPage> {
    const outcome = await this.#ask(query, isAbandoned);
    this.#counters[typeof outcome === 'string' ? outcome : 'answered']++;
    return outcome;
  }

  /** What an agent sent; `payload` may be used again when this returns. */
  take(agent: string, payload: Uint8Array): void {
    const waiting = this.#waiting.get(agent);
    if (waiting === undefined) {
      this.#counters.unasked++;
      return;
    }
    let answer: Answer;
    try {
      answer = decodeAnswer(new Uint8Array(payload));
    } catch {
      // Decoders throw nothing but what is wrong with the bytes.
      this.#counters.malformed++;
      return;
    }
    const asked = waiting.get(answer.id);
    if (answer.agent !== agent) this.#counters.foreign++;
    else if (asked?.page === answer.page) asked.end(answer);
    else this.#counters.unasked++;
  }

  /** A page that came does not fit the question. */
  foundInvalid(): void {
    this.#counters.invalid++;
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters };
  }

  /** Whoever waits is told at once. */
  stop(): void {
    this.#isStopped = true;
    for (const waiting of this.#waiting.values()) for (const { end } of waiting.values()) end('abandoned');
  }

  #ask(query: Query, isAbandoned: () => boolean): Promise<Answer | NoPage> | NoPage {
    const { agent, id, page } = query;
    const { clock } = this.#ports;
    const waiting = this.#waiting.get(agent) ?? new Map<number, Waiting>();
    if (this.#isStopped || isAbandoned()) return 'abandoned';
    if (page === 1 && !this.#ports.isHeard(agent)) return 'offline';
    if (waiting.size >= edgeLimits.perAgentMax || waiting.has(id)) return 'busy';
    const { promise, resolve } = Promise.withResolvers<Answer | NoPage>();
    const payload = encodeQuery(query);
    const startedMs = clock.monotonic();
    let sentMs = startedMs;
    let wasLost = false;
    let timer: Timer | undefined;
    const end = (outcome: Answer | NoPage): void => {
      timer?.cancel();
      waiting.delete(id);
      if (waiting.size === 0) this.#waiting.delete(agent);
      resolve(outcome);
    };
    const look = (): void => {
      const nowMs = clock.monotonic();
      const isHeard = this.#ports.isHeard(agent);
      if (isAbandoned()) return end('abandoned');
      if (nowMs - startedMs >= edgeLimits.pageMs) return end(isHeard ? 'timed_out' : 'offline');
      wasLost ||= !isHeard;
      if (isHeard && (wasLost || nowMs - sentMs >= edgeLimits.repeatMs)) {
        this.#ports.send(agent, payload);
        sentMs = nowMs;
        wasLost = false;
      }
      timer = clock.after('hub.edge', edgeLimits.lookMs, look);
    };
    waiting.set(id, { page, end });
    this.#waiting.set(agent, waiting);
    this.#ports.send(agent, payload);
    timer = clock.after('hub.edge', edgeLimits.lookMs, look);
    return promise;
  }
}
