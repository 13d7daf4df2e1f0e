/**
 * The whole system on one machine, as separate processes on loopback: hub, agent, devices. Started in the order in which data
 * must find a receiver, stopped in the order of the flow, so that everything a device was acked is at rest when the last one
 * ends. With a data folder that is kept, a later start goes on where this one stopped.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@fogline/shared/clock';
import { hasCode } from '@fogline/shared/errors';
import { makeFolder } from '@fogline/shared/make-folder';
import { agentConfigText } from './agent-config.ts';
import { Child, type ChildOptions, fieldOf } from './cli-child.ts';
import { readingsAtHub } from './hub-count.ts';
import { choosePort, loopback } from './ports.ts';

export interface DemoOptions {
  /** Absolute. */
  readonly folder: string;
  readonly httpPort: number | undefined;
  readonly hubMqttPort: number | undefined;
  readonly mqttPort: number | undefined;
  readonly devices: number;
  readonly seed: number;
  readonly clock: Clock;
  onLog(name: string, line: string): void;
}

export interface Demo {
  readonly httpUrl: string;
  /** `host:port` that agents connect to. */
  readonly hubMqtt: string;
  /** `host:port` that devices publish to. */
  readonly mqtt: string;
  readonly agentUrl: string;
  /** Messages from before the start that were sent now. */
  readonly backfilled: number;
  /** All of them could be queried at the hub when the demo was reported ready. */
  readonly isBackfillVisible: boolean;
  /** Rejects when a process ends unasked. */
  readonly failed: Promise<never>;
  /** Resolves to what the devices had to say in the end, and to the processes that had to be killed. */
  stop(): Promise<{ readonly devices: string; readonly killed: readonly string[] }>;
}

const agentId = 'demo-gateway';
const scripts = {
  hub: new URL('../../../cloud-hub/src/cli.ts', import.meta.url),
  agent: new URL('../../../edge-agent/src/cli.ts', import.meta.url),
  devices: new URL('../cli.ts', import.meta.url),
};
/** Longest wait for the backfill to be visible before the demo is reported ready all the same. */
const visibleMs = 8_000;
const visiblePollMs = 100;
const stopGraceMs = 5_000;

/** Throws `address_in_use` for a fixed port that is taken, `unavailable` when a process does not come up. */
export async function startDemo(options: DemoOptions, stopping: AbortSignal): Promise<Demo> {
  const children: Child[] = [];
  try {
    return await start(options, children, abortOf(stopping));
  } catch (error) {
    for (const child of children.reverse()) await child.stop(stopGraceMs);
    throw error;
  }
}

/** Rejects with the reason of the signal when it fires. */
function abortOf(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return promise;
}

async function start(options: DemoOptions, children: Child[], aborted: Promise<never>): Promise<Demo> {
  const { folder, clock, onLog } = options;
  const run = (key: keyof typeof scripts, name: string, args: readonly string[]): Child => {
    const log = (line: string): void => onLog(name, line);
    const child = new Child({ name, script: scripts[key], args, clock, onLog: log } satisfies ChildOptions);
    children.push(child);
    return child;
  };
  const until = <T>(promise: Promise<T>): Promise<T> =>
    Promise.race([promise, aborted, ...children.map((child) => child.failed)]);
  const [http, hubMqttPort, mqttPort] = await Promise.all([
    choosePort({ option: 'port', usual: 8080, fixed: options.httpPort }),
    choosePort({ option: 'hub-mqtt-port', usual: 1884, fixed: options.hubMqttPort }),
    choosePort({ option: 'mqtt-port', usual: 1883, fixed: options.mqttPort }),
  ]);
  makeFolder(folder, 0o700);
  const hubFolder = join(folder, 'hub');
  const hub = run('hub', 'the hub', [
    'run',
    '--data',
    hubFolder,
    '--http',
    `${loopback}:${http}`,
    '--mqtt',
    `${loopback}:${hubMqttPort}`,
  ]);
  const hubReady = await until(hub.line('ready '));
  const httpUrl = fieldOf(hubReady, 'http');
  const hubMqtt = fieldOf(hubReady, 'mqtt');
  await until(enrol(options, hubFolder));
  const configFile = join(folder, 'agent.yaml');
  writeFileSync(configFile, agentConfigText({ id: agentId, mqttPort, hubMqtt }));
  const agent = run('agent', 'the agent', ['run', '--config', configFile]);
  const agentReady = await until(agent.line('ready '));
  const mqtt = fieldOf(agentReady, 'mqtt');
  const before = await readingsAtHub(httpUrl);
  const devices = run('devices', 'the devices', deviceArguments(options, mqtt));
  const backfilled = Number(fieldOf(await until(devices.line('backfilled ')), 'messages'));
  const isBackfillVisible = await until(visible(httpUrl, before + backfilled, clock));
  return {
    httpUrl,
    hubMqtt,
    mqtt,
    agentUrl: fieldOf(agentReady, 'http'),
    backfilled,
    isBackfillVisible,
    failed: Promise.race(children.map((child) => child.failed)),
    async stop() {
      for (const child of [devices, agent, hub]) await child.stop(stopGraceMs);
      return {
        devices: devices.lastLine,
        killed: children.filter((child) => child.isKilled).map((child) => child.name),
      };
    },
  };
}

function deviceArguments({ folder, devices, seed }: DemoOptions, mqtt: string): string[] {
  const fleet = {
    devices,
    seed,
    mqtt: `mqtt://${mqtt}`,
    interval: '1s',
    backfill: '24h',
    'backfill-interval': '1m',
    resume: join(folder, 'devices.json'),
  };
  return ['fleet', ...Object.entries(fleet).flatMap(([name, value]) => [`--${name}`, String(value)])];
}

/** Gets the agent a token on first start; a token that was lost is replaced. */
async function enrol({ folder, clock, onLog }: DemoOptions, hubFolder: string): Promise<void> {
  const file = join(folder, 'agent.token');
  if (existsSync(file)) return;
  const add = async (...more: string[]): Promise<string> => {
    const args = ['agent', 'add', agentId, '--data', hubFolder, ...more];
    const command = new Child({
      name: 'fogline-hub agent add',
      script: scripts.hub,
      args,
      clock,
      onLog: (line) => onLog('enrolment', line),
    });
    return command.line('');
  };
  let token: string;
  try {
    token = await add();
  } catch (error) {
    if (!hasCode(error, 'unavailable')) throw error;
    token = await add('--rotate');
  }
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
}

/** True once so many readings can be queried at the hub, false when that takes too long. */
async function visible(httpUrl: string, readings: number, clock: Clock): Promise<boolean> {
  const deadlineMs = clock.monotonic() + visibleMs;
  while (clock.monotonic() < deadlineMs) {
    if ((await readingsAtHub(httpUrl)) >= readings) return true;
    await new Promise<void>((resolve) => void clock.after('demo poll', visiblePollMs, resolve));
  }
  return false;
}
