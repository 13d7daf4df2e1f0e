/**
 * The agent's configuration, from a YAML file and the environment to what the parts use: every name resolved, units as
 * integers, secrets read. What cannot work is refused with its position; what is allowed and likely wrong is a warning.
 */
import { type ConfigContext, type Loaded, type LoadOptions, loadConfig } from '@fogline/shared/config';
import { configJsonSchema, type JsonSchema } from '@fogline/shared/config/json-schema';
import type { AgentConfig } from './agent-config.ts';
import { resolveAlarms } from './config/alarms.ts';
import { withAnswers } from './config/answers.ts';
import { resolveBuffer } from './config/buffer.ts';
import { warnOfSmallDisk } from './config/disk.ts';
import { resolveLocal } from './config/local.ts';
import { resolvePipelines } from './config/pipelines.ts';
import { type AgentDocument, agentSchema } from './config/schema.ts';
import { resolveSources } from './config/sources.ts';
import { resolveUplink } from './config/uplink.ts';

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

function resolve(raw: AgentDocument, context: ConfigContext): AgentConfig {
  const pipelines = resolvePipelines(raw, context);
  const local = raw.local === undefined ? undefined : resolveLocal(raw.local, context);
  const sources = resolveSources(raw, context);
  const alarms = resolveAlarms(raw, pipelines, context);
  warnOfSmallDisk(raw.buffer, context);
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
