/**
 * The agent as a whole: the one place that sees every room. Opens the database, recovers, opens the doors for sensors, connects
 * upwards. Closing commits what came in; what was not acked by then its senders send again.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@fogline/shared/clock';
import { type HttpServer, json, startHttpServer } from '@fogline/shared/http-server';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { type Database, lockFolder, openDatabase } from '@fogline/shared/sqlite';
import { AgentCore } from './agent-core.ts';
import { type AgentConfig, coreConfigOf } from './config.ts';
import { agentDatabase } from './journal/schema.ts';
import { agentMetrics } from './local/agent-metrics.ts';
import { Tap } from './local/tap.ts';
import { Doors } from './sources/doors.ts';
import { createMqttWire } from './uplink/mqtt-wire.ts';

export interface AgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly software: string;
}

export interface Agent {
  /** Of each local MQTT listener, `host:port`. */
  readonly mqttAddresses: readonly string[];
  /** Of each HTTP listener for sensors. */
  readonly writeUrls: readonly string[];
  /** Of the agent's own endpoint. */
  readonly httpUrl: string | undefined;
  /** Rejects when the storage failed: the process must exit and start anew. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

export function databaseFile(folder: string): string {
  return join(folder, 'agent.db');
}

/** Throws `address_in_use`, `storage_open`, `config_invalid`. */
export async function openAgent(config: AgentConfig, ports: AgentPorts): Promise<Agent> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  // Whoever awaits it hears of it; nobody else has to.
  failed.catch(() => undefined);
  const rooms = new Rooms(config, ports);
  try {
    await rooms.open(reject);
  } catch (error) {
    await rooms.close();
    throw error;
  }
  return {
    mqttAddresses: rooms.doors.mqtt.map(({ address, port }) =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    ),
    writeUrls: rooms.doors.http.map(({ url }) => url),
    httpUrl: rooms.http?.url,
    failed,
    close: () => rooms.close(),
  };
}

/** What is open, so that closing works from any point of opening. */
class Rooms {
  readonly doors = new Doors();
  http: HttpServer | undefined;
  readonly #config: AgentConfig;
  readonly #ports: AgentPorts;
  #lock: { release(): void } | undefined;
  #db: Database | undefined;
  #core: AgentCore | undefined;

  constructor(config: AgentConfig, ports: AgentPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  async open(onFatal: (error: unknown) => void): Promise<void> {
    const { buffer, local } = this.#config;
    const { clock, random, log } = this.#ports;
    mkdirSync(buffer.path, { recursive: true });
    this.#lock = lockFolder(buffer.path);
    this.#db = openDatabase(databaseFile(buffer.path), agentDatabase);
    const core = this.#openCore(this.#db, onFatal);
    this.#core = core;
    const progress = core.counters();
    await this.doors.open(this.#config, {
      ingest: core,
      onRejected: (source, reason, topic, payload) => core.reject(source, reason, topic, payload),
      isOverloaded: () => core.isOverloaded,
      progressOf: (name) => progress[name] ?? 0,
      clock,
      random,
      log,
    });
    if (local !== undefined) this.http = await this.#openLocal(local, core);
    core.start();
  }

  async close(): Promise<void> {
    await this.http?.close();
    await this.doors.close();
    this.#core?.stop();
    this.#db?.close();
    this.#lock?.release();
  }

  #openCore(db: Database, onFatal: (error: unknown) => void): AgentCore {
    const { clock, random, log, software } = this.#ports;
    const wire = createMqttWire(this.#config.uplink);
    return new AgentCore(coreConfigOf(this.#config, software), {
      db,
      clock,
      random,
      wire,
      log: log.child('core'),
      release: (source, tokens) => this.doors.release(source, tokens),
      setOverloaded: (isOverloaded) => this.doors.setOverloaded(isOverloaded),
      onFatal: (error) => {
        log.error({ error }, 'the storage failed; nothing is acked any more, the next start recovers');
        onFatal(error);
      },
    });
  }

  #openLocal(local: NonNullable<AgentConfig['local']>, core: AgentCore): Promise<HttpServer> {
    const metrics = agentMetrics(core, this.doors);
    const tap = new Tap((observer) => core.observe(observer));
    return startHttpServer({
      ...local,
      log: this.#ports.log.child('http'),
      routes: {
        '/healthz': () => json({ status: 'ok' }),
        '/readyz': () => (core.isOverloaded ? json({ status: 'overloaded' }, 503) : json({ status: 'ready' })),
        '/status': () => json(core.status()),
        '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.expose() }),
      },
      streams: {
        '/tap': (query, write) => {
          const filter = { pipeline: query.get('pipeline'), device: query.get('device'), metric: query.get('metric') };
          return tap.watch(filter, write);
        },
      },
    });
  }
}
