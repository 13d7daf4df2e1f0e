/** What a configuration does, in sentences: sources, then pipelines in the order in which they apply, then where it goes. */
import { lanes } from '@fogline/shared/protocol/limits';
import { formatDuration, formatSize } from '@fogline/shared/units';
import type { ListenerConfig, SourceConfig } from '../config/sources.ts';
import type { AgentConfig } from '../config.ts';
import type { DeadbandConfig, PipelineConfig, WindowConfig } from '../core-config.ts';
import { isPassThrough } from '../pipeline/pass-through.ts';

/** One line a sentence. */
export function summaryOf(config: AgentConfig): string[] {
  const { agent, site, sources, listeners, pipelines, uplink, buffer, local } = config;
  const http = local === undefined ? '' : ` Its own page and metrics are at ${address(local)}.`;
  return [
    `Agent "${agent}"${site === '' ? '' : ` at site "${site}"`}.${http}`,
    ...sources.map((source) => sourceSentence(source, listeners)),
    ...pipelines.map((pipeline) => pipelineSentence(pipeline, uplink.name)),
    `Uplink "${uplink.name}" is the hub at ${uplink.isTls ? 'mqtts' : 'mqtt'}://${address(uplink)}.`,
    `What is not sent yet is kept in ${buffer.path}, up to ${formatSize(buffer.sizeBytesMax)} and ${formatDuration(buffer.ageMsMax)}.`,
  ];
}

function sourceSentence(source: SourceConfig, listeners: readonly ListenerConfig[]): string {
  const listener = listeners.find(({ sources }) => sources.includes(source.name));
  const where = listener === undefined ? '' : ` listens on ${address(listener)} (${whoMayCome(listener)})`;
  const { time } = source;
  const clock = time === undefined ? 'the time of arrival' : `the time in "${time.field}" (${time.unit})`;
  return `Source "${source.name}"${where} for ${list(source.topics)}, reads ${metricsOf(source)} from JSON, with ${clock}.`;
}

function whoMayCome({ anonymous, users }: ListenerConfig): string {
  const names = Object.keys(users);
  const known = names.length === 0 ? '' : `users ${list(names)}`;
  const others = { nobody: '', loopback: 'this machine only', lan: 'anybody on private networks' }[anonymous];
  return [known, others].filter((part) => part !== '').join(' and ');
}

function metricsOf({ metrics }: SourceConfig): string {
  if (metrics === 'auto') return 'every number and boolean';
  return list(metrics.map(({ name, unit }) => (unit === '' ? name : `${name} in ${unit}`)));
}

function pipelineSentence(pipeline: PipelineConfig, hub: string): string {
  const { name, from, deadband, window, lane, isLocal } = pipeline;
  const steps = [
    ...(isPassThrough(pipeline) ? ['passes it on unchanged'] : []),
    ...(deadband === undefined ? [] : [deadbandPhrase(deadband)]),
    ...(window === undefined ? [] : [windowPhrase(window)]),
  ];
  const end = isLocal === true ? 'keeps it on the agent' : `sends it to "${hub}" with priority ${lanes[lane]}`;
  return `Pipeline "${name}" takes "${from}", ${steps.join(', ')}, and ${end}.`;
}

function deadbandPhrase({ thresholds, heartbeatMs }: DeadbandConfig): string {
  const changes = Object.entries(thresholds).map(([metric, change]) => `${metric} by ${change}`);
  const others = changes.length === 0 ? 'changes' : `changes (${list(changes)}; others at all)`;
  return `passes a value when it ${others} or after ${formatDuration(heartbeatMs)}`;
}

function windowPhrase({ everyMs, latenessMs, hasSketch }: WindowConfig): string {
  const grace = latenessMs === 0 ? '' : `, ${formatDuration(latenessMs)} late at most`;
  return `aggregates windows of ${formatDuration(everyMs)}${grace}${hasSketch ? ', with percentiles' : ''}`;
}

function address({ host, port }: { readonly host: string; readonly port: number }): string {
  const shown = port === 0 ? 'any free port' : String(port);
  return `${host.includes(':') ? `[${host}]` : host}:${shown}`;
}

function list(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
