/**
 * The agent's configuration, from a YAML file and the environment to what the parts use: every name resolved, units as
 * integers, secrets read. What cannot work is refused with its position; what is allowed and likely wrong is a warning.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import { isLoopback } from '@fogline/shared/loopback';
import { type Lane, lanes } from '@fogline/shared/protocol/limits';
import { didYouMean } from '@fogline/shared/suggest';
import { type AgentDocument, agentSchema, percentilePattern } from './config-schema.ts';
import { type ListenerConfig, resolveSources, type SourceConfig } from './config-sources.ts';
import type { BufferConfig, DeadbandConfig, PipelineConfig, UplinkConfig, WindowConfig } from './core-config.ts';
import { isPassThrough } from './pipeline/pass-through.ts';

export interface AgentConfig {
  readonly agent: string;
  /** '' when not given. */
  readonly site: string;
  readonly listeners: readonly ListenerConfig[];
  readonly sources: readonly SourceConfig[];
  readonly pipelines: readonly PipelineConfig[];
  readonly buffer: BufferConfig & { readonly path: string };
  readonly uplink: UplinkConfig & HubAddress;
  /** The agent's own HTTP endpoint; absent = none. */
  readonly local?: LocalConfig;
}

export interface HubAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** PEM text of the only authorities to trust; absent = those of the system. */
  readonly ca?: string;
}

export interface LocalConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Always there beyond loopback. */
  readonly token?: string;
}

/** Throws `config_invalid`. */
export function loadAgentConfig(
  source: LoadOptions<typeof agentSchema, AgentConfig>['source'],
  env: Readonly<Record<string, string | undefined>>,
): Loaded<AgentConfig> {
  return loadConfig({ source, schema: agentSchema, env, resolve });
}

/** For editors and the reference page. */
export function agentJsonSchema(): JsonSchema {
  return configJsonSchema(agentSchema, 'Fogline agent configuration, version 1');
}

function resolve(raw: AgentDocument, context: ConfigContext): AgentConfig {
  const { listeners, sources } = resolveSources(raw, context);
  const local = raw.local === undefined ? undefined : resolveLocal(raw.local, context);
  return {
    agent: raw.agent.id,
    site: raw.agent.site,
    listeners,
    sources,
    pipelines: resolvePipelines(raw, context),
    buffer: resolveBuffer(raw.buffer, context),
    uplink: resolveUplink(raw, context),
    ...(local === undefined ? {} : { local }),
  };
}

function resolvePipelines(raw: AgentDocument, context: ConfigContext): PipelineConfig[] {
  if (raw.pipelines === undefined) {
    return Object.keys(raw.sources).map((source) => ({ name: source, from: source, lane: laneOf('normal') }));
  }
  const pipelines = Object.entries(raw.pipelines).map(([name, pipeline]): PipelineConfig => {
    const path = ['pipelines', name];
    if (raw.sources[pipeline.from] === undefined) {
      context.error(
        [...path, 'from'],
        `no source is called "${pipeline.from}"${didYouMean(pipeline.from, Object.keys(raw.sources))}`,
      );
    }
    const { to } = pipeline.send;
    if (to !== undefined && raw.uplinks[to] === undefined) {
      context.error([...path, 'send', 'to'], `no uplink is called "${to}"${didYouMean(to, Object.keys(raw.uplinks))}`);
    }
    const deadband = resolveDeadband(raw, name, context);
    const window = resolveWindow(raw, name, context);
    if (deadband !== undefined && window !== undefined) {
      const why =
        'sees only what the deadband lets through, so its mean and percentiles mislead: give it a pipeline of its own';
      context.warn([...path, 'window'], why);
    }
    return {
      name,
      from: pipeline.from,
      ...(deadband === undefined ? {} : { deadband }),
      ...(window === undefined ? {} : { window }),
      lane: laneOf(pipeline.send.priority),
    };
  });
  for (const source of Object.keys(raw.sources)) {
    const [first, second] = pipelines.filter((pipeline) => pipeline.from === source && isPassThrough(pipeline));
    if (first !== undefined && second !== undefined) {
      const why = `passes on every reading of "${source}", and so does "${first.name}": give it an operator, or remove it`;
      context.error(['pipelines', second.name], why);
    }
    if (pipelines.some((pipeline) => pipeline.from === source)) continue;
    context.warn(['sources', source], 'no pipeline takes from this source: its readings never leave the agent');
  }
  return pipelines;
}

function laneOf(priority: (typeof lanes)[number]): Lane {
  return lanes.indexOf(priority) as Lane;
}

/** The declared metrics of a source by name; undefined when it takes them as they come. */
function declaredMetrics(
  raw: AgentDocument,
  source: string,
): Readonly<Record<string, { readonly type: string }>> | undefined {
  const json = raw.sources[source]?.parse.json;
  return json === 'auto' ? undefined : json;
}

