/**
 * The whole system in one process and on one thread: agents, hub, links and sensors on a manual clock, every choice from one
 * seed. A crash discards an object and keeps its database exactly as the last COMMIT left it; it can strike between
 * any two events, and right before or right after a COMMIT.
 */

import { HubCore } from '@fogline/cloud-hub/ingest/hub-core';
import { openHubDatabase } from '@fogline/cloud-hub/store/schema';
import { AgentCore } from '@fogline/edge-agent/agent-core';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import type { Journal } from '@fogline/edge-agent/journal/open-journal';
import { agentDatabase } from '@fogline/edge-agent/journal/schema';
import { nobody } from '@fogline/edge-agent/testing/actuators';
import type { Timer } from '@fogline/shared/clock';
import { SeededRandom } from '@fogline/shared/random';
import { type Database, openDatabase, type Statement, type StorageFaults } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { Facts } from './facts.ts';
import { SimSensors } from './sensors.ts';
import { type AgentLink, type HubSide, type LinkMaker, type LinkOptions, SimLink } from './sim-link.ts';

/** Thrown by the fault port in place of the next COMMIT, or right after it. */
class SimulatedCrash extends Error {}

class CrashPoint implements StorageFaults {
  armed: 'before' | 'after' | undefined;
  readonly #who: 'agent' | 'hub';
  readonly #facts: Facts;

  constructor(who: 'agent' | 'hub', facts: Facts) {
    this.#who = who;
    this.#facts = facts;
  }

  beforeCommit(): void {
    if (this.armed === 'before') this.#strike('before');
  }

  afterCommit(): void {
    if (this.armed === 'after') this.#strike('after');
  }

  #strike(when: 'before' | 'after'): never {
    this.armed = undefined;
    this.#facts.note(`${this.#who} crashed ${when} COMMIT`);
    throw new SimulatedCrash('simulated crash');
  }
}

/** The same database with every statement prepared once, however often the agent on it starts anew. */
function preparedOnce(db: Database): Database {
  const prepared = new Map<string, Statement<unknown>>();
  return {
    path: db.path,
    prepare: <Row>(sql: string) => {
      const known = prepared.get(sql) ?? db.prepare(sql);
      prepared.set(sql, known);
      return known as Statement<Row>;
    },
    exec: (sql) => db.exec(sql),
    transaction: (work) => db.transaction(work),
    usedBytes: () => db.usedBytes(),
    fileBytes: () => db.fileBytes(),
    canShrink: db.canShrink,
    shrink: (bytesMax) => db.shrink(bytesMax),
    backup: (file) => db.backup(file),
    serialize: () => db.serialize(),
    checkpointWal: () => db.checkpointWal(),
    quickCheck: () => db.quickCheck(),
    close: () => db.close(),
  };
}

export interface WorldOptions {
  readonly agents: number;
  readonly devices: number;
  /** Of one message; absent: a few. */
  readonly readingsMax?: number;
  readonly config: (agent: string) => CoreConfig;
  readonly link: LinkOptions | LinkMaker;
  /** Databases of agents in files; in memory without. Opened at every start. */
  readonly openJournal?: (agent: string, clock: ManualClock, faults: StorageFaults) => Journal;
}

/** Starts that an agent may take until it runs; beyond that it needs a human. */
const startsMax = 3;

export class SimAgent {
  readonly name: string;
  db: Database;
  readonly sensors: SimSensors;
  readonly link: AgentLink;
  readonly crashPoint: CrashPoint;
  core: AgentCore | undefined;
  config: CoreConfig;
  crashes = 0;
  isOverloaded = false;
  /** Ends that its storage caused. */
  failures = 0;
  /** Every commit that reached the database, also those that it no longer has. */
  readonly commits: { readonly id: number; readonly body: Uint8Array }[] = [];
  /** How large its database could be on its disk. */
  diskBytes = Number.POSITIVE_INFINITY;
  /** Where canaries sit. */
  afterSubmit: ((tokens: readonly number[]) => void) | undefined;
  readonly #clock: ManualClock;
  readonly #random: SeededRandom;
  readonly #facts: Facts;
  readonly #openJournal: (() => Journal) | undefined;
  #journal: Journal | undefined;

  constructor(name: string, options: WorldOptions, world: World, random: SeededRandom) {
    const { clock, facts } = world;
    this.name = name;
    this.#clock = clock;
    this.#random = random;
    this.#facts = facts;
    this.crashPoint = new CrashPoint('agent', facts);
    const { openJournal } = options;
    this.#openJournal = openJournal === undefined ? undefined : () => openJournal(name, clock, this.crashPoint);
    this.config = options.config(name);
    const canShrink = this.config.buffer.keepFree !== undefined;
    const db = openDatabase(':memory:', { ...agentDatabase, canShrink, faults: this.crashPoint });
    this.db = preparedOnce(db);
    this.sensors = new SimSensors(options.devices, options.readingsMax ?? 6, random.fork(), clock.now());
    const ports = { clock, random: random.fork(), facts };
    this.link =
      typeof options.link === 'function'
        ? options.link(name, world, ports)
        : new SimLink(name, world, ports, options.link);
    this.start();
  }

