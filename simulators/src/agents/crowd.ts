/**
 * Many agents in one process: each a real core with its own database in a file, its own MQTT connection to a real hub, its own timers. Only the
 * sensors are made up: a reading of one device now and then, released when it is committed, as a source would.
 */
import { join } from 'node:path';
import { AgentCore } from '@fogline/edge-agent/agent-core';
import type { CoreConfig } from '@fogline/edge-agent/core-config';
import { agentDatabase } from '@fogline/edge-agent/journal/schema';
import type { SourceBatch } from '@fogline/edge-agent/sources/batch-port';
import { createMqttWire } from '@fogline/edge-agent/uplink/mqtt-wire';
import type { Clock, Timer } from '@fogline/shared/clock';
import type { Logger } from '@fogline/shared/log';
import type { SeededRandom } from '@fogline/shared/random';
import { type Database, openDatabase } from '@fogline/shared/sqlite';

export interface CrowdOptions {
  readonly tokens: ReadonlyMap<string, string>;
  readonly hub: { readonly host: string; readonly port: number };
  readonly folder: string;
  /** Between two readings of one agent. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly random: SeededRandom;
  readonly log: Logger;
  onFatal(agent: string, error: unknown): void;
}

export interface CrowdStatus {
  readonly agents: number;
  readonly connected: number;
  /** Readings that were committed. */
  readonly acked: number;
  /** Sum of their values, in hundredths. */
  readonly sumHundredths: number;
  /** Items whose delivery is not known. */
  readonly queued: number;
}

const source = 'climate';

function configOf(agent: string, token: string): CoreConfig {
  return {
    agent,
    software: 'fogline-sim agents',
    sources: [source],
    pipelines: [{ name: 'live', from: source, lane: 2 }],
    alarms: [],
    buffer: {
      commit: 'flash',
      flashBytesPerDay: 2 ** 30,
      sizeBytesMax: 64 * 1024 * 1024,
      ageMsMax: 7 * 86_400_000,
      whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
    },
    uplink: { token, window: 32, lingerMs: 1_000 },
  };
}

class Member {
  readonly core: AgentCore;
  acked = 0;
  sumHundredths = 0;
  readonly #db: Database;
  readonly #options: CrowdOptions;
  readonly #random: SeededRandom;
  readonly #waiting = new Map<number, number>();
  #token = 0;
  #timer: Timer | undefined;

  constructor(name: string, token: string, options: CrowdOptions) {
    const { clock, folder, hub, log } = options;
    this.#options = options;
    this.#random = options.random.fork();
    this.#db = openDatabase(join(folder, `${name}.db`), { ...agentDatabase, cacheKib: 256 });
    this.core = new AgentCore(configOf(name, token), {
      db: this.#db,
      clock,
      random: this.#random,
      wire: createMqttWire({ ...hub, isTls: false }),
      log,
      actuator: { carryOut: (_call, _timeoutMs, end) => end(false) },
      release: (_source, tokens) => this.#release(tokens),
      setOverloaded: () => undefined,
      onFatal: (error) => options.onFatal(name, error),
    });
    this.core.start();
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Sends readings until `rest`. */
  live(): void {
    const { clock, intervalMs } = this.#options;
    this.#timer = clock.after('sensor', this.#random.unit() * 2 * intervalMs, () => {
      this.#send();
      this.live();
    });
  }

  rest(): void {
    this.#timer?.cancel();
  }

  stop(): void {
    this.rest();
    this.core.stop();
    this.#db.close();
  }

  #send(): void {
    const token = ++this.#token;
    const hundredths = this.#random.below(4_000);
    this.#waiting.set(token, hundredths);
    const definition = { id: 0, device: 'd1', metric: 'temperature', unit: '°C', type: 'number', tags: [] } as const;
    this.core.submit({
      source,
      newSeries: token === 1 ? [definition] : [],
      columns: {
        count: 1,
        series: new Uint32Array(1),
        time: Float64Array.of(this.#options.clock.now()),
        value: Float64Array.of(hundredths / 100),
        flags: new Uint8Array(1),
        strings: [],
      },
      hasSourceTime: new Uint8Array(1),
      tokens: [token],
    } satisfies SourceBatch);
  }

  #release(tokens: readonly number[]): void {
    for (const token of tokens) {
      this.acked++;
      this.sumHundredths += this.#waiting.get(token) ?? 0;
      this.#waiting.delete(token);
    }
  }
}

export class Crowd {
  readonly #members: readonly Member[];

  constructor(options: CrowdOptions) {
    this.#members = [...options.tokens].map(([name, token]) => new Member(name, token, options));
    for (const member of this.#members) member.live();
  }

  /** Reads every queue. */
  status(): CrowdStatus {
    let [connected, acked, sumHundredths, queued] = [0, 0, 0, 0];
    for (const member of this.#members) {
      if (member.core.isConnected) connected++;
      acked += member.acked;
      sumHundredths += member.sumHundredths;
      queued += member.waiting;
      for (const items of member.core.status().queuedItems) queued += items;
    }
    return { agents: this.#members.length, connected, acked, sumHundredths, queued };
  }

  /** No more readings; what there is goes on its way. */
  rest(): void {
    for (const member of this.#members) member.rest();
  }

  stop(): void {
    for (const member of this.#members) member.stop();
  }
}