function resolveDeadband(raw: AgentDocument, pipeline: string, context: ConfigContext): DeadbandConfig | undefined {
  const { deadband, from = '' } = raw.pipelines?.[pipeline] ?? {};
  if (deadband === undefined) return undefined;
  const { heartbeat, ...thresholds } = deadband;
  const declared = declaredMetrics(raw, from);
  for (const metric of Object.keys(thresholds)) {
    const path = ['pipelines', pipeline, 'deadband', metric];
    const type = declared?.[metric]?.type;
    if (declared !== undefined && type === undefined) {
      context.error(path, `the source "${from}" has no such metric${didYouMean(metric, Object.keys(declared))}`);
    } else if (type === 'text') {
      context.error(path, 'text has no smallest change: it is sent whenever it changes');
    }
  }
  return { thresholds, heartbeatMs: heartbeat };
}

const dayMs = 86_400_000;

function resolveWindow(raw: AgentDocument, pipeline: string, context: ConfigContext): WindowConfig | undefined {
  const { window, from = '' } = raw.pipelines?.[pipeline] ?? {};
  if (window === undefined) return undefined;
  const path = ['pipelines', pipeline, 'window'];
  if (dayMs % window.every !== 0) {
    context.warn(
      [...path, 'every'],
      'does not divide a day, so the hub cannot roll these windows up: prefer 10s, 1m, 15m …',
    );
  }
  for (const [metric, { type }] of Object.entries(declaredMetrics(raw, from) ?? {})) {
    if (type === 'text') context.warn(path, `the metric "${metric}" is text and enters no window`);
  }
  const hasSketch = window.compute.some((aggregate) => percentilePattern.test(aggregate));
  return { everyMs: window.every, latenessMs: window.lateness, hasSketch };
}

function resolveBuffer(raw: AgentDocument['buffer'], context: ConfigContext): AgentConfig['buffer'] {
  const byPriority = ['low', 'normal', 'high', 'alarm'] as const;
  for (const [index, priority] of byPriority.entries()) {
    const lossy = byPriority.slice(index + 1).find((higher) => raw.when_full[higher] === 'drop_oldest');
    if (raw.when_full[priority] === 'keep' && lossy !== undefined) {
      context.warn(['buffer', 'when_full', priority], `is kept while the more important "${lossy}" is dropped`);
    }
  }
  return {
    path: context.path(raw.path),
    commit: raw.commit,
    flashBytesPerDay: raw.flash_per_day,
    sizeBytesMax: raw.limit.size,
    ageMsMax: raw.limit.age,
    whenFull: raw.when_full,
  };
}

const lingerMs = { flash: 1_000, prompt: 20 } as const;

function resolveUplink(raw: AgentDocument, context: ConfigContext): AgentConfig['uplink'] {
  const entries = Object.entries(raw.uplinks);
  const [name, uplink] = entries[0] ?? [];
  if (name === undefined || uplink === undefined || entries.length > 1) {
    context.error(['uplinks'], `exactly one uplink is needed, not ${entries.length}`);
    return { name: '', host: '', port: 0, isTls: false, token: '', window: 1, lingerMs: 0 };
  }
  const path = ['uplinks', name];
  const isTls = /^mqtts:/i.test(uplink.mqtt.url);
  if (uplink.tls !== undefined && !isTls) context.error([...path, 'tls'], 'needs a url that begins with mqtts://');
  const address = hubAddress(uplink.mqtt.url, (message) => context.error([...path, 'mqtt', 'url'], message));
  if (!isTls && address.host !== '' && !isLoopback(address.host)) {
    context.warn([...path, 'mqtt', 'url'], 'the token travels in clear text: use mqtts:// beyond a trusted network');
  }
  const ca = uplink.tls?.ca;
  return {
    name,
    ...address,
    isTls,
    ...(ca === undefined ? {} : { ca: context.text([...path, 'tls', 'ca'], ca) }),
    token: context.secret([...path, 'token'], uplink.token),
    window: uplink.window,
    lingerMs: uplink.linger ?? lingerMs[raw.buffer.commit],
  };
}

function hubAddress(url: string, fail: (message: string) => void): { host: string; port: number } {
  const parsed = URL.parse(url);
  const isMqtt = parsed?.protocol === 'mqtt:' || parsed?.protocol === 'mqtts:';
  if (parsed === null || !isMqtt || parsed.hostname === '') {
    fail(`"${url}" is not an address of a hub: write mqtt://host:1883 or mqtts://host:8883`);
    return { host: '', port: 0 };
  }
  if (parsed.username !== '' || parsed.password !== '') fail('holds a credential: the token is given beside it');
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '') fail('ends after host and port');
  const port = parsed.port === '' ? (parsed.protocol === 'mqtts:' ? 8883 : 1883) : Number(parsed.port);
  return { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}

function resolveLocal(raw: NonNullable<AgentDocument['local']>, context: ConfigContext): LocalConfig {
  const host = raw.http.host ?? '127.0.0.1';
  if (!isLoopback(host) && raw.token === undefined) {
    context.error(['local', 'http'], `${host} is reachable from other machines: add "token", or listen on 127.0.0.1`);
  }
  const token = raw.token === undefined ? undefined : context.secret(['local', 'token'], raw.token);
  return { host, port: raw.http.port, ...(token === undefined ? {} : { token }) };
}