  /** Throws what still stops it after as many starts as a supervisor would try. */
  start(): void {
    for (let tries = 1; this.core === undefined; tries++) {
      try {
        if (!this.#tryStart()) return;
      } catch (error) {
        this.failures++;
        this.#closeJournal();
        if (tries === startsMax) throw error;
      }
    }
    this.core.start();
    for (const batch of this.sensors.resend()) this.core?.submit(batch);
  }

  /** False when the simulated crash struck while it started. */
  #tryStart(): boolean {
    this.isOverloaded = false;
    this.#journal = this.#openJournal?.();
    if (this.#journal !== undefined) this.db = this.#journal.db;
    this.noteCommits();
    try {
      const buffer = this.#journal?.sized(this.config.buffer) ?? this.config.buffer;
      this.core = new AgentCore(
        { ...this.config, buffer },
        {
          db: this.db,
          clock: this.#clock,
          random: this.#random.fork(),
          wire: this.link,
          log: this.#facts.logger(),
          actuator: nobody,
          diskBytes: () => this.diskBytes,
          committed: (commit, epoch) => {
            this.noteCommits();
            this.#journal?.committed(commit, epoch);
          },
          release: (_source, tokens) => this.sensors.release(tokens),
          setOverloaded: (isOverloaded) => {
            this.isOverloaded = isOverloaded;
            this.#facts.note(isOverloaded ? 'overloaded' : 'overload ended');
          },
          onFatal: (error) => this.#onFatal(error),
        },
      );
      this.#journal?.watch((problem) => this.#onFatal(new Error(problem)));
      return true;
    } catch (error) {
      if (error instanceof SimulatedCrash) {
        this.crashes++;
        this.#closeJournal();
        return false;
      }
      this.#journal?.suspect(error);
      throw error;
    }
  }

  #onFatal(error: unknown): void {
    if (!(error instanceof SimulatedCrash)) {
      if (this.#journal === undefined) throw error;
      this.#journal.suspect(error);
      this.failures++;
    }
    this.die();
  }

  #closeJournal(): void {
    this.#journal?.close();
    this.#journal = undefined;
  }

  /** A crash between two events. */
  crash(): void {
    if (this.core === undefined) return;
    this.#facts.note('agent crashed between events');
    this.die();
  }

  die(): void {
    if (this.core === undefined) return;
    this.crashes++;
    this.observe();
    this.core.kill();
    this.core = undefined;
    this.link.close();
    this.crashPoint.armed = undefined;
    this.#closeJournal();
  }

  /** For good. */
  close(): void {
    this.core?.kill();
    this.link.close();
    if (this.#journal === undefined) this.db.close();
    this.#closeJournal();
  }

  /** Looks into the database for what cannot be seen from outside. */
  observe(): void {
    const { packs } = this.db.prepare<{ packs: number }>('SELECT count(*) AS packs FROM packs').get() ?? { packs: 0 };
    if (packs > 0) this.#facts.note('rows merged');
    const { thinned } = this.db
      .prepare<{ thinned: number | null }>('SELECT sum(thinned) AS thinned FROM ledger')
      .get() ?? { thinned: 0 };
    if ((thinned ?? 0) > 0) this.#facts.note('rows thinned');
  }

  /** Before any of them can go. */
  noteCommits(): void {
    const after = this.commits.at(-1)?.id ?? 0;
    const fresh = this.db.prepare<{ id: number; body: Uint8Array }>(
      'SELECT id, body FROM commits WHERE id > ? ORDER BY id',
    );
    this.commits.push(...fresh.all(after));
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
  readonly facts = new Facts();
  readonly hubCrashPoint = new CrashPoint('hub', this.facts);
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
    for (let i = 0; i < options.agents; i++) this.agents.push(new SimAgent(`a${i}`, options, this, this.random.fork()));
  }

  get isUp(): boolean {
    return this.hub !== undefined;
  }

  submit(agent: string, kind: Parameters<HubSide['submit']>[1], payload: Uint8Array, done: () => void): void {
    if (this.hub === undefined) return;
    this.onMessage?.('agent', kind, payload);
    const { hub } = this;
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

  /** A crash between two events. */
  crashHub(): void {
    if (this.hub === undefined) return;
    this.facts.note('hub crashed between events');
    this.#loseHub();
  }

  #loseHub(): void {
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
    this.facts.note('hub restored');
    this.replaceHub(() => openHubDatabase(backup, { faults: this.hubCrashPoint }));
  }

  /** The hub goes down and comes back on whatever `open` gives. */
  replaceHub(open: () => Database): void {
    if (this.hub !== undefined) this.#loseHub();
    this.hubDb.close();
    this.hubDb = open();
    this.startHub();
  }

  close(): void {
    for (const agent of this.agents) agent.close();
    this.hub = undefined;
    this.hubDb.close();
  }

  #commitHub(): void {
    this.#hubTimer = undefined;
    try {
      if (this.hub?.commit() === true) this.#hubTimer = this.clock.after('hub.commit', 1, () => this.#commitHub());
    } catch (error) {
      if (!(error instanceof SimulatedCrash)) throw error;
      this.#loseHub();
    }
  }
}
