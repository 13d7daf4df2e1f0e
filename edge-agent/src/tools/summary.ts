/** What a configuration does, in sentences: sources, then pipelines in the order in which they apply, then where it goes. */
import { lanes } from '@fogline/shared/protocol/limits';
import { formatDuration, formatShare, formatSize } from '@fogline/shared/units';
import type { AgentConfig } from '../agent-config.ts';
import type { HttpListenerConfig, ListenerConfig } from '../config/listeners.ts';
import type { SourceConfig } from '../config/sources.ts';
import type {
  ConvertConfig,
  DeadbandConfig,
  HoppingConfig,
  PipelineConfig,
  SwingingDoorConfig,
  WindowConfig,
} from '../core-config.ts';
import { isPassThrough } from '../pipeline/pass-through.ts';
import { alarmSentence } from './alarm-summary.ts';
import { list } from './list.ts';

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
    ...config.alarms.map(alarmSentence),
    `Uplink "${uplink.name}" is the hub at ${uplink.isTls ? 'mqtts' : 'mqtt'}://${address(uplink)}.`,
    bufferSentence(buffer),
  ];
}

function bufferSentence({ path, sizeBytesMax, ageMsMax, keepFree, whenFull }: AgentConfig['buffer']): string {
  const free = keepFree === undefined ? '' : ` while ${formatSize(keepFree.bytes)} of the disk stay free`;
  const thinned = lanes.filter((lane) => whenFull[lane] === 'thin_to_1m');
  const minutes =
    thinned.length === 0
      ? ''
      : ` Before any of it is dropped, ${list(thinned)} ${thinned.length === 1 ? 'becomes' : 'become'} minutes.`;
  return `What is not sent yet is kept in ${path}, up to ${formatSize(sizeBytesMax)} and ${formatDuration(ageMsMax)}${free}.${minutes}`;
}

function doorPhrase({ name, topics }: SourceConfig, { listeners, httpListeners, joins, files }: AgentConfig): string {
  const holds = ({ sources }: ListenerConfig) => sources.includes(name);
  const mqtt = listeners.find(holds);
  if (mqtt !== undefined)
    return `listens for ${over(mqtt, 'MQTT')} on ${address(mqtt)} (${whoMayCome(mqtt)}) to ${list(topics)}`;
  const http = httpListeners.find(holds);
  if (http !== undefined) {
    const paths = topics.map((topic) => `/${topic}`);
    return `listens for ${over(http, 'HTTP')} on ${address(http)} (${whoMayCome(http)}) at ${list(paths)}`;
  }
  const join = joins.find(({ source }) => source === name);
  if (join !== undefined) {
    return `joins the broker at ${join.isTls ? 'mqtts' : 'mqtt'}://${address(join)} for ${list(topics)}`;
  }
  const file = files.find(({ source }) => source === name);
  if (file?.isFollowed === true) return `follows the file ${file.path}`;
  const pace = file?.speed === undefined ? '' : ` at ${file.speed} times the speed of its times`;
  return `takes the file ${file?.path ?? ''}${pace}`;
}

function over({ tls }: ListenerConfig, what: string): string {
  return tls === undefined ? what : `${what} over TLS`;
}

function whoMayCome({ anonymous, users, tokens = [] }: ListenerConfig & Partial<HttpListenerConfig>): string {
  const names = Object.keys(users);
  const who = [
    ...(names.length === 0 ? [] : [`users ${list(names)}`]),
    ...(tokens.length === 0 ? [] : ['who has a token']),
    ...{
      nobody: [],
      loopback: ['this machine only'],
      lan: ['anybody on private networks'],
      certified: ['who has a certificate'],
    }[anonymous],
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
  const { name, from, lane, isLocal } = pipeline;
  const steps = isPassThrough(pipeline) ? ['passes it on unchanged'] : stepPhrases(pipeline);
  const end = isLocal === true ? 'keeps it on the agent' : `sends it to "${hub}" with priority ${lanes[lane]}`;
  return `Pipeline "${name}" takes "${from}", ${steps.join(', ')}, and ${end}.`;
}

/** In the order in which the steps are applied. */
function stepPhrases(pipeline: PipelineConfig): string[] {
  const { only, convert, check, derive, where, deadband, swingingDoor, throttleMs, sampleMs, window, hopping } =
    pipeline;
  const phrases: (string | undefined)[] = [
    only && `only ${list(only)}`,
    convert && `converts ${list(Object.entries(convert).map(conversionPhrase))}`,
    check && `checks ${list(Object.keys(check))}`,
    derive && `derives ${list(derive.map(({ metric, text }) => `${metric} = ${text}`))}`,
    where && `passes messages where ${where.text}`,
    deadband && deadbandPhrase(deadband),
    swingingDoor && doorPhraseOf(swingingDoor),
    throttleMs === undefined ? undefined : `passes a value at most every ${formatDuration(throttleMs)}`,
    sampleMs === undefined ? undefined : `samples the last value every ${formatDuration(sampleMs)}`,
    window && windowPhrase(window),
    hopping && hoppingPhrase(hopping),
  ];
  return phrases.filter((phrase) => phrase !== undefined);
}

function conversionPhrase([metric, { rename, unit, scale, offset }]: [string, ConvertConfig[string]]): string {
  const formula = [
    ...(scale === 1 ? [] : [` × ${scale}`]),
    ...(offset === 0 ? [] : [offset < 0 ? ` − ${-offset}` : ` + ${offset}`]),
  ].join('');
  return `${metric}${formula}${unit === undefined ? '' : ` in ${unit}`}${rename === undefined ? '' : ` as ${rename}`}`;
}

function deadbandPhrase({ thresholds, shares = {}, heartbeatMs }: DeadbandConfig): string {
  const changes = [
    ...Object.entries(thresholds).map(([metric, change]) => `${metric} by ${change}`),
    ...Object.entries(shares).map(([metric, share]) => `${metric} by ${formatShare(Math.round(share * 1e6))}`),
  ];
  const others = changes.length === 0 ? 'changes' : `changes (${list(changes)}; others at all)`;
  return `passes a value when it ${others} or after ${formatDuration(heartbeatMs)}`;
}

function doorPhraseOf({ bounds, maxGapMs }: SwingingDoorConfig): string {
  const metrics = Object.entries(bounds).map(([metric, bound]) => `${metric} within ${bound}`);
  return `passes the corners of lines that keep ${list(metrics)}, at least every ${formatDuration(maxGapMs)}`;
}

function windowPhrase({ everyMs, latenessMs, hasSketch }: WindowConfig): string {
  const grace = latenessMs === 0 ? '' : `, ${formatDuration(latenessMs)} late at most`;
  return `aggregates windows of ${formatDuration(everyMs)}${grace}${hasSketch ? ', with percentiles' : ''}`;
}

function hoppingPhrase({ everyMs, widthMs, latenessMs, compute }: HoppingConfig): string {
  const grace = latenessMs === 0 ? '' : `, ${formatDuration(latenessMs)} late at most`;
  return `computes ${list(compute)} over ${formatDuration(widthMs)} every ${formatDuration(everyMs)}${grace}`;
}

function address({ host, port }: { readonly host: string; readonly port: number }): string {
  const shown = port === 0 ? 'any free port' : String(port);
  return `${host.includes(':') ? `[${host}]` : host}:${shown}`;
}
