/** The agent's own HTTP endpoint. */
import type { ConfigContext } from '@fogline/shared/config';
import { isLoopback } from '@fogline/shared/loopback';
import type { AgentDocument } from './schema.ts';

export interface LocalConfig {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** Always there beyond loopback. */
  readonly token?: string;
}

export function resolveLocal(raw: NonNullable<AgentDocument['local']>, context: ConfigContext): LocalConfig {
  const host = raw.http.host ?? '127.0.0.1';
  if (!isLoopback(host) && raw.token === undefined) {
    context.error(['local', 'http'], `${host} is reachable from other machines: add "token", or listen on 127.0.0.1`);
  }
  const token = raw.token === undefined ? undefined : context.secret(['local', 'token'], raw.token);
  return { host, port: raw.http.port, ...(token === undefined ? {} : { token }) };
}
