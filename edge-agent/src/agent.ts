/**
 * The agent as a whole: the one place that sees every room. Opens the database, recovers, opens the doors for sensors, connects
 * upwards. Closing commits what came in; what was not acked by then its senders send again.
 */
import type { Clock } from '@fogline/shared/clock';
import { FoglineError } from '@fogline/shared/errors';
import { type HttpServer, json, startHttpServer } from '@fogline/shared/http-server';
import type { Logger } from '@fogline/shared/log';
import type { Random } from '@fogline/shared/random';
import { LocalActuator } from './actions/local-actuator.ts';
import { Webhooks } from './actions/webhook.ts';
import { type AgentConfig, coreConfigOf } from './agent-config.ts';
import { AgentCore } from './agent-core.ts';
import type { CorePorts } from './core-ports.ts';
import { lockDataFolder } from './data-folder.ts';
import { type Journal, openJournal } from './journal/open-journal.ts';
import { acknowledgeRoute } from './local/ack-route.ts';
import { agentMetrics } from './local/agent-metrics.ts';
import { Tap } from './local/tap.ts';
import { Doors } from './sources/doors.ts';
import { namingSetting } from './sources/setting.ts';
import { createMqttWire } from './uplink/mqtt-wire.ts';

export interface AgentPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly software: string;
}

export interface Agent {
  /** Of each MQTT listener, `mqtt://host:port` or `mqtts://host:port`. */
  readonly mqttUrls: readonly string[];
  /** Of each HTTP listener for sensors, with https:// where it speaks TLS. */
  readonly writeUrls: readonly string[];
  /** Of the agent's own endpoint. */
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
    mqttUrls: rooms.doors.mqtt.map(({ url }) => url),
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
  #journal: Journal | undefined;
  #core: AgentCore | undefined;

  constructor(config: AgentConfig, ports: AgentPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  async open(onFatal: (error: unknown) => void): Promise<void> {
    const { buffer, local } = this.#config;
    const { clock, random, log } = this.#ports;
    this.#lock = lockDataFolder(buffer.path);
    const journal = openJournal(buffer.path, {
      agent: this.#config.agent,
      clock,
      log: log.child('journal'),
      canShrink: buffer.keepFree !== undefined,
    });
    this.#journal = journal;
    const fail = (error: unknown): void => {
      journal.suspect(error);
      log.error({ error }, 'the storage failed; nothing is acked any more, the next start recovers');
      onFatal(error);
    };
    const core = this.#openCore(journal, fail);
    this.#core = core;
    await this.doors.open(this.#config, {
      ingest: core,
      onRejected: (source, reason, topic, payload) => core.reject(source, reason, topic, payload),
      observe: (via, topic, payload, onDurable) => core.desk.observe(via, topic, payload, onDurable),
      isObserving: () => core.desk.isExpecting,
      isOverloaded: () => core.isOverloaded,
      progress: core.counters(),
      clock,
      random,
      log,
    });
    if (local !== undefined) this.http = await this.#openLocal(local, core);
    core.start();
    journal.watch((problem) => {
      core.kill();
      fail(new FoglineError('storage_corrupt', problem));
    });
  }

  async close(): Promise<void> {
    await this.http?.close();
    await this.doors.close();
    this.#core?.stop();
    this.#journal?.close();
    this.#lock?.release();
  }

  #openCore(journal: Journal, onFatal: (error: unknown) => void): AgentCore {
    const { clock, random, log, software } = this.#ports;
    const wire = createMqttWire(this.#config.uplink);
    const config = coreConfigOf(this.#config, software);
    const corePorts: CorePorts = {
      db: journal.db,
      clock,
      random,
      wire,
      log: log.child('core'),
      actuator: new LocalActuator((via) => this.doors.brokerOf(via), new Webhooks(clock)),
      diskBytes: () => journal.diskBytes(),
      committed: (commit, epoch) => journal.committed(commit, epoch),
      release: (source, tokens) => this.doors.release(source, tokens),
      setOverloaded: (isOverloaded) => this.doors.setOverloaded(isOverloaded),
      onFatal,
    };
    try {
      return new AgentCore({ ...config, buffer: journal.sized(config.buffer) }, corePorts);
    } catch (error) {
      journal.suspect(error);
      throw error;
    }
  }

  #openLocal(local: NonNullable<AgentConfig['local']>, core: AgentCore): Promise<HttpServer> {
    const metrics = agentMetrics(core, this.doors);
    const tap = new Tap((observer) => {
      core.pipeline.observer = observer;
      return core.pipeline.drops();
    });
    const server = startHttpServer({
      ...local,
      log: this.#ports.log.child('http'),
      routes: {
        '/healthz': () => json({ status: 'ok' }),
        '/readyz': () => (core.isOverloaded ? json({ status: 'overloaded' }, 503) : json({ status: 'ready' })),
        '/status': () => json({ ...core.status(), listeners: this.doors.urls() }),
        '/metrics': async () => ({ status: 200, type: metrics.contentType, body: await metrics.expose() }),
      },
      posts: {
        '/alarms/ack': acknowledgeRoute(
          core.desk,
          this.#config.alarms.map(({ name }) => name),
        ),
      },
      streams: {
        '/tap': (query, write) => {
          const filter = { pipeline: query.get('pipeline'), device: query.get('device'), metric: query.get('metric') };
          return tap.watch(filter, write);
        },
      },
    });
    return namingSetting('local.http', server);
  }
}
