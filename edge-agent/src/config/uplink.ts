/** The way to the hub: address, trust, token. */
import type { ConfigContext } from '@fogline/shared/config';
import { isLoopback } from '@fogline/shared/loopback';
import type { UplinkConfig } from '../core-config.ts';
import type { AgentDocument } from './schema.ts';

export interface HubAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
  /** PEM text of the only authorities to trust; absent = those of the system. */
  readonly ca?: string;
}

const lingerMs = { flash: 1_000, prompt: 20 } as const;

export function resolveUplink(raw: AgentDocument, context: ConfigContext): UplinkConfig & HubAddress {
  const entries = Object.entries(raw.uplinks);
  const [name, uplink] = entries[0] ?? [];
  if (name === undefined || uplink === undefined || entries.length > 1) {
    context.error(['uplinks'], `exactly one uplink is needed, not ${entries.length}`);
    return { name: '', host: '', port: 0, isTls: false, token: '', window: 1, lingerMs: 0 };
  }
  const path = ['uplinks', name];
  const isTls = /^mqtts:/i.test(uplink.mqtt.url);
  if (uplink.tls !== undefined && !isTls) context.error([...path, 'tls'], 'needs a url that begins with mqtts://');
  const address = hubAddress(uplink.mqtt.url, (message) => context.error([...path, 'mqtt', 'url'], message));
  if (!isTls && address.host !== '' && !isLoopback(address.host)) {
    context.warn([...path, 'mqtt', 'url'], 'the token travels in clear text: use mqtts:// beyond a trusted network');
  }
  const ca = uplink.tls?.ca;
  return {
    name,
    ...address,
    isTls,
    ...(ca === undefined ? {} : { ca: context.text([...path, 'tls', 'ca'], ca) }),
    token: context.secret([...path, 'token'], uplink.token),
    window: uplink.window,
    lingerMs: uplink.linger ?? lingerMs[raw.buffer.commit],
  };
}

function hubAddress(url: string, fail: (message: string) => void): { host: string; port: number } {
  const parsed = URL.parse(url);
  const isMqtt = parsed?.protocol === 'mqtt:' || parsed?.protocol === 'mqtts:';
  if (parsed === null || !isMqtt || parsed.hostname === '') {
    fail(`"${url}" is not an address of a hub: write mqtt://host:1883 or mqtts://host:8883`);
    return { host: '', port: 0 };
  }
  if (parsed.username !== '' || parsed.password !== '') fail('holds a credential: the token is given beside it');
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '') fail('ends after host and port');
  const port = parsed.port === '' ? (parsed.protocol === 'mqtts:' ? 8883 : 1883) : Number(parsed.port);
  return { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}
