/** Sources and the MQTT listeners they share: who may publish, on which address, and that no message has two readers. */
import type { ConfigContext } from '@fogline/shared/config';
import { messageOf } from '@fogline/shared/errors';
import { isLoopback } from '@fogline/shared/loopback';
import type { ValueType } from '@fogline/shared/reading';
import { compileTopicPattern } from '@fogline/shared/topic-filter';
import type { AgentDocument } from './config-schema.ts';

export interface SourceConfig {
  readonly name: string;
  /** Topic filters with `{captures}`, as written. */
  readonly topics: readonly string[];
  /** `auto`: every top-level number and boolean of the JSON object becomes a metric of its name. */
  readonly metrics: 'auto' | readonly MetricConfig[];
  /** Where the time of a reading is found; absent = time of arrival. */
  readonly time?: TimeConfig;
}

export interface MetricConfig {
  readonly name: string;
  readonly field: string;
  /** '' when unknown. */
  readonly unit: string;
  readonly type: ValueType;
  /** Values outside are kept with quality bad. */
  readonly range?: { readonly min: number; readonly max: number };
}

export interface TimeConfig {
  readonly field: string;
  readonly unit: 's' | 'ms' | 'us' | 'iso';
  /** Future only. */
  readonly maxSkewMs: number;
}

/** One MQTT broker of this agent; several sources may share it. */
export interface ListenerConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Password by user name. */
  readonly users: Readonly<Record<string, string>>;
  /** Who may come without a password: nobody, this machine, or private networks. */
  readonly anonymous: 'nobody' | 'loopback' | 'lan';
  readonly sources: readonly string[];
}

export function resolveSources(
  raw: AgentDocument,
  context: ConfigContext,
): { readonly listeners: readonly ListenerConfig[]; readonly sources: readonly SourceConfig[] } {
  const names = Object.keys(raw.sources);
  if (names.length === 0) context.error(['sources'], 'at least one source is needed');
  const sources = Object.entries(raw.sources).map(([name, source]) => resolveSource(name, source, context));
  const listeners = Map.groupBy(names, (name) => raw.sources[name]?.mqtt.listen.port ?? 0);
  return { sources, listeners: [...listeners].flatMap(([port, users]) => resolveListeners(port, users, raw, context)) };
}

type SourceDocument = AgentDocument['sources'][string];

