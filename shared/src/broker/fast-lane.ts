/**
 * The fast lane of the frame gate: publishes on ingest topics go straight from the frame to their consumer, past the broker, when the
 * broker would do nothing with them but call that consumer: QoS 0 or 1, not retained, allowed, heard by no subscriber. What the lane does
 * not take, the broker gets; both ways acks leave by the same queue.
 *
 * What is known of a topic is kept by its bytes: a publish costs a hash and a comparison, no string. Bounded; beyond it all is
 * looked up anew. A long topic goes to the broker.
 */
import { topicProblem } from '../topic-filter.ts';

/** The publish of this ticket is durable. */
export type Settle = (ticket: number) => void;

export interface LaneTaker {
  /** False while everything has to go through the broker. */
  readonly isOpen: boolean;
  /**
   * The payload `bytes[start, end)` is valid until it returns. `settle` is undefined at QoS 0; otherwise to be called once with the ticket,
   * at any time.
   */
  take(bytes: Buffer, start: number, end: number, settle: Settle | undefined, ticket: number): void;
}

/** Of one connection. */
export interface Lane {
  /** Who takes publishes on the topic `bytes[start, end)` now; undefined: the broker. */
  taker(bytes: Buffer, start: number, end: number): LaneTaker | undefined;
}

export interface FastLaneOptions<Identity> {
  /** Who takes publishes on a topic straight from the gate; the answer must not change. */
  taker(topic: string): LaneTaker | undefined;
  mayPublish(identity: Identity, topic: string): boolean;
  isHeard(topic: string): boolean;
}

interface Known {
  readonly bytes: Buffer;
  readonly topic: string;
  readonly taker: LaneTaker | undefined;
  /** Of the subscriptions when `isHeard` was asked. */
  generation: number;
  isHeard: boolean;
}

const topicsMax = 20_000;
const topicBytesMax = 512;

export class FastLane<Identity> {
  readonly #options: FastLaneOptions<Identity>;
  /** By hash; of topics of one hash, which a sender can make up without end, the last. */
  readonly #topics = new Map<number, Known>();
  #generation = 0;
  /** Publishes that were shown to their taker. */
  taken = 0;

  constructor(options: FastLaneOptions<Identity>) {
    this.#options = options;
  }

  /** Somebody subscribed, came back to subscriptions, or left some. */
  subscriptionsChanged(): void {
    this.#generation++;
  }

  /** The lane of a connection of this identity. */
  of(identity: Identity): Lane {
    // A connection mostly sends on one topic.
    let last: Known | undefined;
    return {
      taker: (bytes, start, end) => {
        if (end - start > topicBytesMax) return undefined;
        const known =
          last !== undefined && isSame(last.bytes, bytes, start, end) ? last : this.#known(bytes, start, end);
        last = known;
        if (known.taker === undefined || !known.taker.isOpen || this.#isHeard(known)) return undefined;
        if (!this.#options.mayPublish(identity, known.topic)) return undefined;
        this.taken++;
        return known.taker;
      },
    };
  }

  #isHeard(known: Known): boolean {
    if (known.generation !== this.#generation) {
      known.generation = this.#generation;
      known.isHeard = this.#options.isHeard(known.topic);
    }
    return known.isHeard;
  }

  #known(bytes: Buffer, start: number, end: number): Known {
    const hash = hashOf(bytes, start, end);
    const found = this.#topics.get(hash);
    if (found !== undefined && isSame(found.bytes, bytes, start, end)) return found;
    if (this.#topics.size >= topicsMax) this.#topics.clear();
    const known = this.#learn(Buffer.from(bytes.subarray(start, end)));
    this.#topics.set(hash, known);
    return known;
  }

  /** What the broker refuses or treats apart is left to it. */
  #learn(bytes: Buffer): Known {
    const topic = bytes.toString();
    const isPlain = !topic.includes('\ufffd') && !topic.startsWith('$') && topicProblem(topic) === undefined;
    const taker = isPlain ? this.#options.taker(topic) : undefined;
    return { bytes, topic, taker, generation: -1, isHeard: true };
  }
}

/** FNV-1a. */
function hashOf(bytes: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[start + i]) return false;
  return true;
}
