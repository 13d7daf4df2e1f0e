/** The listeners that sources share: one on each address, for MQTT or for HTTP, open to others only where somebody is let in. */
import type { ConfigContext } from '@fogline/shared/config';
import type { ListenAddress, Secret } from '@fogline/shared/config/fields';
import { isLoopback } from '@fogline/shared/loopback';
import { reservedPaths, writeTopic } from '../sources/influx-api.ts';
import type { LocalAccess } from '../sources/local-access.ts';
import { type AskedTls, type ListenTls, resolveListenTls } from './listen-tls.ts';
import type { AgentDocument } from './schema.ts';
import { filtersOverlap, pathsOf } from './topics.ts';

/** One MQTT broker of this agent; several sources may share it. */
export interface ListenerConfig extends LocalAccess {
  /** 0 = any free port. */
  readonly port: number;
  readonly sources: readonly string[];
  /** Absent: in clear text. */
  readonly tls?: ListenTls;
}

export interface HttpListenerConfig extends ListenerConfig {
  readonly tokens: readonly string[];
  /** Of a request, inflated. */
  readonly bodyBytesMax: number;
}

type Door = AskedTls['door'];

/** What a source says of its listener, whichever kind that is. */
interface Listening extends AskedTls {
  readonly listen: ListenAddress;
  readonly users: Readonly<Record<string, { readonly password: Secret }>>;
  readonly tokens: readonly Secret[];
  readonly isLan: boolean;
  readonly bodyBytesMax: number;
  /** Where each topic was written; of what was not written, the source. */
  readonly topics: readonly { readonly topic: string; readonly path: readonly (string | number)[] }[];
}

const mqttPortDefault = 1_883;
const mqttsPortDefault = 8_883;

export function resolveListeners(
  raw: AgentDocument,
  context: ConfigContext,
): { readonly listeners: readonly ListenerConfig[]; readonly httpListeners: readonly HttpListenerConfig[] } {
  const all = Object.entries(raw.sources).flatMap(([name, source]) => listening(name, source));
  const byPort = [...Map.groupBy(all, ({ listen }) => listen.port)];
  const resolved = byPort.flatMap(([port, sharing]) => resolvePort(port, sharing, context));
  return {
    listeners: resolved.filter(({ door }) => door === 'mqtt').map(({ listener }) => mqttPart(listener)),
    httpListeners: resolved.filter(({ door }) => door === 'http').map(({ listener }) => listener),
  };
}

function mqttPart({ tokens: _tokens, bodyBytesMax: _bodyBytesMax, ...listener }: HttpListenerConfig): ListenerConfig {
  return listener;
}

