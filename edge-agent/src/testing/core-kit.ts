/** An agent's core on a database in memory, a clock by hand and a hub that a test plays, for tests. Starts anew on the same database. */
import { silentLogger } from '@fogline/shared/log';
import { SeededRandom } from '@fogline/shared/random';
import { openDatabase, type StorageFaults } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { AgentCore } from '../agent-core.ts';
import type { CoreConfig } from '../core-config.ts';
import { AgentStore } from '../journal/agent-store.ts';
import { agentDatabase } from '../journal/schema.ts';
import { StubHub } from '../uplink/testing/stub-hub.ts';
import { FakeActuator } from './actuators.ts';

export const coreConfig: CoreConfig = {
  agent: 'pi',
  software: 'test 1',
  sources: ['climate'],
  pipelines: [{ name: 'live', from: 'climate', lane: 2 }],
  alarms: [],
  buffer: {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax: 2 ** 29,
    ageMsMax: 7 * 86_400_000,
    whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
  },
  uplink: { token: 't', window: 32, lingerMs: 20 },
};

export class StorageFailed extends Error {}

/** Fails the n-th commit from when it is armed, before or after it is durable. */
class Faults implements StorageFaults {
  #armed: { when: 'before' | 'after'; countdown: number } | undefined;
  commits = 0;

  arm(when: 'before' | 'after', nth = 1): void {
    this.#armed = { when, countdown: nth };
  }

  beforeCommit(): void {
    this.commits++;
    if (this.#armed !== undefined) this.#armed.countdown--;
    this.#strike('before');
  }

  afterCommit(): void {
    this.#strike('after');
  }

  #strike(when: 'before' | 'after'): void {
    if (this.#armed?.when !== when || this.#armed.countdown > 0) return;
    this.#armed = undefined;
    throw new StorageFailed(when);
  }
}

export class CoreKit {
  readonly clock = new ManualClock();
  readonly faults = new Faults();
  readonly db = openDatabase(':memory:', { ...agentDatabase, faults: this.faults });
  readonly store = new AgentStore(this.db);
  readonly hub = new StubHub();
  readonly actuator = new FakeActuator(() => this.clock.now());
  readonly released: number[] = [];
  readonly overloads: boolean[] = [];
  failure: unknown;
  onRelease: ((token: number) => void) | undefined;
  core: AgentCore;
  #random = new SeededRandom(1);
  #token = 0;
  #isDefined = false;

  constructor(config: CoreConfig = coreConfig) {
    this.core = this.open(config);
  }

  /** A process that starts on the database as it is; the one before is gone, as by a crash. */
  open(config: CoreConfig = coreConfig): AgentCore {
    this.core?.kill();
    this.#isDefined = false;
    this.core = new AgentCore(config, {
      db: this.db,
      clock: this.clock,
      random: this.#random.fork(),
      wire: this.hub,
      log: silentLogger,
      actuator: this.actuator,
      release: (_source, tokens) => {
        for (const token of tokens) {
          this.released.push(token);
          this.onRelease?.(token);
        }
      },
      setOverloaded: (isOverloaded) => this.overloads.push(isOverloaded),
      onFatal: (error) => {
        // Anything else is a bug of the agent, and must not look like a process that ended.
        if (!(error instanceof StorageFailed)) throw error;
        this.failure = error;
      },
    });
    return this.core;
  }

  /** Submits one reading of series 0 whose sender waits; returns its token. */
  submit(time: number, value: number): number {
    return this.submitAll([[time, value]]);
  }

  submitAll(rows: readonly (readonly [time: number, value: number])[]): number {
    const token = ++this.#token;
    const definition = { id: 0, device: 'd', metric: 't', unit: '', type: 'number', tags: [] } as const;
    this.core.submit({
      source: 'climate',
      newSeries: this.#isDefined ? [] : [definition],
      columns: {
        count: rows.length,
        series: new Uint32Array(rows.length),
        time: Float64Array.from(rows, ([time]) => time),
        value: Float64Array.from(rows, ([, value]) => value),
        flags: new Uint8Array(rows.length),
        strings: [],
      },
      hasSourceTime: new Uint8Array(rows.length).fill(1),
      tokens: [token],
    });
    this.#isDefined = true;
    return token;
  }

  close(): void {
    this.core.kill();
    this.db.close();
  }
}
