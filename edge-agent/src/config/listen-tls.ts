/** TLS of the agent's own listeners. Sources that share one share its certificate: one of them says it, or all the same. */
import type { ConfigContext } from '@fogline/shared/config';
import { readAuthority, readKeyPair } from '@fogline/shared/config/key-pair';
import type { AgentDocument } from './schema.ts';

export interface ListenTls {
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  /** Who must have signed the certificates of clients; absent = they need none. */
  readonly ca?: string;
}

type TlsDocument =
  | NonNullable<NonNullable<AgentDocument['sources'][string]['mqtt']>['tls']>
  | NonNullable<NonNullable<AgentDocument['sources'][string]['http']>['tls']>;

export interface AskedTls {
  readonly source: string;
  readonly door: 'mqtt' | 'http';
  readonly tls: TlsDocument | undefined;
}

export function resolveListenTls(asked: readonly AskedTls[], context: ConfigContext): ListenTls | undefined {
  let found: { readonly source: string; readonly tls: ListenTls } | undefined;
  for (const { source, door, tls: written } of asked) {
    if (written === undefined) continue;
    const path = ['sources', source, door, 'tls'];
    const tls = readTls(written, path, context);
    if (tls === undefined) continue;
    found ??= { source, tls };
    if (JSON.stringify(found.tls) !== JSON.stringify(tls))
      context.error(path, `differs from that of source "${found.source}" on the same listener: give it once`);
  }
  return found?.tls;
}

function readTls(written: TlsDocument, path: readonly string[], context: ConfigContext): ListenTls | undefined {
  const { key, cert, client_ca: clientCa } = written;
  if ('ca' in written && written.ca !== undefined)
    context.error([...path, 'ca'], 'goes with url; whom clients must be certified by is client_ca');
  if (key === undefined || cert === undefined) {
    context.error(path, 'a listener needs both cert and key');
    return undefined;
  }
  const pair = readKeyPair({ key, cert }, path, context);
  return clientCa === undefined ? pair : { ...pair, ca: readAuthority(clientCa, [...path, 'client_ca'], context) };
}
