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
  readonly data: string;
  readonly disk: SmallDisk | undefined;
}

export interface ChaosSystem {
  readonly hub: Supervised;
  readonly hubUrl: string;
  readonly hubData: string;
  readonly hubDisk: SmallDisk | undefined;
  readonly liar: LyingLink;
  readonly sites: readonly Site[];
  /** Runs a command of ours to its end. */
  run(program: keyof typeof scripts, args: readonly string[]): Promise<{ code: number; out: string; error: string }>;
  backup(): Promise<boolean>;
  restore(): Promise<boolean>;
  close(): Promise<void>;
}

const diskMebibytes = 24;
const outBytesMax = 64 * 1024 * 1024;
const stopGraceMs = 10_000;

export async function openChaosSystem(options: SystemOptions): Promise<ChaosSystem> {
  const { folder, clock, agents } = options;
  const closers: (() => Promise<unknown> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    return await open(options, closers, close);
  } catch (error) {
    await close();
    throw error;
  }

  async function open(
    { onLog, random, hasDisks }: SystemOptions,
    closing: typeof closers,
    closeAll: () => Promise<void>,
  ): Promise<ChaosSystem> {
    mkdirSync(folder, { recursive: true });
    const port = (): Promise<number> => freePort(random);
    const hubData = join(folder, 'hub');
    const hubDisk = hasDisks ? mountDisk(hubData, diskMebibytes * agents.length) : undefined;
    if (hubDisk !== undefined) closing.push(() => hubDisk.unmount());
    const [hubHttp, hubMqtt] = [await port(), await port()];
    const hub = new Supervised({
      name: hubName,
      script: scripts.hub,
      args: ['run', '--data', hubData, '--http', `${loopback}:${hubHttp}`, '--mqtt', `${loopback}:${hubMqtt}`],
      clock,
      onLog: (line) => onLog(hubName, line),
    });
    closing.push(() => hub.stop(stopGraceMs));
    const liar = await openLyingLink(hubMqtt, 0);
    closing.push(() => liar.close());
    const hubUrl = `http://${loopback}:${hubHttp}`;
    const sites: Site[] = [];
    const tokens: string[] = [];
    for (const name of agents) {
      const { code, out, error } = await run('hub', ['agent', 'add', name, '--data', hubData]);
      if (code !== 0) throw new Error(`the agent ${name} could not be enrolled: ${error}`);
      tokens.push(out.trim());
    }
    hub.start();
    for (const [index, name] of agents.entries()) sites.push(await openSite(name, index, tokens[index] ?? ''));
    const backupFile = join(folder, 'hub.backup');

    return {
      hub,
      hubUrl,
      hubData,
      hubDisk,
      liar,
      sites,
      run,
      async backup() {
        const fresh = join(folder, 'hub.backup-next');
        rmSync(fresh, { force: true });
        const { code } = await run('hub', ['backup', fresh, '--data', hubData]);
        if (code === 0) copyFileSync(fresh, backupFile);
        return code === 0;
      },
      async restore() {
        if (!existsSync(backupFile)) return false;
        await hub.hold();
        // As an operator would: the database and what belongs to it make way for the backup.
        for (const file of ['hub.db', 'hub.db-wal', 'hub.db-shm']) rmSync(join(hubData, file), { force: true });
        copyFileSync(backupFile, join(hubData, 'hub.db'));
        hub.start();
        return true;
      },
      close: closeAll,
    };

    async function openSite(name: string, index: number, token: string): Promise<Site> {
      const home = join(folder, name);
      mkdirSync(home, { recursive: true });
      const data = join(home, 'data');
      const disk = hasDisks ? mountDisk(data, diskMebibytes) : undefined;
      if (disk !== undefined) closing.push(() => disk.unmount());
      const [mqtt, http, devicePort, uplinkPort] = [await port(), await port(), await port(), await port()];
      writeFileSync(join(home, 'token'), token, { mode: 0o600 });
      writeFileSync(join(home, 'agent.yaml'), agentYaml({ name, mqtt, http, uplinkPort }));
      const hubLink = await openLink({ listen: { host: loopback, port: uplinkPort }, to: { host: loopback, port: liar.port }, clock });
      const device = await openLink({ listen: { host: loopback, port: devicePort }, to: { host: loopback, port: mqtt }, clock });
      closing.push(() => Promise.all([hubLink.close(), device.close()]));
      const supervised = new Supervised({
        name,
        script: scripts.agent,
        args: ['run', '--config', join(home, 'agent.yaml')],
        clock,
        onLog: (line) => onLog(name, line),
      });
      closing.push(() => supervised.stop(stopGraceMs));
      supervised.start();
      const truth = join(home, 'truth.ndjson');
      const fleet = new Child({
        name: `the fleet of ${name}`,
        script: scripts.sim,
        args: fleetArguments({ seed: options.seed * 16 + index, devices: options.devices, port: devicePort, truth }),
        clock,
        onLog: (line) => onLog(`${name} fleet`, line),
      });
      closing.push(() => fleet.stop(stopGraceMs));
      return { name, process: supervised, links: { device, hub: hubLink }, fleet, truth, url: `http://${loopback}:${http}`, data, disk };
    }
  }
}

/** Runs a command of ours to its end. */
function run(program: keyof typeof scripts, args: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [scripts[program].pathname, ...args], { maxBuffer: outBytesMax }, (error, out, text) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, error: text });
    });
  });
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
    clients: 4,
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
