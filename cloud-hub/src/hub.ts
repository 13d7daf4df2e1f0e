/**
 * The hub as a whole: the one place that sees every room. Opens the folder, the database, ingest, then the doors; closing commits
 * and acks what came in, and what was not acked by then the agents send again. A failed commit ends it: nothing more is acked.
 */
import type { AddressInfo } from 'node:net';
import type { Clock, Timer } from '@fogline/shared/clock';
import { FoglineError, hasCode, messageOf } from '@fogline/shared/errors';
import type { Logger } from '@fogline/shared/log';
import { isLoopback } from '@fogline/shared/loopback';
import { Metrics } from '@fogline/shared/metrics';
import type { DownKind } from '@fogline/shared/protocol/topics';
import type { Random } from '@fogline/shared/random';
import type { Database } from '@fogline/shared/sqlite';
import { Alarms } from './alarms/alarms.ts';
import { type Api, buildApi } from './api/app.ts';
import { checkExposure } from './auth/access.ts';
import { AuditLog } from './auth/audit-log.ts';
import { type AgentBroker, openAgentBroker } from './broker/agent-broker.ts';
import type { HubConfig, HubListener } from './config.ts';
import { DamageWatch } from './damage-watch.ts';
import { copyTombstones, lockDataFolder, openSoundFolder, type SoundFolder } from './data-folder.ts';
import { DiskRoom, type RoomLimits } from './disk-room.ts';
import { EdgeAsker } from './edge/edge-asker.ts';
import { AgentRegistry } from './fleet/agents.ts';
import { CredentialWatch } from './fleet/credential-watch.ts';
import { ApiTokens } from './fleet/tokens.ts';
import { registerHubMetrics } from './hub-metrics.ts';
import { IngestDriver } from './ingest/driver.ts';
import { HubCore } from './ingest/hub-core.ts';
import type { AppliedBatch, CommittedChange } from './ingest/ports.ts';
import { UpkeepDriver } from './ingest/upkeep-driver.ts';
import { type Live, openLive } from './live/live.ts';

export interface HubPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface HubOptions {
  /** A port that is taken is replaced by any free one; otherwise that is an error. */
  readonly portFallback?: boolean;
  /** How much of the disk is left alone; 16 MiB for the ballast, and 24 MiB. */
  readonly room?: RoomLimits;
}

export interface Hub {
  readonly httpUrl: string;
  /** `host:port` */
  readonly mqttAddress: string;
  readonly mqttPort: number;
  /** Credentials of agents and of API callers: what the commands change from outside, for a process that has the hub inside. */
  readonly agents: AgentRegistry;
  readonly tokens: ApiTokens;
  /** On the first start: the token that may do everything. It cannot be read again. */
  readonly firstToken: string | undefined;
  /** Rejects when the storage failed: the process must exit and start anew. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** After so long without an error a suspicion was unfounded. */
const clearedAfterMs = 60_000;

/** Throws `config_invalid`, `address_in_use`, `storage_open`. */
export async function openHub(config: HubConfig, ports: HubPorts, options: HubOptions = {}): Promise<Hub> {
  const rooms = new Rooms(config, ports);
  try {
    return await rooms.open(options);
  } catch (error) {
    await rooms.close();
    throw error;
  }
}

/** What is open, so that closing works from any point of opening. */
class Rooms {
  readonly #config: HubConfig;
  readonly #ports: HubPorts;
  #lock: { release(): void } | undefined;
  #room: DiskRoom | undefined;
  #damageWatch: DamageWatch | undefined;
  #folder: SoundFolder | undefined;
  #driver: IngestDriver | undefined;
  #upkeep: UpkeepDriver | undefined;
  #broker: AgentBroker | undefined;
  #live: Live | undefined;
  #alarms: Alarms | undefined;
  readonly #edge: EdgeAsker;
  #api: Api | undefined;
  #audit: AuditLog | undefined;
  #watch: CredentialWatch | undefined;
  #clearing: Timer | undefined;
  #notReady: string | undefined = 'the hub is starting';
  #closing: Promise<void> | undefined;