function resolveSource(name: string, source: SourceDocument, context: ConfigContext): SourceConfig {
  for (const [index, topic] of source.mqtt.topics.entries()) {
    const path = ['sources', name, 'mqtt', 'topics', index];
    const problem = topicProblem(topic);
    if (problem !== undefined) context.error(path, problem);
    else if (/[+#{]/.test(topic) && !topic.split('/').includes('{device}')) {
      context.warn(path, 'has no {device}: all that match are taken for one device');
    }
  }
  const { json, time } = source.parse;
  return {
    name,
    topics: source.mqtt.topics,
    metrics:
      json === 'auto' ? json : Object.entries(json).map(([metric, raw]) => resolveMetric(name, metric, raw, context)),
    ...(time === undefined ? {} : { time: { field: time.field, unit: time.unit, maxSkewMs: time.max_skew } }),
  };
}

type MetricDocument = Exclude<SourceDocument['parse']['json'], 'auto'>[string];

function resolveMetric(source: string, name: string, raw: MetricDocument, context: ConfigContext): MetricConfig {
  const { field = name, unit, type, range } = raw;
  const path = ['sources', source, 'parse', 'json', name];
  if (name === 'heartbeat')
    context.error(path, 'is a word of the deadband: give the metric another name and keep the field');
  if (range === undefined) return { name, field, unit, type };
  const [min, max] = range;
  if (min >= max) context.error([...path, 'range'], `[${min}, ${max}] is empty: write [lowest, highest]`);
  if (type !== 'number') context.error([...path, 'range'], `a ${type} has no range`);
  return { name, field, unit, type, range: { min, max } };
}

/** What is wrong with a topic filter, with the fix. */
function topicProblem(topic: string): string | undefined {
  if (topic.startsWith('$')) return 'topics that begin with "$" belong to the broker';
  try {
    compileTopicPattern(topic);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** True when one topic can match both filters. */
export function filtersOverlap(left: string, right: string): boolean {
  const a = left.split('/');
  const b = right.split('/');
  for (let index = 0; ; index++) {
    const x = a[index];
    const y = b[index];
    // "a/#" matches "a" itself, so "#" is looked at before either filter ends.
    if (x === '#' || y === '#') return true;
    if (x === undefined || y === undefined) return x === y;
    if (x !== y && !isWild(x) && !isWild(y)) return false;
  }
}

function isWild(level: string): boolean {
  return level === '+' || level.startsWith('{');
}

function resolveListeners(
  port: number,
  names: readonly string[],
  raw: AgentDocument,
  context: ConfigContext,
): ListenerConfig[] {
  // Sources on port 0 each get a port of their own; on any other port, sources of one address share a listener.
  const hostOf = (name: string): string => raw.sources[name]?.mqtt.listen.host ?? '';
  const shared = port === 0 ? names.map((name) => [name]) : [...Map.groupBy(names, hostOf).values()];
  const listeners = shared.map((sources) => resolveListener(port, sources, raw, context));
  const everywhere = listeners.find((listener) => listener.host === '0.0.0.0' || listener.host === '::');
  const other = listeners.find((listener) => listener !== everywhere);
  if (port !== 0 && everywhere !== undefined && other !== undefined) {
    const path = ['sources', other.sources[0] ?? '', 'mqtt', 'listen'];
    const rival = everywhere.sources[0] ?? '';
    context.error(path, `port ${port} is taken on every address by source "${rival}": give both the same host`);
  }
  return listeners;
}

function resolveListener(
  port: number,
  names: readonly string[],
  raw: AgentDocument,
  context: ConfigContext,
): ListenerConfig {
  const users = new Map<string, string>();
  let isLan = false;
  const taken: { readonly source: string; readonly topic: string }[] = [];
  for (const name of names) {
    const mqtt = raw.sources[name]?.mqtt;
    if (mqtt === undefined) continue;
    isLan ||= mqtt.anonymous === 'lan';
    for (const [user, { password }] of Object.entries(mqtt.users ?? {})) {
      const path = ['sources', name, 'mqtt', 'users', user, 'password'];
      const text = context.secret(path, password);
      if ((users.get(user) ?? text) !== text)
        context.error(path, 'differs from the password of this user in another source');
      users.set(user, text);
    }
    for (const [index, topic] of mqtt.topics.entries()) {
      const rival = taken.find((other) => filtersOverlap(other.topic, topic));
      if (rival !== undefined) {
        const where = rival.source === name ? 'of this source' : `of source "${rival.source}" on the same listener`;
        context.error(
          ['sources', name, 'mqtt', 'topics', index],
          `overlaps with "${rival.topic}" ${where}: a message has one reader`,
        );
      }
      taken.push({ source: name, topic });
    }
  }
  const isOpen = isLan || users.size > 0;
  // A port alone means loopback until somebody is allowed in; then it means every address.
  const host = raw.sources[names[0] ?? '']?.mqtt.listen.host ?? (isOpen ? '0.0.0.0' : '127.0.0.1');
  if (!isLoopback(host) && !isOpen) {
    const path = ['sources', names[0] ?? '', 'mqtt', 'listen'];
    context.error(
      path,
      `${host} is reachable from other machines: add "users", or "anonymous: lan", or listen on 127.0.0.1`,
    );
  }
  const anonymous = isLan ? 'lan' : users.size > 0 ? 'nobody' : 'loopback';
  return { host, port, users: Object.fromEntries(users), anonymous, sources: names };
}
