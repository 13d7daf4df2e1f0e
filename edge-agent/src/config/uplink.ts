/** The way to the hub: address, trust, token. */
import type { ConfigContext } from '@fogline/shared/config';
import { isLoopback } from '@fogline/shared/loopback';
import type { UplinkConfig } from '../core-config.ts';
import { type MqttAddress, mqttAddress } from './mqtt-address.ts';
import type { AgentDocument } from './schema.ts';

export interface HubAddress extends MqttAddress {
  readonly name: string;
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
  const words = { whose: 'a hub', beside: 'the token is given beside it' };
  const address = mqttAddress(uplink.mqtt.url, words, (message) => context.error([...path, 'mqtt', 'url'], message));
  const { isTls } = address;
  if (uplink.tls !== undefined && !isTls) context.error([...path, 'tls'], 'needs a url that begins with mqtts://');
  if (!isTls && address.host !== '' && !isLoopback(address.host)) {
    context.warn([...path, 'mqtt', 'url'], 'the token travels in clear text: use mqtts:// beyond a trusted network');
  }
  const ca = uplink.tls?.ca;
  return {
    name,
    ...address,
    ...(ca === undefined ? {} : { ca: context.text([...path, 'tls', 'ca'], ca) }),
    token: context.secret([...path, 'token'], uplink.token),
    window: uplink.window,
    lingerMs: uplink.linger ?? lingerMs[raw.buffer.commit],
  };
}