  constructor(config: HubConfig, ports: HubPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#edge = new EdgeAsker({
      ...ports,
      send: (agent, payload) => this.#send(agent, 'query', payload),
      isHeard: (agent) => this.#broker?.isHeard(agent, 'query') ?? false,
    });
  }

  async open({ portFallback: hasFallback = false, room: limits }: HubOptions): Promise<Hub> {
    const { dataFolder, http, mqtt } = this.#config;
    const { clock, random, log } = this.#ports;
    const { promise: failed, reject } = Promise.withResolvers<never>();
    // Whoever awaits it hears of it; nobody else has to.
    failed.catch(() => undefined);
    this.#lock = lockDataFolder(dataFolder);
    const room = new DiskRoom(dataFolder, limits);
    this.#room = room;
    const folder = openSoundFolder(dataFolder, log.child('store'), clock.now());
    const { db } = folder;
    this.#folder = folder;
    const agents = new AgentRegistry(db, clock, random);
    const tokens = new ApiTokens(db, clock, random);
    const audit = new AuditLog(dataFolder, clock, (error) => log.error({ error }, 'refusals could not be audited'));
    this.#audit = audit;
    const core = this.#openCore(db);
    const alarms = this.#makeAlarms(db, core, room);
    this.#alarms = alarms;
    const beforeDelivery = (): void => this.#watch?.poll();
    const live = openLive({ store: core.read, clock, random, log: log.child('live'), beforeDelivery });
    this.#live = live;
    const firstToken = makeFirstToken(tokens, folder, audit);
    checkExposures(this.#config, core, tokens);
    const { driver, upkeep, damageWatch } = this.#drive(core, folder, room, reject);
    const broker = await this.#openBroker(hasFallback, agents, driver);
    this.#broker = broker;
    const watch = this.#watchCredentials(folder, broker, live);
    this.#watch = watch;
    this.#clearing = clock.after('hub.suspicion', clearedAfterMs, () => folder.clearSuspicion());
    const metrics = new Metrics();
    registerHubMetrics(metrics, { core, broker, room, damageWatch, folder, live, alarms, edge: this.#edge });
    this.#api = buildApi({
      store: core.read,
      clock,
      log: log.child('api'),
      metrics,
      access: { isLoopback: isLoopback(http.host), callerOf: (token) => tokens.verify(token) },
      tokens,
      credentialsChanged: () => {
        watch.poll();
        folder.saveCredentials();
      },
      audit,
      order: (order) => upkeep.order(order),
      live,
      alarms,
      edge: this.#edge,
      ...(http.tls === undefined ? {} : { tls: http.tls }),
      notReady: () => this.#notReady ?? room.problem,
    });
    const httpPort = await listenHttp(this.#api, http, hasFallback);
    this.#notReady = undefined;
    const httpUrl = `${http.tls === undefined ? 'http' : 'https'}://${hostPort(http.host, httpPort)}`;
    const mqttAddress = hostPort(mqtt.host, broker.port);
    log.info({ data: dataFolder, http: httpUrl, mqtt: mqttAddress }, 'the hub is ready');
    return {
      httpUrl,
      mqttAddress,
      mqttPort: broker.port,
      agents,
      tokens,
      firstToken,
      failed,
      close: () => this.close(),
    };
  }

  #openCore(db: Database): HubCore {
    const { clock, log } = this.#ports;
    const told = {
      send: (agent: string, kind: DownKind, payload: Uint8Array): void => this.#send(agent, kind, payload),
      onAlarms: (batch: AppliedBatch): void => this.#alarms?.applied(batch),
      isWatched: (): boolean => this.#live?.feed.isWatched ?? false,
      onCommitted: (change: CommittedChange): void => {
        this.#live?.feed.committed(change);
        this.#alarms?.committed(change);
      },
    };
    return new HubCore(db, { clock, log: log.child('ingest'), ...told }, { retention: this.#config.retention });
  }

  #makeAlarms(db: Database, core: HubCore, room: DiskRoom): Alarms {
    const { clock, random, log } = this.#ports;
    const { alarms: config } = this.#config;
    const isBusy = (): boolean => core.queuedBytes() > 0;
    const hasRoom = (): boolean => room.hasRoom();
    return new Alarms({ db, store: core.read, clock, random, log: log.child('alarms'), config, isBusy, hasRoom });
  }

  #send(agent: string, kind: DownKind, payload: Uint8Array): void {
    this.#broker?.send(agent, kind, payload);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#notReady = 'the hub is stopping';
    this.#watch?.stop();
    this.#clearing?.cancel();
    this.#room?.stop();
    this.#damageWatch?.stop();
    this.#edge.stop();
    await this.#api?.close();
    this.#upkeep?.stop();
    this.#alarms?.stop();
    this.#driver?.stop();
    await this.#broker?.close();
    this.#folder?.saveCredentials();
    this.#folder?.db.close();
    this.#audit?.close();
    this.#lock?.release();
    if (this.#api !== undefined) this.#ports.log.info({}, 'the hub has stopped');
  }

  /** The first error of the storage and the first damage, whoever meets it, stop ingest and upkeep, and end the hub. */
  #drive(core: HubCore, folder: SoundFolder, room: DiskRoom, reject: (error: unknown) => void) {
    const { clock, log } = this.#ports;
    const { dataFolder } = this.#config;
    const { db } = folder;
    const end = (error: unknown, reason: string): void => {
      driver.abandon();
      upkeep.stop();
      this.#alarms?.stop();
      this.#notReady = reason;
      log.error({ error }, `${reason}; nothing more is acked`);
      reject(error);
    };
    const fail = (error: unknown): void => {
      end(error, 'the storage failed');
      folder.suspect(error);
    };
    const driver = new IngestDriver(core, { fail, mayCommit: () => room.hasRoom() });
    const upkeep = new UpkeepDriver(core, { clock, room, fail, onOrders: () => copyTombstones(dataFolder, db) });
    const damageWatch = new DamageWatch({
      db,
      clock,
      isBusy: () => core.queuedBytes() > 0,
      onDamage(problem) {
        end(new FoglineError('storage_corrupt', `the database is damaged: ${problem}`), `damage was found: ${problem}`);
        folder.condemn(problem);
      },
    });
    const onRoom = (): void => {
      folder.saveCredentials();
      driver.resume();
    };
    room.watch({ db, clock, log: log.child('room'), onRoom });
    this.#alarms?.start(fail);
    this.#driver = driver;
    this.#upkeep = upkeep;
    this.#damageWatch = damageWatch;
    return { driver, upkeep, damageWatch };
  }

  #openBroker(hasFallback: boolean, agents: AgentRegistry, driver: IngestDriver): Promise<AgentBroker> {
    const { mqtt } = this.#config;
    const { clock, log } = this.#ports;
    return withFallback(hasFallback, mqtt, 'mqtt', (port) =>
      openAgentBroker({
        host: mqtt.host,
        port,
        ...(mqtt.tls === undefined ? {} : { tls: mqtt.tls }),
        clock,
        log: log.child('mqtt'),
        isAvailable: () => this.#room?.problem === undefined,
        isAgentToken: (agent, token) => agents.isAuthentic(agent, token),
        submit: (agent, kind, payload, done) => driver.submit(agent, kind, payload, done),
        onAnswer: (agent, payload) => this.#edge.take(agent, payload),
      }),
    );
  }

  /** Whoever lost a token, or has another, loses connections and streams too. */
  #watchCredentials(folder: SoundFolder, broker: AgentBroker, live: Live): CredentialWatch {
    const { clock, log } = this.#ports;
    return new CredentialWatch(folder.db, clock, (haveSitesChanged) => {
      broker.dropRevoked();
      live.credentialsChanged(haveSitesChanged);
      this.#alarms?.credentialsChanged();
      try {
        folder.saveCredentials();
      } catch (error) {
        log.error({ error }, 'the copy of the credentials could not be written');
      }
    });
  }
}

