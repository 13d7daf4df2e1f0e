/**
 * The system of a chaos run: a hub and agents under supervisors, a fleet and two links for each agent, in a folder and on ports of its own. Ports lie
 * below the range of outgoing connections: while a killed server is away, nobody else can be given its port.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '@fogline/shared/clock';
import type { SeededRandom } from '@fogline/shared/random';
import { Child } from '../demo/cli-child.ts';
import { loopback } from '../demo/ports.ts';
import { type Link, openLink } from '../faults/link.ts';
import { type LyingLink, openLyingLink } from '../faults/lying-link.ts';
import { mountDisk, type SmallDisk } from './cli-disk.ts';
import { hubName } from './plan.ts';
import { Supervised } from './supervised.ts';

const scripts = {
  hub: new URL('../../../cloud-hub/src/cli.ts', import.meta.url),
  agent: new URL('../../../edge-agent/src/cli.ts', import.meta.url),
  sim: new URL('../cli.ts', import.meta.url),
} as const;

export interface SystemOptions {
  readonly folder: string;
  readonly agents: readonly string[];
  readonly seed: number;
  /** Of each agent. */
  readonly devices: number;
  readonly clock: Clock;
  /** For ports: not the seed's, because several runs of one seed may go on at once. */
  readonly random: SeededRandom;
  /** Data folders are disks that can be filled. */
  readonly hasDisks: boolean;
  onLog(name: string, line: string): void;
}

export interface Site {
  readonly name: string;
  readonly process: Supervised;
  /** Between devices and agent, and between agent and hub. */
  readonly links: { readonly device: Link; readonly hub: Link };
  readonly fleet: Child;
  readonly truth: string;
  readonly url: string;
  /** Where the agent listens for devices. */
  readonly mqttPort: number;
  readonly data: string;
  readonly disk: SmallDisk | undefined;
}

interface Finished {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const diskMebibytes = 24;
/** Room for the ballast and the reserve of a hub. */
const hubDiskMebibytes = 96;
const outBytesMax = 64 * 1024 * 1024;
const stopGraceMs = 10_000;

/** Throws when it does not come up; then nothing of it is left. */
export async function openChaosSystem(options: SystemOptions): Promise<ChaosSystem> {
  const system = new ChaosSystem(options);
  try {
    await system.open();
  } catch (error) {
    await system.close();
    throw error;
  }
  return system;
}

export class ChaosSystem {
  readonly hubData: string;
  readonly sites: Site[] = [];
  hubUrl = '';
  hubDisk: SmallDisk | undefined;
  readonly #options: SystemOptions;
  readonly #closers: (() => Promise<unknown> | void)[] = [];
  readonly #backupFile: string;
  #hub: Supervised | undefined;
  #liar: LyingLink | undefined;

  constructor(options: SystemOptions) {
    this.#options = options;
    this.hubData = join(options.folder, 'hub');
    this.#backupFile = join(options.folder, 'hub.backup');
  }

