/** `mqtt://host:1883` and `mqtts://host:8883`, to where they lead. */

export interface MqttAddress {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** `whose`: "a hub"; `beside`: where its credential belongs. Yields an empty host when it is no address. */
export function mqttAddress(
  url: string,
  { whose, beside }: { readonly whose: string; readonly beside: string },
  fail: (message: string) => void,
): MqttAddress {
  const parsed = URL.parse(url);
  const isTls = parsed?.protocol === 'mqtts:';
  if (parsed === null || !(isTls || parsed.protocol === 'mqtt:') || parsed.hostname === '') {
    fail(`"${url}" is not an address of ${whose}: write mqtt://host:1883 or mqtts://host:8883`);
    return { host: '', port: 0, isTls: /^mqtts:/i.test(url) };
  }
  if (parsed.username !== '' || parsed.password !== '') fail(`holds a credential: ${beside}`);
  if (!['', '/'].includes(parsed.pathname) || parsed.search !== '') fail('ends after host and port');
  const port = parsed.port === '' ? (isTls ? 8883 : 1883) : Number(parsed.port);
  return { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'), port, isTls };
}
