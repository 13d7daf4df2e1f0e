/**
 * The agent's configuration, from a YAML file and the environment to what the parts use: every name resolved, units as
 * integers, secrets read. What cannot work is refused with its position; what is allowed and likely wrong is a warning.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import type { AlarmConfig } from './alarms/alarm-config.ts';
import { resolveAlarms } from './config/alarms.ts';
import { type AnsweredJoin, withAnswers } from './config/answers.ts';
import { resolveBuffer } from './config/buffer.ts';
import { type LocalConfig, resolveLocal } from './config/local.ts';
import { resolvePipelines } from './config/pipelines.ts';
import { type AgentDocument, agentSchema } from './config/schema.ts';
import { resolveSources, type SourcesConfig } from './config/sources.ts';
import { type HubAddress, resolveUplink } from './config/uplink.ts';
import type { BufferConfig, CoreConfig, PipelineConfig, UplinkConfig } from './core-config.ts';

export interface AgentConfig extends SourcesConfig {
  readonly joins: readonly AnsweredJoin[];
  readonly agent: string;
  /** '' when not given. */
  readonly site: string;
  readonly pipelines: readonly PipelineConfig[];
  /** Names of the aggregates that are wanted of windows, by pipeline. */
  readonly computed: Readonly<Record<string, readonly string[]>>;
  readonly alarms: readonly AlarmConfig[];
  readonly buffer: BufferConfig & { readonly path: string };
  readonly uplink: UplinkConfig & HubAddress;
  /** The agent's own HTTP endpoint; absent = none. */
  readonly local?: LocalConfig;
}

type Options = LoadOptions<typeof agentSchema, AgentConfig>;

/** Throws `config_invalid`. */
export function loadAgentConfig(
  source: Options['source'],
  env: Readonly<Record<string, string | undefined>>,
  files: NonNullable<Options['files']> = 'read',
): Loaded<AgentConfig> {
  return loadConfig({ source, schema: agentSchema, env, files, resolve });
}

/** For editors and the reference page. */
export function agentJsonSchema(): JsonSchema {
  return configJsonSchema(agentSchema, 'Fogline agent configuration, version 1');
}

/** What the core needs of it. */
export function coreConfigOf(config: AgentConfig, software: string): CoreConfig {
  const { agent, sources, pipelines, alarms, buffer, uplink } = config;
  return { agent, software, sources: sources.map(({ name }) => name), pipelines, alarms, buffer, uplink };
}

function resolve(raw: AgentDocument, context: ConfigContext): AgentConfig {
  const pipelines = resolvePipelines(raw, context);
  const local = raw.local === undefined ? undefined : resolveLocal(raw.local, context);
  const sources = resolveSources(raw, context);
  const alarms = resolveAlarms(raw, pipelines, context);
  return {
    agent: raw.agent.id,
    site: raw.agent.site,
    ...sources,
    joins: withAnswers(sources.joins, sources.sources, alarms, context),
    pipelines,
    computed: Object.fromEntries(
      Object.entries(raw.pipelines ?? {}).flatMap(([name, { window }]) =>
        window === undefined ? [] : [[name, window.compute]],
      ),
    ),
    alarms,
    buffer: resolveBuffer(raw.buffer, context),
    uplink: resolveUplink(raw, context),
    ...(local === undefined ? {} : { local }),
  };
}
