/** The agent's configuration as its parts use it: plain data, every name resolved. config.ts makes it. */
import type { AlarmConfig } from './alarms/alarm-config.ts';
import type { AnsweredJoin } from './config/answers.ts';
import type { LocalConfig } from './config/local.ts';
import type { SourcesConfig } from './config/sources.ts';
import type { HubAddress } from './config/uplink.ts';
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

/** What the core needs of it. */
export function coreConfigOf(config: AgentConfig, software: string): CoreConfig {
  const { agent, sources, pipelines, alarms, buffer, uplink } = config;
  return { agent, software, sources: sources.map(({ name }) => name), pipelines, alarms, buffer, uplink };
}
