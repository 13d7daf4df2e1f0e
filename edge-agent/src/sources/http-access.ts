/**
 * Who may post: by token or by user and password, in every form in which clients of InfluxDB send them, or nobody known from where
 * that is allowed. Nobody known is never a web page: what a browser sends on behalf of one has an Origin.
 */
import type { IncomingMessage } from 'node:http';
import { isEqual, namesLoopback } from '@fogline/shared/http-server';
import { type Authenticator, authenticator, type LocalAccess } from './local-access.ts';

/** `forbidden`: no credential of this client would help. */
export type Admission = 'welcome' | 'unauthorized' | 'forbidden';

export class HttpAccess {
  readonly #access: LocalAccess;
  readonly #tokens: readonly string[];
  readonly #authenticate: Authenticator;

  constructor(access: LocalAccess, tokens: readonly string[]) {
    this.#access = access;
    this.#tokens = tokens;
    this.#authenticate = authenticator(access);
  }

  admit(request: IncomingMessage, query: URLSearchParams): Admission {
    const address = request.socket.remoteAddress ?? '';
    const { user, token } = credentialOf(request.headers.authorization, query);
    if (token !== undefined) {
      // Every token is compared, so that the time tells nothing.
      return this.#tokens.filter((known) => isEqual(known, token)).length > 0 ? 'welcome' : 'unauthorized';
    }
    if (user !== undefined) {
      const client = { username: user.name, password: Buffer.from(user.password), address };
      return this.#authenticate(client) === 'refused' ? 'unauthorized' : 'welcome';
    }
    if (this.#authenticate({ address }) === 'refused') return 'unauthorized';
    if (request.headers.origin !== undefined) return 'forbidden';
    return this.#access.anonymous === 'loopback' && !namesLoopback(request.headers.host) ? 'forbidden' : 'welcome';
  }
}

interface Credential {
  readonly user?: { readonly name: string; readonly password: string };
  readonly token?: string;
}

/** `Basic …`, `Token …`, `Bearer …`, `Token user:password`, or `u` and `p` of the query. */
function credentialOf(header: string | undefined, query: URLSearchParams): Credential {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+) *$/.exec(header ?? '') ?? [];
  switch (scheme.toLowerCase()) {
    case 'basic':
      return { user: userOf(Buffer.from(value, 'base64').toString('utf8')) };
    case 'token':
    case 'bearer':
      return value.includes(':') ? { user: userOf(value) } : { token: value };
    default: {
      const [name, password] = [query.get('u'), query.get('p')];
      return name === null ? {} : { user: { name, password: password ?? '' } };
    }
  }
}

function userOf(text: string): { name: string; password: string } {
  const at = text.indexOf(':');
  return at < 0 ? { name: text, password: '' } : { name: text.slice(0, at), password: text.slice(at + 1) };
}
