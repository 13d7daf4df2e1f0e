/**
 * The agent as a whole: the one place that sees every room. Opens the database, recovers, opens the doors for sensors, connects
 * upwards. Closing commits what came in; what was not acked by then its senders send again.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { type HttpServer, json, startHttpServer } from '@fogline/shared/http-server';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { lockFolder } from '@fogline/shared/sqlite';
import { AgentCore } from './agent-core.ts';
import type { AgentConfig } from './config.ts';
import type { CorePorts } from './core-ports.ts';
import { databaseName, type Journal, openJournal } from './journal/open-journal.ts';
import { agentMetrics, type OpenListener } from './local/agent-metrics.ts';
import { openMqttListener } from './sources/mqtt-listen.ts';
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
  readonly httpUrl: string | undefined;
  /** Rejects when the storage failed: the process must exit and start anew. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

export function databaseFile(folder: string): string {
  return join(folder, databaseName);
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
    mqttAddresses: rooms.listeners.map(({ listener: { address, port } }) =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    ),
    httpUrl: rooms.http?.url,
    failed,
    close: () => rooms.close(),
  };
}

/** What is open, so that closing works from any point of opening. */
class Rooms {
  readonly listeners: OpenListener[] = [];
  http: HttpServer | undefined;
  readonly #config: AgentConfig;
  readonly #ports: AgentPorts;
  #lock: { release(): void } | undefined;
  #journal: Journal | undefined;
  #core: AgentCore | undefined;

  constructor(config: AgentConfig, ports: AgentPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  async open(onFatal: (error: unknown) => void): Promise<void> {
    const { buffer, sources, listeners, local } = this.#config;
    const { clock, log } = this.#ports;
    mkdirSync(buffer.path, { recursive: true });
    this.#lock = lockFolder(buffer.path);
    const journal = openJournal(buffer.path, { agent: this.#config.agent, clock, log: log.child('journal') });
    this.#journal = journal;
    const fail = (error: unknown): void => {
      journal.suspect(error);
      log.error({ error }, 'the storage failed; nothing is acked any more, the next start recovers');
      onFatal(error);
    };
    const core = this.#openCore(journal, fail);
    this.#core = core;
    for (const listener of listeners) {
      const own = sources.filter(({ name }) => listener.sources.includes(name));
      const open = await openMqttListener({
        listener,
        sources: own,
        ingest: core,
        onRejected: (source, reason, topic, payload) => core.reject(source, reason, topic, payload),
        clock,
        log: log.child('mqtt'),
      });
      this.listeners.push({ listener: open, sources: listener.sources });
      // One that opened before may have filled the buffer meanwhile.
      if (core.isOverloaded) open.pause();
    }
    if (local !== undefined) this.http = await this.#openLocal(local, core);
    core.start();
    journal.watch((problem) => {
      core.kill();
      fail(new FoglineError('storage_corrupt', problem));
    });
  }

  async close(): Promise<void> {
    await this.http?.close();
    await Promise.all(this.listeners.map(({ listener }) => listener.close()));
    this.#core?.stop();
    this.#journal?.close();
    this.#lock?.release();
  }

  #openCore(journal: Journal, onFatal: (error: unknown) => void): AgentCore {
    const { agent, sources, pipelines, buffer, uplink } = this.#config;
    const { clock, random, log, software } = this.#ports;
    const wire = createMqttWire(uplink);
    const config = {
      agent,
      software,
      sources: sources.map(({ name }) => name),
      pipelines,
      buffer: journal.sized(buffer),
      uplink,
    };
    const corePorts: CorePorts = {
      db: journal.db,
      clock,
      random,
      wire,
      log: log.child('core'),
      committed: (commit, epoch) => journal.committed(commit, epoch),
      release: (source, tokens) => {
        for (const { listener } of this.listeners) listener.release(source, tokens);
      },
      setOverloaded: (isOverloaded) => {
        for (const { listener } of this.listeners) {
          if (isOverloaded) listener.pause();
          else listener.resume();
        }
      },
      onFatal,
    };
    try {
      return new AgentCore(config, corePorts);
    } catch (error) {
      journal.suspect(error);
      throw error;
    }
  }

  #openLocal(local: NonNullable<AgentConfig['local']>, core: AgentCore): Promise<HttpServer> {
    const metrics = agentMetrics(core, this.listeners);
    return startHttpServer({
      ...local,
      log: this.#ports.log.child('http'),
      routes: {
        '/healthz': () => json({ status: 'ok' }),
        '/readyz': () => (core.isOverloaded ? json({ status: 'overloaded' }, 503) : json({ status: 'ready' })),
        '/status': () => json(core.status()),
        '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.expose() }),
      },
    });
  }
}