function makeFirstToken(tokens: ApiTokens, folder: SoundFolder, audit: AuditLog): string | undefined {
  const token = tokens.createFirst();
  if (token === undefined) return undefined;
  folder.saveCredentials();
  audit.record({ who: 'hub', from: '', what: 'first start', target: 'token name=admin', outcome: 'ok' });
  return token;
}

function checkExposures({ http, mqtt }: HubConfig, core: HubCore, tokens: ApiTokens): void {
  checkExposure({
    name: 'http.listen',
    host: http.host,
    hasCredential: tokens.any(),
    fix: 'fogline-hub token add NAME --scope read',
  });
  const hasAgent = core.read.listAgents().some((agent) => agent.hasCredential && !agent.isRevoked);
  checkExposure({ name: 'mqtt.listen', host: mqtt.host, hasCredential: hasAgent, fix: 'fogline-hub agent add ID' });
}

function listenHttp(api: Api, listener: HubListener, hasFallback: boolean): Promise<number> {
  return withFallback(hasFallback, listener, 'http', async (port) => {
    try {
      await api.app.listen({ host: listener.host, port });
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      throw new FoglineError(isTaken ? 'address_in_use' : 'unavailable', messageOf(error), { cause: error });
    }
    return (api.app.server.address() as AddressInfo).port;
  });
}

async function withFallback<Result>(
  hasFallback: boolean,
  { host, port }: HubListener,
  name: 'http' | 'mqtt',
  open: (port: number) => Promise<Result>,
): Promise<Result> {
  try {
    return await open(port);
  } catch (error) {
    if (!hasCode(error, 'address_in_use')) {
      throw new FoglineError('unavailable', `${name}: cannot listen on ${hostPort(host, port)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (hasFallback) return await open(0);
    throw new FoglineError(
      'address_in_use',
      `${name}: ${hostPort(host, port)} is taken by another process; stop that, or choose another with --${name} ${hostPort(host, port + 1)}`,
      { cause: error },
    );
  }
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
