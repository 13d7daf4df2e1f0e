/**
 * One agent's connection to the simulated hub. In order and reliable while it lives, as TCP is; when it is cut everything under
 * way is lost, except that the hub may still come to read some of what the dead connection carried (a ghost), after the
 * next session began. It may also hand a message to the hub twice.
 */

import type { Wire, WireEvents, WireOptions } from '@fogline/edge-agent/uplink/wire';
import type { Clock } from '@fogline/shared/clock';
import { type DownKind, isUpKind, parseTopic, topicOf, type UpKind } from '@fogline/shared/protocol/topics';
import type { SeededRandom } from '@fogline/shared/random';
import { type Facts, SessionFacts } from './facts.ts';

export interface HubSide {
  /** Undefined while the hub is down. `done` is dropped by a hub that crashes. */
  submit(agent: string, kind: UpKind, payload: Uint8Array, done: () => void): void;
  readonly isUp: boolean;
}

/** What a schedule does to the connection of an agent, whatever carries it. */
export interface AgentLink extends Wire {
  isDown: boolean;
  onPublish: ((kind: UpKind, payload: Uint8Array) => void) | undefined;
  /** What the hub publishes to this agent. */
  deliver(kind: DownKind, payload: Uint8Array): void;
  cut(): void;
  takeDown(): void;
  stall(): void;
}

export interface LinkOptions {
  readonly latencyMaxMs: number;
  readonly ghostChance: number;
  readonly duplicateChance: number;
}

/** Makes the link of one agent. */
export type LinkMaker = (agent: string, hub: HubSide, ports: LinkPorts) => AgentLink;

export interface LinkPorts {
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly facts: Facts;
}

interface Connection {
  readonly events: WireEvents;
  readonly facts: SessionFacts;
  isAlive: boolean;
  isStalled: boolean;
  upDueAt: number;
  downDueAt: number;
}

export class SimLink implements AgentLink {
  readonly #agent: string;
  readonly #hub: HubSide;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #options: LinkOptions;
  readonly #facts: Facts;
  readonly #batchesSent = new Set<string>();
  #connection: Connection | undefined;
  /** No connection comes about while the line is down. */
  isDown = false;
  /** Told of every publish before it travels; where canaries sit. */
  onPublish: ((kind: UpKind, payload: Uint8Array) => void) | undefined;

  constructor(agent: string, hub: HubSide, ports: LinkPorts, options: LinkOptions) {
    this.#agent = agent;
    this.#hub = hub;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#facts = ports.facts;
    this.#options = options;
  }

  open(_options: WireOptions, events: WireEvents): void {
    const facts = new SessionFacts(this.#facts, this.#batchesSent);
    const connection: Connection = { events, facts, isAlive: true, isStalled: false, upDueAt: 0, downDueAt: 0 };
    this.#connection = connection;
    this.#clock.after('link.open', this.#latency(), () => {
      if (!connection.isAlive) return;
      if (this.#hub.isUp && !this.isDown) events.onOpen();
      else this.#fail(connection, 'refused');
    });
  }

  publish(topic: string, payload: Uint8Array, _isRetained: boolean, reference: number): void {
    const connection = this.#connection;
    const kind = parseTopic(topic)?.kind ?? '';
    if (connection === undefined || !connection.isAlive || !isUpKind(kind)) return;
    connection.facts.published(kind, payload);
    this.onPublish?.(kind, payload);
    const bytes = payload.slice();
    connection.upDueAt = Math.max(connection.upDueAt, this.#clock.monotonic() + this.#latency());
    this.#clock.after('link.up', connection.upDueAt - this.#clock.monotonic(), () => {
      if (connection.isStalled) return;
      if (!connection.isAlive) {
        if (this.#random.chance(this.#options.ghostChance)) this.#ghost(kind, bytes);
        return;
      }
      const ack = (): void => this.#down(connection, () => connection.events.onAck(reference));
      this.#hub.submit(this.#agent, kind, bytes, ack);
      if (!this.#random.chance(this.#options.duplicateChance)) return;
      this.#facts.note('message duplicated');
      this.#hub.submit(this.#agent, kind, bytes, ack);
    });
  }

  ping(): void {
    const connection = this.#connection;
    if (connection === undefined || !connection.isAlive) return;
    connection.upDueAt = Math.max(connection.upDueAt, this.#clock.monotonic() + this.#latency());
    this.#clock.after('link.ping', connection.upDueAt - this.#clock.monotonic(), () => {
      if (connection.isAlive && !connection.isStalled) this.#down(connection, () => connection.events.onHeard());
    });
  }

  close(): void {
    if (this.#connection !== undefined) this.#connection.isAlive = false;
    this.#connection = undefined;
  }

  deliver(kind: DownKind, payload: Uint8Array): void {
    const connection = this.#connection;
    const bytes = payload.slice();
    if (connection?.isAlive === true)
      this.#down(connection, () => connection.events.onMessage(topicOf(this.#agent, kind), bytes));
  }

  /** Cuts the line; the agent learns of it. */
  cut(): void {
    if (this.#connection === undefined) return;
    this.#facts.note('connection cut');
    this.#fail(this.#connection, 'cut');
  }

  /** Cuts the line for as long as `isDown` stays. */
  takeDown(): void {
    this.isDown = true;
    this.cut();
  }

  /** Half-open: nothing passes any more, and nobody says so. */
  stall(): void {
    if (this.#connection === undefined) return;
    this.#facts.note('connection stalled');
    this.#connection.isStalled = true;
  }

  #ghost(kind: UpKind, payload: Uint8Array): void {
    this.#clock.after('link.ghost', this.#random.below(5000), () => {
      if (!this.#hub.isUp) return;
      this.#facts.note('ghost read by the hub');
      this.#hub.submit(this.#agent, kind, payload, () => undefined);
    });
  }

  #down(connection: Connection, arrive: () => void): void {
    connection.downDueAt = Math.max(connection.downDueAt, this.#clock.monotonic() + this.#latency());
    this.#clock.after('link.down', connection.downDueAt - this.#clock.monotonic(), () => {
      if (connection.isAlive && !connection.isStalled) arrive();
    });
  }

  #fail(connection: Connection, reason: string): void {
    if (!connection.isAlive) return;
    connection.isAlive = false;
    if (this.#connection === connection) this.#connection = undefined;
    connection.events.onClose(reason);
  }

  #latency(): number {
    return this.#random.below(this.#options.latencyMaxMs) + 1;
  }
}
