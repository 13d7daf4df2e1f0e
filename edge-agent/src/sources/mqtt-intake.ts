/**
 * Publishes on their way to the sources, from a broker of ours or from one that the agent joined: each is decoded on the spot, and its
 * sender waits for the commit. During overload QoS 0 is dropped and counted; what its sender will send again is held undecoded,
 * bounded by what the connection lets in, and taken in order when it is over.
 */
import type { LaneTaker } from '@fogline/shared/broker/fast-lane';
import type { SourceControl, Token } from './batch-port.ts';
import { Door, type DoorPorts } from './door.ts';
import type { SourceBatcher, SourceCounters, SourceOptions } from './source-batcher.ts';

/** 'ok': the readings are durable, or there were none; 'close': the sender must come again. */
export type Verdict = 'ok' | 'close';
export type Done = (verdict: Verdict) => void;

export interface Arrival {
  readonly topic: string;
  /** A view, valid until `receive` returns. */
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** Distinguishes two connections within this process. */
  readonly connection: number;
  /** A last will: its sender is gone, and will not send it again. */
  readonly isWill: boolean;
}

/** A publish that came during overload and whose sender can wait. */
interface Held {
  readonly connection: number;
  readonly isWill: boolean;
  readonly source: SourceBatcher;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly done: Done;
}

export class MqttIntake implements SourceControl {
  readonly #door: Door;
  #held: Held[] = [];
  #isPaused = false;
  unmatched = 0;

  /** @throws FoglineError config_invalid. */
  constructor(sources: readonly SourceOptions[], ports: DoorPorts) {
    this.#door = new Door(sources, ports);
  }

  get names(): readonly string[] {
    return this.#door.names;
  }

  route(topic: string): SourceBatcher | undefined {
    return this.#door.route(topic);
  }

  receive({ topic, payload, qos, connection, isWill }: Arrival, done: Done): void {
    const source = this.#door.route(topic);
    if (source === undefined) {
      this.unmatched++;
      done('ok');
      return;
    }
    if (!this.#isPaused) {
      this.#door.take(source, topic, payload, qos === 0 ? undefined : () => done('ok'));
      if (qos === 0) done('ok');
    } else if (qos === 0) {
      source.drop(topic, payload, 'qos0_dropped_overload');
      done('ok');
    } else {
      this.#held.push({ connection, isWill, source, topic, payload: payload.slice(), done });
    }
  }

  /**
   * Takes publishes of a source's topic straight from the frame gate: as `receive`, at QoS 0 or 1, while nothing is held and `isLookedAt`
   * says that nobody else looks at them. Undefined when the topic is no source's.
   */
  laneTaker(topic: string, isLookedAt: () => boolean): LaneTaker | undefined {
    const source = this.#door.route(topic);
    if (source === undefined) return undefined;
    const take = this.#door.lane(source, topic);
    const isOpen = (): boolean => !this.#isPaused && this.#held.length === 0 && !this.#door.isClosed && !isLookedAt();
    return {
      get isOpen() {
        return isOpen();
      },
      take,
    };
  }

  release(source: string, tokens: readonly Token[]): void {
    this.#door.release(source, tokens);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    let taken = 0;
    // Taking may submit a batch, and the core may answer with the next pause.
    for (const { source, topic, payload, done } of this.#held) {
      if (this.#isPaused) break;
      taken++;
      this.#door.take(source, topic, payload, () => done('ok'));
    }
    this.#held = this.#held.slice(taken);
  }

  /** A connection is gone: what it still waited to hand over will be sent again, and must not be kept for every attempt. */
  forget(connection: number): void {
    const gone = this.#held.filter((entry) => entry.connection === connection && !entry.isWill);
    if (gone.length === 0) return;
    this.#held = this.#held.filter((entry) => entry.connection !== connection || entry.isWill);
    for (const { done } of gone) done('close');
  }

  sourceCounters(name: string): SourceCounters {
    return this.#door.source(name).counters();
  }

  close(): void {
    this.#door.close();
  }
}
