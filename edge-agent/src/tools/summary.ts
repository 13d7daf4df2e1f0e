/** What a configuration does, in sentences: sources, then pipelines in the order in which they apply, then where it goes. */
import { lanes } from '@fogline/shared/protocol/limits';
import { formatDuration, formatSize } from '@fogline/shared/units';
import type { HttpListenerConfig, ListenerConfig } from '../config/listeners.ts';
import type { SourceConfig } from '../config/sources.ts';
import type { AgentConfig } from '../config.ts';
import type { DeadbandConfig, PipelineConfig, WindowConfig } from '../core-config.ts';
import { isPassThrough } from '../pipeline/pass-through.ts';

/** One line a sentence. */
export function summaryOf(config: AgentConfig): string[] {
  const { agent, site, sources, pipelines, uplink, buffer, local } = config;
  const http = local === undefined ? '' : ` Its own page and metrics are at ${address(local)}.`;
  return [
    `Agent "${agent}"${site === '' ? '' : ` at site "${site}"`}.${http}`,
    ...sources.map(
      (source) => `Source "${source.name}" ${doorPhrase(source, config)}, and reads ${parsePhrase(source)}.`,
    ),
    ...pipelines.map((pipeline) => pipelineSentence(pipeline, uplink.name)),
    `Uplink "${uplink.name}" is the hub at ${uplink.isTls ? 'mqtts' : 'mqtt'}://${address(uplink)}.`,
    `What is not sent yet is kept in ${buffer.path}, up to ${formatSize(buffer.sizeBytesMax)} and ${formatDuration(buffer.ageMsMax)}.`,
  ];
}

function doorPhrase({ name, topics }: SourceConfig, { listeners, httpListeners, joins, files }: AgentConfig): string {
  const holds = ({ sources }: ListenerConfig) => sources.includes(name);
  const mqtt = listeners.find(holds);
  if (mqtt !== undefined) return `listens for MQTT on ${address(mqtt)} (${whoMayCome(mqtt)}) to ${list(topics)}`;
  const http = httpListeners.find(holds);
  if (http !== undefined) {
    const paths = topics.map((topic) => `/${topic}`);
    return `listens for HTTP on ${address(http)} (${whoMayCome(http)}) at ${list(paths)}`;
  }
  const join = joins.find(({ source }) => source === name);
  if (join !== undefined) {
    return `joins the broker at ${join.isTls ? 'mqtts' : 'mqtt'}://${address(join)} for ${list(topics)}`;
  }
  return `takes the file ${files.find(({ source }) => source === name)?.path ?? ''}`;
}

function whoMayCome({ anonymous, users, tokens = [] }: ListenerConfig & Partial<HttpListenerConfig>): string {
  const names = Object.keys(users);
  const who = [
    ...(names.length === 0 ? [] : [`users ${list(names)}`]),
    ...(tokens.length === 0 ? [] : ['who has a token']),
    ...{ nobody: [], loopback: ['this machine only'], lan: ['anybody on private networks'] }[anonymous],
  ];
  return list(who);
}

const formats = { json: 'JSON', csv: 'CSV', line_protocol: 'line protocol', value: 'plain values' } as const;

function parsePhrase({ parse }: SourceConfig): string {
  const { metrics, format } = parse;
  const what =
    metrics === 'auto'
      ? 'every number and boolean'
      : list(metrics.map(({ name, unit }) => (unit === '' ? name : `${name} in ${unit}`)));
  const time = 'time' in parse ? parse.time : undefined;
  const form = time?.unit ?? time?.format;
  const clock =
    time !== undefined
      ? `the time in ${list(time.fields.map((field) => `"${field}"`))} (${form})`
      : format === 'line_protocol'
        ? 'the times of its lines'
        : 'the time of arrival';
  return `${what} from ${formats[format]}, with ${clock}`;
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
