/** Sources and the doors they come through: who may send, on which address, and that no message has two readers. */
import type { ConfigContext } from '@fogline/shared/config';
import { readAuthority, readKeyPair } from '@fogline/shared/config/key-pair';
import { isLoopback } from '@fogline/shared/loopback';
import type { ParseConfig } from '../decoders/decoder.ts';
import { type HttpListenerConfig, type ListenerConfig, resolveListeners } from './listeners.ts';
import { type MqttAddress, mqttAddress } from './mqtt-address.ts';
import { resolveParse, type SourceDocument } from './parse.ts';
import type { AgentDocument } from './schema.ts';
import { checkPattern, filtersOverlap, pathsOf } from './topics.ts';

export interface SourceConfig {
  readonly name: string;
  /** Topic filters with `{captures}`: of MQTT as written, of HTTP paths without the first slash, of a file its name. */
  readonly topics: readonly string[];
  readonly parse: ParseConfig;
}

/** An MQTT broker that one source joins. */
export interface JoinConfig extends MqttAddress {
  readonly source: string;
  readonly clientId: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface FileConfig {
  readonly source: string;
  /** Absolute. */
  readonly path: string;
  /** How many times as fast as it was recorded; absent: as fast as possible. */
  readonly speed?: number;
  readonly isFollowed?: true;
}

export interface SourcesConfig {
  readonly sources: readonly SourceConfig[];
  readonly listeners: readonly ListenerConfig[];
  readonly httpListeners: readonly HttpListenerConfig[];
  readonly joins: readonly JoinConfig[];
  readonly files: readonly FileConfig[];
}

const doors = ['mqtt', 'http', 'file'] as const;

export function resolveSources(raw: AgentDocument, context: ConfigContext): SourcesConfig {
  const entries = Object.entries(raw.sources);
  if (entries.length === 0) context.error(['sources'], 'at least one source is needed');
  for (const [name, source] of entries) checkDoors(name, source, context);
  const sources = entries.map(([name, source]) => ({
    name,
    topics: resolveTopics(name, source, context),
    parse: resolveParse(name, source, context),
  }));
  const joins = entries.flatMap(([name, source]) => resolveJoin(name, source, raw.agent.id, context));
  for (const [index, join] of joins.entries()) {
    const rival = joins.slice(0, index).find(({ host, port, clientId }) => {
      return host === join.host && port === join.port && clientId === join.clientId;
    });
    if (rival === undefined) continue;
    const why = `is that of source "${rival.source}" at the same broker, which would disconnect one of them`;
    context.error(['sources', join.source, 'mqtt', 'client_id'], why);
  }
  return {
    sources,
    ...resolveListeners(raw, context),
    joins,
    files: entries.flatMap(([name, source]) => resolveFile(name, source, context)),
  };
}

function checkDoors(name: string, source: SourceDocument, context: ConfigContext): void {
  const path = ['sources', name];
  const [door, other] = doors.filter((candidate) => source[candidate] !== undefined);
  if (door === undefined) context.error(path, 'needs a door: mqtt, http or file');
  if (door !== undefined && other !== undefined) {
    context.error([...path, other], `a source has one door, and this one has ${door}: make another source of it`);
  }
}

function resolveFile(name: string, { file, parse }: SourceDocument, context: ConfigContext): FileConfig[] {
  if (file === undefined) return [];
  const { path, speed = 0, follow } = file;
  const where = ['sources', name, 'file'];
  const hasTime = parse.time !== undefined || parse.line_protocol !== undefined;
  if (speed > 0 && !hasTime) context.error([...where, 'speed'], 'needs to know when: add parse.time');
  if (speed > 0 && follow)
    context.error([...where, 'speed'], 'has no sense with follow: what grows has a pace of its own');
  if (!hasTime && !follow && speed === 0)
    context.warn(where, 'without parse.time, every reading gets the time at which the file was read');
  return [
    {
      source: name,
      path: context.path(path),
      ...(speed === 0 ? {} : { speed }),
      ...(follow ? { isFollowed: true } : {}),
    },
  ];
}

function resolveTopics(name: string, source: SourceDocument, context: ConfigContext): readonly string[] {
  const { mqtt, http } = source;
  if (mqtt !== undefined) {
    for (const [index, topic] of mqtt.topics.entries()) {
      checkPattern(topic, ['sources', name, 'mqtt', 'topics', index], context);
    }
    return mqtt.topics;
  }
  if (http === undefined) return ['#'];
  const topics = pathsOf(name, source);
  for (const [index, path] of (http.paths ?? []).entries()) {
    checkPattern(path, ['sources', name, 'http', 'paths', index], context);
  }
  return topics;
}

const listenerKeys = ['users', 'anonymous'] as const;
const joinKeys = ['username', 'password', 'client_id'] as const;

function resolveJoin(name: string, { mqtt }: SourceDocument, agent: string, context: ConfigContext): JoinConfig[] {
  const path = ['sources', name, 'mqtt'];
  if (mqtt === undefined) return [];
  if (mqtt.url === undefined) {
    for (const key of joinKeys) {
      if (mqtt[key] !== undefined) context.error([...path, key], 'goes with url, of a broker that is joined');
    }
    return [];
  }
  if (mqtt.listen !== undefined) context.error([...path, 'url'], 'joins a broker, and listen is one: keep one of them');
  for (const key of listenerKeys) {
    if (mqtt[key] !== undefined)
      context.error([...path, key], 'goes with listen: a broker that is joined knows its users');
  }
  for (const [index, topic] of mqtt.topics.entries()) {
    const rival = mqtt.topics.slice(0, index).find((other) => filtersOverlap(other, topic));
    if (rival === undefined) continue;
    context.error([...path, 'topics', index], `overlaps with "${rival}" of this source: a message has one reader`);
  }
  const words = { whose: 'a broker', beside: 'username and password are given beside it' };
  const address = mqttAddress(mqtt.url, words, (message) => context.error([...path, 'url'], message));
  if (mqtt.tls !== undefined && !address.isTls) {
    context.error([...path, 'tls'], 'needs a url that begins with mqtts://');
  }
  if (mqtt.password !== undefined && !address.isTls && address.host !== '' && !isLoopback(address.host)) {
    context.warn([...path, 'url'], 'the password travels in clear text: use mqtts:// beyond a trusted network');
  }
  return [
    {
      source: name,
      ...address,
      clientId: mqtt.client_id ?? `${agent}-${name}`,
      ...(mqtt.username === undefined ? {} : { username: mqtt.username }),
      ...(mqtt.password === undefined ? {} : { password: context.secret([...path, 'password'], mqtt.password) }),
      ...joinTls(mqtt.tls, [...path, 'tls'], context),
    },
  ];
}

type TlsDocument = NonNullable<SourceDocument['mqtt']>['tls'];

/** Whom the agent trusts at a broker that it joins, and how it shows who it is. */
function joinTls(
  tls: TlsDocument,
  path: readonly string[],
  context: ConfigContext,
): Pick<JoinConfig, 'ca' | 'cert' | 'key'> {
  const { ca, cert, key, client_ca: clientCa } = tls ?? {};
  if (clientCa !== undefined) context.error([...path, 'client_ca'], 'goes with listen: at a broker, trust is ca');
  if ((cert === undefined) !== (key === undefined)) context.error(path, 'cert and key go together');
  return {
    ...(ca === undefined ? {} : { ca: readAuthority(ca, [...path, 'ca'], context) }),
    ...(cert === undefined || key === undefined ? {} : readKeyPair({ cert, key }, path, context)),
  };
}