  get hub(): Supervised {
    if (this.#hub === undefined) throw new Error('the system is not open');
    return this.#hub;
  }

  get liar(): LyingLink {
    if (this.#liar === undefined) throw new Error('the system is not open');
    return this.#liar;
  }

  async open(): Promise<void> {
    const { folder, agents } = this.#options;
    mkdirSync(folder, { recursive: true });
    this.hubDisk = this.#mount(this.hubData, hubDiskMebibytes);
    const [http, mqtt] = [await this.#port(), await this.#port()];
    this.hubUrl = `http://${loopback}:${http}`;
    const args = ['run', '--data', this.hubData, '--http', `${loopback}:${http}`, '--mqtt', `${loopback}:${mqtt}`];
    this.#hub = this.#supervise(hubName, scripts.hub, args);
    const liar = await openLyingLink(mqtt, 0);
    this.#liar = liar;
    this.#closers.push(() => liar.close());
    const tokens: string[] = [];
    for (const name of agents) {
      const { code, out, error } = await this.run('hub', ['agent', 'add', name, '--data', this.hubData]);
      if (code !== 0) throw new Error(`the agent ${name} could not be enrolled: ${error}`);
      tokens.push(out.trim());
    }
    this.hub.start();
    for (const [index, name] of agents.entries())
      this.sites.push(await this.#openSite(name, index, tokens[index] ?? ''));
  }

  /** Runs a command of ours to its end. */
  run(program: keyof typeof scripts, args: readonly string[]): Promise<Finished> {
    return new Promise((resolve) => {
      const command = [scripts[program].pathname, ...args];
      execFile(process.execPath, command, { maxBuffer: outBytesMax }, (error, out, text) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, error: text });
      });
    });
  }

  async backup(): Promise<boolean> {
    const fresh = `${this.#backupFile}-next`;
    rmSync(fresh, { force: true });
    const { code } = await this.run('hub', ['backup', fresh, '--data', this.hubData]);
    if (code === 0) copyFileSync(fresh, this.#backupFile);
    return code === 0;
  }

  /** As an operator would: the database and what belongs to it make way for the backup. False when there is none. */
  async restore(): Promise<boolean> {
    if (!existsSync(this.#backupFile)) return false;
    await this.hub.hold();
    for (const file of ['hub.db', 'hub.db-wal', 'hub.db-shm']) rmSync(join(this.hubData, file), { force: true });
    copyFileSync(this.#backupFile, join(this.hubData, 'hub.db'));
    this.hub.start();
    return true;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  #port(): Promise<number> {
    return freePort(this.#options.random);
  }

  #mount(folder: string, mebibytes: number): SmallDisk | undefined {
    if (!this.#options.hasDisks) return undefined;
    const disk = mountDisk(folder, mebibytes);
    this.#closers.push(() => disk.unmount());
    return disk;
  }

  #supervise(name: string, script: URL, args: readonly string[]): Supervised {
    const { clock, onLog } = this.#options;
    const supervised = new Supervised({ name, script, args, clock, onLog: (line) => onLog(name, line) });
    this.#closers.push(() => supervised.stop(stopGraceMs));
    return supervised;
  }

  async #link(port: number, to: number): Promise<Link> {
    const listen = { host: loopback, port };
    const link = await openLink({ listen, to: { host: loopback, port: to }, clock: this.#options.clock });
    this.#closers.push(() => link.close());
    return link;
  }

  async #openSite(name: string, index: number, token: string): Promise<Site> {
    const { folder, seed, devices, clock, onLog } = this.#options;
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const data = join(home, 'data');
    const disk = this.#mount(data, diskMebibytes);
    const [mqtt, http] = [await this.#port(), await this.#port()];
    const [devicePort, uplinkPort] = [await this.#port(), await this.#port()];
    const config = join(home, 'agent.yaml');
    writeFileSync(join(home, 'token'), token, { mode: 0o600 });
    writeFileSync(config, agentYaml({ name, mqtt, http, uplinkPort }));
    const links = { hub: await this.#link(uplinkPort, this.liar.port), device: await this.#link(devicePort, mqtt) };
    const process = this.#supervise(name, scripts.agent, ['run', '--config', config]);
    process.start();
    const truth = join(home, 'truth.ndjson');
    const fleet = new Child({
      name: `the fleet of ${name}`,
      script: scripts.sim,
      args: fleetArguments({ seed: seed * 16 + index, devices, port: devicePort, truth }),
      clock,
      onLog: (line) => onLog(`${name} fleet`, line),
    });
    this.#closers.push(() => fleet.stop(stopGraceMs));
    return { name, process, links, fleet, truth, url: `http://${loopback}:${http}`, mqttPort: mqtt, data, disk };
  }
}

function agentYaml(site: { name: string; mqtt: number; http: number; uplinkPort: number }): string {
  return `version: 1
agent: { id: ${site.name} }
sources:
  climate:
    mqtt: { listen: ${loopback}:${site.mqtt}, topics: ["sensors/{device}/climate"] }
    parse:
      json: { temperature: { field: temp, unit: "°C" }, humidity: { field: hum, unit: "%" } }
      time: { field: ts, unit: ms, max_skew: 1d }
pipelines:
  live: { from: climate }
  stats: { from: climate, window: { every: 10s, compute: [mean, p95] }, send: { priority: high } }
buffer: { path: ./data, commit: prompt, limit: { size: 12MiB } }
uplinks: { hub: { mqtt: { url: "mqtt://${loopback}:${site.uplinkPort}" }, token: { file: ./token } } }
local: { http: ${loopback}:${site.http} }
`;
}

function fleetArguments(fleet: { seed: number; devices: number; port: number; truth: string }): string[] {
  const options = {
    devices: fleet.devices,
    interval: '200ms',
    seed: fleet.seed,
    connections: 4,
    mqtt: `mqtt://${loopback}:${fleet.port}`,
    truth: fleet.truth,
  };
  return ['fleet', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
}

const lowestPort = 10_000;
const highestPort = 32_000;
const given = new Set<number>();

async function freePort(random: SeededRandom): Promise<number> {
  for (;;) {
    const port = lowestPort + random.below(highestPort - lowestPort);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, loopback, () => void server.close(() => resolve(true)));
  });
}