function listening(name: string, source: AgentDocument['sources'][string]): Listening[] {
  const { mqtt, http } = source;
  const path = ['sources', name];
  if (mqtt !== undefined && mqtt.url === undefined) {
    return [
      {
        door: 'mqtt',
        source: name,
        listen: mqtt.listen ?? { port: mqtt.tls === undefined ? mqttPortDefault : mqttsPortDefault },
        users: mqtt.users ?? {},
        tokens: [],
        isLan: mqtt.anonymous === 'lan',
        bodyBytesMax: 0,
        tls: mqtt.tls,
        topics: mqtt.topics.map((topic, index) => ({ topic, path: [...path, 'mqtt', 'topics', index] })),
      },
    ];
  }
  if (http === undefined || mqtt !== undefined) return [];
  const { paths, listen, users = {}, tokens = [], anonymous, body_max, tls } = http;
  const isLan = anonymous === 'lan';
  const topics = pathsOf(name, source).map((topic) => {
    const index = paths?.findIndex((written) => written.replace(/^\//, '') === topic) ?? -1;
    return { topic, path: index < 0 ? [...path, 'http'] : [...path, 'http', 'paths', index] };
  });
  return [{ door: 'http', source: name, listen, users, tokens, isLan, bodyBytesMax: body_max, topics, tls }];
}

interface Resolved {
  readonly door: Door;
  readonly listener: HttpListenerConfig;
}

function resolvePort(port: number, sharing: readonly Listening[], context: ConfigContext): Resolved[] {
  // Sources on port 0 each get a port of their own; on any other port, sources of one address share a listener.
  const groups =
    port === 0 ? sharing.map((one) => [one]) : [...Map.groupBy(sharing, ({ listen }) => listen.host ?? '').values()];
  const resolved = groups.flatMap((group) => resolveListener(port, group, context));
  const everywhere = resolved.find(({ listener }) => listener.host === '0.0.0.0' || listener.host === '::');
  const other = resolved.find((one) => one !== everywhere);
  if (port !== 0 && everywhere !== undefined && other !== undefined) {
    const path = ['sources', other.listener.sources[0] ?? '', other.door, 'listen'];
    const rival = everywhere.listener.sources[0] ?? '';
    context.error(path, `port ${port} is taken on every address by source "${rival}": give both the same host`);
  }
  return resolved;
}

function resolveListener(port: number, sharing: readonly Listening[], context: ConfigContext): Resolved[] {
  const [first] = sharing;
  if (first === undefined) return [];
  const { door } = first;
  const stranger = sharing.find((one) => one.door !== door);
  if (stranger !== undefined) {
    const path = ['sources', stranger.source, stranger.door, 'listen'];
    context.error(path, `port ${port} is taken for ${door} by source "${first.source}": give it another port`);
  }
  const own = sharing.filter((one) => one.door === door);
  const users = resolveUsers(own, context);
  const tokens = own.flatMap(({ source, tokens: written }) =>
    written.map((token, index) => context.secret(['sources', source, door, 'tokens', index], token)),
  );
  checkReaders(own, context);
  const tls = resolveListenTls(own, context);
  const isLan = own.some((one) => one.isLan);
  const hasCredential = users.size > 0 || tokens.length > 0;
  const isOpen = isLan || hasCredential || tls?.ca !== undefined;
  // A port alone means loopback until somebody is allowed in; then it means every address.
  const host = first.listen.host ?? (isOpen ? '0.0.0.0' : '127.0.0.1');
  if (!isLoopback(host) && !isOpen) {
    const fix = door === 'http' ? '"tokens", "users"' : '"users"';
    context.error(
      ['sources', first.source, door, 'listen'],
      `${host} is reachable from other machines: add ${fix}, or "anonymous: lan", or listen on 127.0.0.1`,
    );
  }
  const listener = {
    host,
    port,
    users: Object.fromEntries(users),
    anonymous: anonymousOf(isLan, hasCredential, tls),
    sources: own.map(({ source }) => source),
    tokens,
    bodyBytesMax: Math.max(...own.map(({ bodyBytesMax }) => bodyBytesMax)),
    ...(tls === undefined ? {} : { tls }),
  };
  return [{ door, listener }];
}

function anonymousOf(isLan: boolean, hasCredential: boolean, tls: ListenTls | undefined): LocalAccess['anonymous'] {
  if (isLan) return 'lan';
  if (hasCredential) return 'nobody';
  return tls?.ca === undefined ? 'loopback' : 'certified';
}

function resolveUsers(sharing: readonly Listening[], context: ConfigContext): Map<string, string> {
  const users = new Map<string, string>();
  for (const { door, source, users: written } of sharing) {
    for (const [user, { password }] of Object.entries(written)) {
      const path = ['sources', source, door, 'users', user, 'password'];
      const text = context.secret(path, password);
      if ((users.get(user) ?? text) !== text)
        context.error(path, 'differs from the password of this user in another source');
      users.set(user, text);
    }
  }
  return users;
}

/** No two filters of one listener may take the same message. */
function checkReaders(sharing: readonly Listening[], context: ConfigContext): void {
  const taken: { readonly source: string; readonly topic: string }[] = [];
  for (const { door, source, topics } of sharing) {
    for (const { topic, path } of topics) {
      const reserved =
        door === 'http' && topic !== writeTopic ? reservedPaths.find((own) => filtersOverlap(own, topic)) : undefined;
      if (reserved !== undefined) context.error(path, `overlaps with /${reserved}, which has a meaning of its own`);
      const rival = taken.find((other) => filtersOverlap(other.topic, topic));
      if (rival !== undefined) {
        const where = rival.source === source ? 'of this source' : `of source "${rival.source}" on the same listener`;
        const what =
          topic === writeTopic && rival.topic === writeTopic
            ? `takes /write, as line protocol ${where} does`
            : `overlaps with "${rival.topic}" ${where}`;
        context.error(path, `${what}: a message has one reader`);
      }
      taken.push({ source, topic });
    }
  }
}
