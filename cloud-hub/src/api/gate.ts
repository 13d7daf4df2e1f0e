/**
 * What every request passes: rate, host, origin, token; and what is noted of it afterwards: whatever changes something, and whoever was
 * refused.
 */
import type { Clock } from '@fogline/shared/clock';
import { type AccessPolicy, type Caller, decideAccess, isRefusal, type RouteScope } from '../auth/access.ts';
import type { AuditLog } from '../auth/audit-log.ts';
import { HttpError, type ProblemName, problemKinds } from './problems.ts';
import { RateLimiter } from './rate-limit.ts';

/** What a route says of itself. */
export interface RouteGuard {
  /** What a caller needs. */
  readonly scope: RouteScope;
  readonly isHubWide: boolean;
  /** Parameters of the body that the audit log notes. */
  readonly audited: readonly string[];
}

export interface GateRequest {
  readonly method: string;
  /** Address of the caller. */
  readonly ip: string;
  /** Pattern of the route; undefined when there is none. */
  readonly url: string | undefined;
  readonly guard: RouteGuard;
  readonly headers: Readonly<Record<'authorization' | 'host' | 'origin', string | undefined>>;
  readonly params: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What became of one request. */
export interface Passage {
  /** Undefined until it is let in. */
  caller?: Caller;
  who?: string;
  problem?: ProblemName;
  isNoted?: boolean;
}

export interface GateOptions {
  readonly clock: Clock;
  readonly access: AccessPolicy;
  readonly audit: Pick<AuditLog, 'record' | 'refuse'>;
}

/** An unknown address must not be told apart from a known one without a token. */
export const guardOfNowhere: RouteGuard = { scope: 'read', isHubWide: false, audited: [] };

const refusals: ReadonlySet<number> = new Set([401, 403, 421]);

export class Gate {
  readonly #options: GateOptions;
  readonly #limiter: RateLimiter;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#limiter = new RateLimiter(options.clock);
  }

  /** Throws an HttpError where the request may not go on. */
  admit({ ip, guard, headers }: GateRequest, passage: Passage): void {
    const waitSeconds = this.#limiter.retryAfterSeconds(ip);
    if (waitSeconds > 0) {
      throw new HttpError('rate_limited', `too many requests from ${ip}; try again in ${waitSeconds} s`, {
        'retry-after': String(waitSeconds),
      });
    }
    const decision = decideAccess(this.#options.access, { ...headers, ...guard });
    if (!isRefusal(decision)) {
      passage.caller = decision;
      return;
    }
    passage.who = decision.who;
    const challenge = decision.refused === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {};
    throw new HttpError(decision.refused, decision.detail, challenge);
  }

  /** The same question again, for what stays open. */
  wouldAdmit({ guard, headers }: GateRequest): boolean {
    return !isRefusal(decideAccess(this.#options.access, { ...headers, ...guard }));
  }

  /** Before the answer leaves; at most once. Throws where a change cannot be noted: it is not confirmed then. */
  note(request: GateRequest, passage: Passage): void {
    const { problem, caller } = passage;
    const isRefused = problem !== undefined && refusals.has(problemKinds[problem].status);
    if (passage.isNoted === true || !(isRefused || isChange(request))) return;
    passage.isNoted = true;
    const { method, url, ip: from } = request;
    const who = caller?.name ?? passage.who ?? 'nobody';
    const what = `${method} ${url ?? 'an unknown address'}`;
    const entry = { who, from, what, target: targetOf(request), outcome: problem ?? 'ok' };
    const { audit } = this.#options;
    if (isRefused) return audit.refuse(entry);
    try {
      audit.record(entry);
    } catch (error) {
      if (problem === undefined) throw error;
      // Nothing is confirmed: it is noted when that can be had.
      audit.refuse(entry);
    }
  }
}

function isChange({ method, url, guard: { scope } }: GateRequest): boolean {
  return url !== undefined && method !== 'GET' && method !== 'HEAD' && scope !== 'read' && scope !== 'public';
}

function targetOf({ params, body, guard, url }: GateRequest): string {
  if (url === undefined) return '';
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Readonly<Record<string, unknown>>;
  return [...Object.entries(params), ...guard.audited.map((name) => [name, fields[name]] as const)]
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}
