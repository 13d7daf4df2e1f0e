/**
 * The agent's configuration, from a YAML file and the environment to what the parts use: every name resolved, units as
 * integers, secrets read. What cannot work is refused with its position; what is allowed and likely wrong is a warning.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import { resolveBuffer } from './config/buffer.ts';
import { type LocalConfig, resolveLocal } from './config/local.ts';
import { resolvePipelines } from './config/pipelines.ts';
import { type AgentDocument, agentSchema } from './config/schema.ts';
import { resolveSources, type SourcesConfig } from './config/sources.ts';
import { type HubAddress, resolveUplink } from './config/uplink.ts';
import type { BufferConfig, PipelineConfig, UplinkConfig } from './core-config.ts';

export interface AgentConfig extends SourcesConfig {
  readonly agent: string;
  /** '' when not given. */
  readonly site: string;
  readonly pipelines: readonly PipelineConfig[];
  readonly buffer: BufferConfig & { readonly path: string };
  readonly uplink: UplinkConfig & HubAddress;
  /** The agent's own HTTP endpoint; absent = none. */
  readonly local?: LocalConfig;
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
  const local = raw.local === undefined ? undefined : resolveLocal(raw.local, context);
  return {
    agent: raw.agent.id,
    site: raw.agent.site,
    ...resolveSources(raw, context),
    pipelines: resolvePipelines(raw, context),
    buffer: resolveBuffer(raw.buffer, context),
    uplink: resolveUplink(raw, context),
    ...(local === undefined ? {} : { local }),
  };
}
