/**
 * A hub and an agent as real processes on loopback, with a link between them that can be made bad. Ports, data folders and the token
 * stay the same over any number of kills and restarts of either.
 */
import { writeFileSync } from 'node:fs';
import { systemClock } from '@fogline/shared/clock';
import { getJson } from '@fogline/shared/get-json';
import { type Link, openLink } from '../../src/faults/link.ts';
import { freePort, loopback } from './ports.ts';
import type { Service } from './service.ts';
import type { Stage } from './stage.ts';

export interface SystemOptions {
  /** YAML: the value of `sources.climate.parse`, of the source that listens for MQTT; default: every number and boolean. */
  readonly parse?: string;
  /** YAML: lines of `sources` beside that one. */
  readonly moreSources?: string;
  /** YAML: the value of `pipelines`; sources are called `climate`. */
  readonly pipelines: string;
  /** YAML: the value of `alarms`. */
  readonly alarms?: string;
  /** YAML: keys of `buffer` beyond `path`; default `commit: prompt`. */
  readonly buffer?: string;
  /** Puts something between the link and the hub; gets the hub's port, returns the one that the link is to lead to. */
  readonly beforeHub?: (hubPort: number) => Promise<number>;
}

export interface System {
  readonly hub: Service;
  readonly agent: Service;
  /** The command lines that these were started with. */
  readonly commands: { readonly hub: readonly string[]; readonly agent: readonly string[] };
  /** Between agent and hub. */
  readonly link: Link;
  /** `http://127.0.0.1:PORT`. */
  readonly hubUrl: string;
  readonly hubFolder: string;
  readonly hubMqttPort: number;
  /** Where sensors publish to `sensors/{device}/climate`. */
  readonly mqttPort: number;
  readonly agentUrl: string;
  readonly agentConfig: string;
}

export const agentId = 'edge';

/** Starts both and waits until both are ready. */
export async function openSystem(stage: Stage, options: SystemOptions): Promise<System> {
  const [hubHttp, hubMqtt, mqttPort, agentHttp, linkPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const hubFolder = stage.path('hub');
  const enrolled = await stage.run('hub', ['agent', 'add', agentId, '--data', hubFolder]);
  if (enrolled.code !== 0) throw new Error(`the agent could not be enrolled: ${enrolled.error}`);
  writeFileSync(stage.path('agent.token'), enrolled.out, { mode: 0o600 });
  const agentConfig = stage.path('agent.yaml');
  const hubConfig = stage.path('hub.yaml');
  // Tests replay data of fixed dates, however long ago those are.
  writeFileSync(hubConfig, 'version: 1\nretention: { raw: forever, 10s: forever, 1m: forever }\n');
  const commands = {
    hub: [
      'run',
      '--config',
      hubConfig,
      '--data',
      hubFolder,
      '--http',
      `${loopback}:${hubHttp}`,
      '--mqtt',
      `${loopback}:${hubMqtt}`,
    ],
    agent: ['run', '--config', agentConfig],
  };
  const hub = stage.program('hub', 'hub', commands.hub, 'ready ');
  const link = await openLink({
    listen: { host: loopback, port: linkPort },
    to: { host: loopback, port: (await options.beforeHub?.(hubMqtt)) ?? hubMqtt },
    clock: systemClock,
  });
  stage.onClose(() => link.close());
  writeFileSync(agentConfig, configText(options, { mqttPort, agentHttp, linkPort }));
  const agent = stage.program('agent', 'agent', commands.agent, 'ready ');
  await Promise.all([hub.start(), agent.start()]);
  return {
    hub,
    agent,
    commands,
    link,
    hubUrl: `http://${loopback}:${hubHttp}`,
    hubFolder,
    hubMqttPort: hubMqtt,
    mqttPort,
    agentUrl: `http://${loopback}:${agentHttp}`,
    agentConfig,
  };
}

function configText(
  { parse = '{ json: auto }', moreSources = '', pipelines, alarms = '{}', buffer = 'commit: prompt' }: SystemOptions,
  ports: { readonly mqttPort: number; readonly agentHttp: number; readonly linkPort: number },
): string {
  return `version: 1
agent: { id: ${agentId} }
sources:
  climate:
    mqtt: { listen: ${loopback}:${ports.mqttPort}, topics: ["sensors/{device}/climate"] }
    parse: ${parse}
${moreSources}
pipelines: ${pipelines}
alarms: ${alarms}
buffer: { path: ./agent, ${buffer} }
uplinks: { hub: { mqtt: { url: "mqtt://${loopback}:${ports.linkPort}" }, token: { file: ./agent.token } } }
local: { http: ${loopback}:${ports.agentHttp} }
`;
}

/** What the agent says about itself. Throws `unavailable` while it is away. */
export async function agentStatus({ agentUrl }: System): Promise<{ readonly queuedItems: readonly number[] }> {
  return (await getJson(new URL('/status', agentUrl), undefined)) as { readonly queuedItems: readonly number[] };
}
