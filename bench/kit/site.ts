/**
 * A hub, a link that counts bytes, and agents, each a process of its own, on loopback in a folder that goes away with them. The hub
 * and an agent can be stopped, killed and started again on their data and their ports.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fieldOf, pause, Running } from './running.ts';

const scripts = {
  hub: new URL('../../cloud-hub/src/cli.ts', import.meta.url),
  agent: new URL('../../edge-agent/src/cli.ts', import.meta.url),
  sim: new URL('../../simulators/src/cli.ts', import.meta.url),
};

/** Removed when the benchmark ends, however it ends. */
const folders = new Set<string>();
process.once('exit', () => folders.forEach(removeFolder));

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  folders.delete(folder);
}

export interface AgentOptions {
  readonly id: string;
  readonly commit: 'prompt' | 'flash';
  /** Further lines of `buffer:`. */
  readonly buffer?: readonly string[];
  /** Instead of every reading of MQTT as the stream `live`, and of line protocol as `lines`. */
  readonly pipelines?: readonly string[];
}

export interface LinkBytes {
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'fogline-bench-'));
  readonly #profile: string | undefined;
  #hub: Running | undefined;
  #httpUrl = '';
  #link: Running | undefined;
  #linkStatsUrl = '';
  readonly #agents = new Map<string, AgentProcess>();

  /** With a folder for profiles, hub and agents write CPU profiles into it when they are stopped. */
  constructor(profile?: string) {
    this.#profile = profile;
    warnAboutMemoryDisk(this.folder);
    folders.add(this.folder);
  }

  get httpUrl(): string {
    return this.#httpUrl;
  }

  get hub(): Running {
    if (this.#hub === undefined) throw new Error('the hub is not running');
    return this.#hub;
  }

  get hubFolder(): string {
    return join(this.folder, 'hub');
  }

  /** Starts a hub, on the ports that it or the link had before; where it keeps everything, also what is older than its retention. */
  async startHub(mqttPort = 0, retention?: 'forever'): Promise<void> {
    const args = ['run', '--data', this.hubFolder, '--http', '127.0.0.1:0', '--mqtt', `127.0.0.1:${mqttPort}`];
    if (retention !== undefined) args.push('--config', this.#configOf(retention));
    this.#hub = new Running('the hub', scripts.hub, [...args, '--log-level', 'warn'], this.#nodeOptions('hub'));
    const ready = await this.#hub.line('ready ');
    this.#httpUrl = fieldOf(ready, 'http');
  }

  /** A proxy in front of a hub at `mqttPort`, there or still to come. Returns its own port. */
  async startLink(mqttPort: number): Promise<number> {
    const args = ['link', '--to', `127.0.0.1:${mqttPort}`, '--stats-http', '127.0.0.1:0'];
    this.#link = new Running('the link', scripts.sim, args);
    const ready = await this.#link.line('ready ');
    this.#linkStatsUrl = fieldOf(ready, 'stats');
    return Number(fieldOf(ready, 'link').split(':').at(-1));
  }

  async linkBytes(): Promise<LinkBytes> {
    return (await (await fetch(this.#linkStatsUrl)).json()) as LinkBytes;
  }

  /** Enrols an agent and writes its configuration; `uplinkPort` is where it finds the hub. */
  addAgent(options: AgentOptions, uplinkPort: number): AgentProcess {
    const folder = join(this.folder, options.id);
    mkdirSync(folder);
    const args = [scripts.hub.pathname, 'agent', 'add', options.id, '--data', this.hubFolder];
    const token = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    writeFileSync(join(folder, 'token'), token, { mode: 0o600 });
    const config = join(folder, 'agent.yaml');
    writeFileSync(config, configText(options, uplinkPort));
    const agent = new AgentProcess(config, folder, this.#nodeOptions('agent'));
    this.#agents.set(options.id, agent);
    return agent;
  }

  async stopHub(): Promise<void> {
    await this.#hub?.stop();
    this.#hub = undefined;
  }

  /** Stops everything and removes the folder. */
  async close(): Promise<void> {
    for (const agent of this.#agents.values()) await agent.stop();
    await this.stopHub();
    await this.#link?.stop();
    removeFolder(this.folder);
  }

  #configOf(retention: string): string {
    const file = join(this.folder, 'hub.yaml');
    const kinds = ['raw', '10s', '1m', '15m', '1d'].map((kind) => `"${kind}": ${retention}`);
    writeFileSync(file, `version: 1\nretention: { ${kinds.join(', ')} }\n`);
    return file;
  }

  #nodeOptions(who: string): string[] {
    if (this.#profile === undefined) return [];
    return ['--cpu-prof', `--cpu-prof-dir=${join(this.#profile, who)}`];
  }
}

/** One agent: its folder stays when the process goes. */
export class AgentProcess {
  readonly config: string;
  /** Of the database. */
  readonly dataFolder: string;
  readonly #nodeOptions: readonly string[];
  #running: Running | undefined;
  #mqttPort = 0;
  #writeUrl = '';
  #httpUrl = '';

  constructor(config: string, folder: string, nodeOptions: readonly string[]) {
    this.config = config;
    this.dataFolder = join(folder, 'data');
    this.#nodeOptions = nodeOptions;
  }

  get running(): Running {
    if (this.#running === undefined) throw new Error('the agent is not running');
    return this.#running;
  }

  get mqttPort(): number {
    return this.#mqttPort;
  }

  /** Where line protocol is posted. */
  get writeUrl(): string {
    return this.#writeUrl;
  }

  /** Returns the milliseconds from the start of the process to its `ready` line. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    const args = ['run', '--config', this.config, '--log-level', 'error'];
    this.#running = new Running('the agent', scripts.agent, args, this.#nodeOptions);
    const ready = await this.#running.line('ready ');
    const tookMs = performance.now() - startedMs;
    this.#mqttPort = Number(fieldOf(ready, 'mqtt').split(':').at(-1));
    this.#writeUrl = fieldOf(ready, 'write');
    this.#httpUrl = fieldOf(ready, 'http');
    return tookMs;
  }

  async untilConnected(): Promise<void> {
    while (!(await this.status()).isConnected) await pause(5);
  }

  async status(): Promise<AgentStatus> {
    return (await (await fetch(`${this.#httpUrl}/status`)).json()) as AgentStatus;
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    await this.#running?.stop(signal);
    this.#running = undefined;
  }
}

export interface AgentStatus {
  readonly isConnected: boolean;
  readonly commits: number;
  readonly queuedItems: readonly number[];
  readonly usedBytes: number;
  /** Absent in `prompt`. */
  readonly flashCreditBytes?: number;
}

const everyReading = ['live: { from: climate }', 'lines: { from: telegraf }'];

function configText({ id, commit, buffer = [], pipelines = everyReading }: AgentOptions, uplinkPort: number): string {
  return `version: 1
agent: { id: ${id} }
sources:
  climate:
    mqtt: { listen: 127.0.0.1:0, topics: ["sensors/{device}/climate"] }
    parse:
      json: { temperature: { unit: °C } }
      time: { field: ts, unit: ms, max_skew: 1d }
  telegraf:
    http: { listen: 127.0.0.1:0 }
    parse: { line_protocol: auto, device: device, time: { max_skew: 1d } }
pipelines:
${pipelines.map((line) => `  ${line}\n`).join('')}buffer:
  path: ./data
  commit: ${commit}
${buffer.map((line) => `  ${line}\n`).join('')}uplinks:
  hub: { mqtt: { url: "mqtt://127.0.0.1:${uplinkPort}" }, token: { file: ./token } }
local: { http: 127.0.0.1:0 }
`;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<unknown>((resolve) => void server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** An fsync that reaches no disk makes every figure here a lie. */
function warnAboutMemoryDisk(folder: string): void {
  const tmpfs = 0x01021994;
  if (statfsSync(folder).type === tmpfs) {
    console.error(`warning: ${folder} is in RAM: set TMPDIR to a folder on the disk that is meant`);
  }
}
