/**
 * The agent as a whole: the one place that sees every room. Opens the database, recovers, opens the doors for sensors, connects
 * upwards. Closing commits what came in; what was not acked by then its senders send again.
 */
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { type HttpServer, json, startHttpServer } from '@fogline/shared/http-server';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { AgentCore } from './agent-core.ts';
import type { AgentConfig } from './config.ts';
import { lockDataFolder, openDataFolder } from './data-folder.ts';
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
  #db: Database | undefined;
  #core: AgentCore | undefined;

  constructor(config: AgentConfig, ports: AgentPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  async open(onFatal: (error: unknown) => void): Promise<void> {
    const { buffer, sources, listeners, local } = this.#config;
    const { clock, log } = this.#ports;
    this.#lock = lockDataFolder(buffer.path);
    this.#db = openDataFolder(buffer.path);
    const core = this.#openCore(this.#db, onFatal);
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
      }).catch((error: unknown) => throwTaken(error, `sources.${listener.sources[0]}.mqtt.listen`));
      this.listeners.push({ listener: open, sources: listener.sources });
      // One that opened before may have filled the buffer meanwhile.
      if (core.isOverloaded) open.pause();
    }
    if (local !== undefined) this.http = await this.#openLocal(local, core);
    core.start();
  }

  async close(): Promise<void> {
    await this.http?.close();
    await Promise.all(this.listeners.map(({ listener }) => listener.close()));
    this.#core?.stop();
    this.#db?.close();
    this.#lock?.release();
  }

  #openCore(db: Database, onFatal: (error: unknown) => void): AgentCore {
    const { agent, sources, pipelines, buffer, uplink } = this.#config;
    const { clock, random, log, software } = this.#ports;
    const wire = createMqttWire(uplink);
    return new AgentCore(
      { agent, software, sources: sources.map(({ name }) => name), pipelines, buffer, uplink },
      {
        db,
        clock,
        random,
        wire,
        log: log.child('core'),
        release: (source, tokens) => {
          for (const { listener } of this.listeners) listener.release(source, tokens);
        },
        setOverloaded: (isOverloaded) => {
          for (const { listener } of this.listeners) {
            if (isOverloaded) listener.pause();
            else listener.resume();
          }
        },
        onFatal: (error) => {
          log.error({ error }, 'the storage failed; nothing is acked any more, the next start recovers');
          onFatal(error);
        },
      },
    );
  }

  #openLocal(local: NonNullable<AgentConfig['local']>, core: AgentCore): Promise<HttpServer> {
    const metrics = agentMetrics(core, this.listeners);
    const server = startHttpServer({
      ...local,
      log: this.#ports.log.child('http'),
      routes: {
        '/healthz': () => json({ status: 'ok' }),
        '/readyz': () => (core.isOverloaded ? json({ status: 'overloaded' }, 503) : json({ status: 'ready' })),
        '/status': () => json(core.status()),
        '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.expose() }),
      },
    });
    return server.catch((error: unknown) => throwTaken(error, 'local.http'));
  }
}

function throwTaken(error: unknown, setting: string): never {
  if (!hasCode(error, 'address_in_use')) throw error;
  throw new FoglineError('address_in_use', `${error.message}; stop that, or choose another with ${setting}`, {
    cause: error,
  });
}
