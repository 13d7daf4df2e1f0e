/**
 * Who may call which route. Every route declares the scope it needs; registering one without is an error at start. On a loopback
 * listener no token is needed but for `admin`; then the Host header must name the loopback: a web page whose name was rebound to
 * 127.0.0.1 sends its own. A request that a browser sends for a page of another origin is refused, whatever it carries. A token that
 * is given is always checked, so that a revoked one is noticed.
 */

import { FoglineError } from '@fogline/shared/errors';
import { isLoopback } from '@fogline/shared/loopback';

/** `admin` includes the others; the others stand for themselves. */
export const scopes = ['read', 'write', 'command', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** `public`: no token, no data. */
export type RouteScope = Scope | 'public';

export interface Caller {
  /** Of the token; `local` without one on the loopback, `nobody` where none is needed. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** It sees only agents of these sites; undefined = all. */
  readonly sites: readonly string[] | undefined;
}

export interface AccessRequest {
  readonly scope: RouteScope;
  /** The answer tells of the hub as a whole: not for a token that is limited to sites. */
  readonly isHubWide: boolean;
  readonly authorization: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

export interface AccessPolicy {
  /** The listener is loopback only. */
  readonly isLoopback: boolean;
  /** The caller behind a token; undefined when it is unknown or revoked. */
  callerOf(token: string): Caller | undefined;
}

export interface Refusal {
  /** The caller's name where its token is valid. */
  readonly who: string;
  readonly refused: 'unauthorized' | 'forbidden' | 'host_not_allowed';
  readonly detail: string;
}

const nobody: Caller = { name: 'nobody', scopes: [], sites: undefined };
const local: Caller = { name: 'local', scopes: ['read', 'write', 'command'], sites: undefined };

/** The caller that may pass, or why not. */
export function decideAccess(policy: AccessPolicy, request: AccessRequest): Caller | Refusal {
  const { scope, authorization, host } = request;
  const token = bearerOf(authorization);
  if (token === undefined && policy.isLoopback && !isLoopbackName(host)) {
    return refuse(
      'host_not_allowed',
      `this listener serves localhost only, the request names ${JSON.stringify(host ?? '')}; call it as localhost or 127.0.0.1, or send a token`,
    );
  }
  if (isForeign(request)) {
    return refuse(
      'forbidden',
      `a page of ${JSON.stringify(request.origin)} may not call this hub; only pages that it serves itself may`,
    );
  }
  if (scope === 'public') return nobody;
  if (authorization === undefined && policy.isLoopback && scope !== 'admin') return local;
  if (token === undefined) {
    return refuse(
      'unauthorized',
      `send "Authorization: Bearer TOKEN"; make one with: fogline-hub token add NAME --scope ${scope}`,
    );
  }
  const caller = policy.callerOf(token);
  if (caller === undefined) {
    return refuse(
      'unauthorized',
      `this token is unknown or revoked; make one with: fogline-hub token add NAME --scope ${scope}`,
    );
  }
  if (!caller.scopes.includes(scope) && !caller.scopes.includes('admin')) {
    return refuse(
      'forbidden',
      `token "${caller.name}" has scope ${caller.scopes.join(', ')}, this address needs ${scope}`,
      caller.name,
    );
  }
  if (request.isHubWide && caller.sites !== undefined) {
    return refuse(
      'forbidden',
      `token "${caller.name}" is limited to ${caller.sites.join(', ')}, this address tells of the whole hub; take a token without --site`,
      caller.name,
    );
  }
  return caller;
}

export function isRefusal(decision: Caller | Refusal): decision is Refusal {
  return 'refused' in decision;
}

function refuse(refused: Refusal['refused'], detail: string, who = nobody.name): Refusal {
  return { refused, detail, who };
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S{1,512})$/i.exec(authorization ?? '')?.[1];
}

function isLoopbackName(header: string | undefined): boolean {
  if (header === undefined) return false;
  const name = /^\[(.+)\](?::\d{1,5})?$/.exec(header)?.[1] ?? header.replace(/:\d{1,5}$/, '');
  return isLoopback(name.toLowerCase().replace(/\.$/, ''));
}

/** Browsers name the origin of the page that asks; nothing else has to. */
function isForeign({ origin, host }: AccessRequest): boolean {
  if (origin === undefined) return false;
  const own = /^https?:\/\/(.+)$/.exec(origin)?.[1];
  return own === undefined || own.toLowerCase() !== host?.toLowerCase();
}

/** Nothing listens beyond loopback until a credential exists (P8). Throws `config_invalid` with the fix. */
export function checkExposure(listener: {
  readonly name: string;
  readonly host: string;
  readonly hasCredential: boolean;
  readonly fix: string;
}): void {
  if (isLoopback(listener.host) || listener.hasCredential) return;
  throw new FoglineError(
    'config_invalid',
    `${listener.name} is to listen on ${listener.host}, beyond this machine, but there is no credential yet: run "${listener.fix}" first, or listen on 127.0.0.1`,
  );
}
