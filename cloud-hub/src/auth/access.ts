/**
 * Who may call which route. Every route declares the scope it needs; registering one without is an error at start. On a loopback
 * listener no token is needed, but then the Host header must name the loopback: a web page whose name was rebound to
 * 127.0.0.1 sends its own. A token that is given is always checked, so that a revoked one is noticed.
 */

import { FoglineError } from '@fogline/shared/errors';
import { isLoopback } from '@fogline/shared/loopback';

/** `admin` includes the others; the others stand for themselves. */
export const scopes = ['read', 'write', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** `public`: no token, no data. */
export type RouteScope = Scope | 'public';

export interface Caller {
  readonly name: string;
  readonly scopes: readonly string[];
}

export interface AccessRequest {
  readonly scope: RouteScope;
  readonly authorization: string | undefined;
  readonly host: string | undefined;
}

export interface AccessPolicy {
  /** The listener is loopback only: no token needed. */
  readonly isLoopback: boolean;
  /** The caller behind a token; undefined when it is unknown or revoked. */
  callerOf(token: string): Caller | undefined;
}

export type Refusal = 'unauthorized' | 'forbidden' | 'host_not_allowed';

/** Lets the request pass, or says why not. */
export function decideAccess(
  policy: AccessPolicy,
  request: AccessRequest,
): { readonly refused: Refusal; readonly detail: string } | 'pass' {
  const token = bearerOf(request.authorization);
  if (token === undefined && policy.isLoopback && !isLoopbackName(request.host)) {
    return {
      refused: 'host_not_allowed',
      detail: `this listener serves localhost only, the request names ${JSON.stringify(request.host ?? '')}; call it as localhost or 127.0.0.1, or send a token`,
    };
  }
  if (request.scope === 'public') return 'pass';
  if (token === undefined) {
    if (policy.isLoopback && request.authorization === undefined) return 'pass';
    return {
      refused: 'unauthorized',
      detail: 'send "Authorization: Bearer TOKEN"; make one with: fogline-hub token add NAME --scope read',
    };
  }
  const caller = policy.callerOf(token);
  if (caller === undefined) {
    return {
      refused: 'unauthorized',
      detail: 'this token is unknown or revoked; make one with: fogline-hub token add NAME --scope read',
    };
  }
  if (caller.scopes.includes(request.scope) || caller.scopes.includes('admin')) return 'pass';
  return {
    refused: 'forbidden',
    detail: `token "${caller.name}" has scope ${caller.scopes.join(', ')}, this address needs ${request.scope}`,
  };
}

function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S{1,512})$/i.exec(authorization ?? '')?.[1];
}

function isLoopbackName(header: string | undefined): boolean {
  if (header === undefined) return false;
  const name = /^\[(.+)\](?::\d{1,5})?$/.exec(header)?.[1] ?? header.replace(/:\d{1,5}$/, '');
  return isLoopback(name.toLowerCase().replace(/\.$/, ''));
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
