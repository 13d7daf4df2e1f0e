/**
 * The whole system in one process and on one thread: agents, hub, links and sensors on a manual clock, every choice from one
 * seed. A crash discards an object and keeps its database exactly as the last COMMIT left it; it can strike between
 * any two events, and right before or right after a COMMIT.
 */

import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { AgentCore } from '@fogline/edge-agent/agent-core';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { agentDatabase } from '@fogline/edge-agent/journal/schema';
import type { Timer } from '@fogline/shared/clock';
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { type Database, openDatabase, type StorageFaults } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { SimSensors } from './sensors.ts';
import { type HubSide, SimLink } from './sim-link.ts';

/** Thrown by the fault port in place of the next COMMIT, or right after it. */
class SimulatedCrash extends Error {}

class CrashPoint implements StorageFaults {
  armed: 'before' | 'after' | undefined;

  beforeCommit(): void {
    if (this.armed === 'before') this.#strike();
  }

  afterCommit(): void {
    if (this.armed === 'after') this.#strike();
  }

  #strike(): never {
    this.armed = undefined;
    throw new SimulatedCrash('simulated crash');
  }
}

export interface WorldOptions {
  readonly agents: number;
  readonly devices: number;
  readonly config: (agent: string) => CoreConfig;
  readonly link: { readonly latencyMaxMs: number; readonly ghostChance: number; readonly duplicateChance: number };
}

export class SimAgent {
  readonly name: string;
  readonly db: Database;
  readonly sensors: SimSensors;
  readonly link: SimLink;
  readonly crashPoint: CrashPoint;
  core: AgentCore | undefined;
  config: CoreConfig;
  crashes = 0;
  isOverloaded = false;
  /** Where canaries sit. */
  afterSubmit: ((tokens: readonly number[]) => void) | undefined;
  readonly #clock: ManualClock;
  readonly #random: SeededRandom;

  constructor(name: string, options: WorldOptions, hub: HubSide, clock: ManualClock, random: SeededRandom) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.crashPoint = new CrashPoint();
    this.db = openDatabase(':memory:', { ...agentDatabase, faults: this.crashPoint });
    this.sensors = new SimSensors(options.devices, random.fork(), clock.now());
    this.link = new SimLink(name, hub, clock, random.fork(), options.link);
    this.config = options.config(name);
    this.start();
  }

  start(): void {
    this.isOverloaded = false;
    try {
      this.core = new AgentCore(this.config, {
        db: this.db,
        clock: this.#clock,
        random: this.#random.fork(),
        wire: this.link,
        log: silentLogger,
        release: (_source, tokens) => this.sensors.release(tokens),
        setOverloaded: (isOverloaded) => {
          this.isOverloaded = isOverloaded;
        },
        onFatal: (error) => {
          if (!(error instanceof SimulatedCrash)) throw error;
          this.crash();
        },
      });
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      this.crashes++;
      return;
    }
    this.core.start();
    for (const batch of this.sensors.resend()) this.core?.submit(batch);
  }

  crash(): void {
    if (this.core === undefined) return;
    this.crashes++;
    this.core.kill();
    this.core = undefined;
    this.link.close();
    this.crashPoint.armed = undefined;
  }

  send(): void {
    if (this.core === undefined || this.isOverloaded) return;
    const batch = this.sensors.send(this.#clock.now());
    this.core.submit(batch);
    this.afterSubmit?.(batch.tokens);
  }
}

export class World implements HubSide {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  readonly agents: SimAgent[] = [];
  readonly hubCrashPoint = new CrashPoint();
  hubDb: Database;
  hub: HubCore | undefined;
  hubCrashes = 0;
  /** Hears everything that either side was handed. */
  onMessage: ((from: 'agent' | 'hub', kind: string, payload: Uint8Array) => void) | undefined;
  #hubTimer: Timer | undefined;

  constructor(seed: number, options: WorldOptions) {
    this.random = new SeededRandom(seed);
    this.hubDb = openHubDatabase(':memory:', { faults: this.hubCrashPoint });
    this.startHub();
    for (let i = 0; i < options.agents; i++)
      this.agents.push(new SimAgent(`a${i}`, options, this, this.clock, this.random.fork()));
  }

  get isUp(): boolean {
    return this.hub !== undefined;
  }

  submit(agent: string, kind: Parameters<HubSide['submit']>[1], payload: Uint8Array, done: () => void): void {
    const { hub } = this;
    if (hub === undefined) return;
    this.onMessage?.('agent', kind, payload);
    hub.submit(agent, kind, payload, () => {
      if (this.hub === hub) done();
    });
    this.#hubTimer ??= this.clock.after('hub.commit', this.random.below(20), () => this.#commitHub());
  }

  startHub(): void {
    try {
      this.hub = new HubCore(this.hubDb, {
        clock: this.clock,
        send: (agent, kind, payload) => {
          this.onMessage?.('hub', kind, payload);
          this.agents.find(({ name }) => name === agent)?.link.deliver(kind, payload);
        },
      });
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      this.hubCrashes++;
    }
  }

  crashHub(): void {
    if (this.hub === undefined) return;
    this.hubCrashes++;
    this.hub = undefined;
    this.#hubTimer?.cancel();
    this.#hubTimer = undefined;
    this.hubCrashPoint.armed = undefined;
    for (const agent of this.agents) agent.link.cut();
  }

  backupHub(): Uint8Array {
    return this.hubDb.serialize();
  }

  /** The hub goes down and comes back with the database of an earlier moment. */
  restoreHub(backup: Uint8Array): void {
    this.crashHub();
    this.hubDb.close();
    this.hubDb = openHubDatabase(backup, { faults: this.hubCrashPoint });
    this.startHub();
  }

  close(): void {
    for (const agent of this.agents) {
      agent.core?.kill();
      agent.link.close();
      agent.db.close();
    }
    this.hub = undefined;
    this.hubDb.close();
  }

  #commitHub(): void {
    this.#hubTimer = undefined;
    try {
      if (this.hub?.commit() === true) this.#hubTimer = this.clock.after('hub.commit', 1, () => this.#commitHub());
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      this.crashHub();
    }
  }
}
