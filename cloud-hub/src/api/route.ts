/**
 * What a route of the API is: one declaration that routing, access, checking of parameters, the audit log and documentation read. Its
 * parameters come from the path and from the query string; with POST from a JSON object in the body.
 */
import type { Clock } from '@fogline/shared/clock';
import type { Metrics } from '@fogline/shared/metrics';
import type { z } from 'zod';
import type { AlarmView } from '../alarms/alarm-view.ts';
import type { Alarms } from '../alarms/alarms.ts';
import type { Caller, RouteScope } from '../auth/access.ts';
import type { AuditLog } from '../auth/audit-log.ts';
import type { EdgeAsker } from '../edge/edge-asker.ts';
import type { ApiTokens } from '../fleet/tokens.ts';
import type { Live } from '../live/live.ts';
import type { QueryMemory } from '../prometheus/budget.ts';
import type { Order } from '../store/orders.ts';
import type { StoreRead } from '../store/read.ts';
import type { Exchange } from './exchange.ts';
import type { Rendered } from './output.ts';
import type { QueryRunner } from './turns.ts';

/** What routes other than questions to the store are about. */
export interface ApiServices {
  readonly metrics: Pick<Metrics, 'contentType' | 'expose'>;
  readonly tokens: Pick<ApiTokens, 'create' | 'list' | 'revoke'>;
  /** Tokens were made or revoked: makes it count everywhere. */
  credentialsChanged(): void;
  readonly audit: AuditLog;
  /** Carries it out; returns what was done. Throws `not_found`, `usage`, `unavailable`. */
  order(order: Order): string;
  readonly live: Live;
  readonly alarms: Pick<Alarms, 'deeds' | 'seenBy'>;
  readonly edge: EdgeAsker;
  /** Why the hub is not ready; undefined when it is. */
  notReady(): string | undefined;
}

export interface ApiContext {
  readonly services: ApiServices;
  /** As far as the caller may see it. */
  readonly store: StoreRead;
  /** As far as the caller may see them. */
  readonly alarms: AlarmView;
  readonly clock: Clock;
  readonly queries: QueryRunner;
  /** Of PromQL queries. */
  readonly memory: QueryMemory;
  /** When this process began to answer: what it remembers, no other does. */
  readonly startedMs: number;
  readonly caller: Caller;
  /** The versions of the answer that the caller has. */
  readonly ifNoneMatch: string | undefined;
}

export type Method = 'GET' | 'POST' | 'DELETE';

/** For documentation, and held to by a test: the shape of a JSON answer, or the media type of another. */
export type Answers = z.ZodType | { readonly contentType: string };

interface RouteFacts {
  readonly url: string;
  readonly scope: RouteScope;
  readonly summary: string;
  readonly answers: Answers;
}

interface RouteOptions {
  /** Default GET. */
  readonly method?: Method;
  /** Of a good answer; default 200. */
  readonly status?: number;
  /** It tells of the hub as a whole, whatever the caller may see: closed to tokens that are limited to sites. */
  readonly isHubWide?: boolean;
  /** Parameters that the audit log notes beside those of the path, for what changes something. */
  readonly audited?: readonly string[];
}

export interface RouteDefinition<Shape extends z.ZodRawShape> extends RouteFacts, RouteOptions {
  /** Its keys are the parameters; any other is refused. */
  readonly query: z.ZodObject<Shape>;
  answer(
    context: ApiContext,
    query: z.output<z.ZodObject<Shape>>,
    isAbandoned: () => boolean,
  ): Promise<Rendered> | Rendered;
}

export interface Route extends RouteFacts, Required<RouteOptions> {
  readonly query: z.ZodObject;
  answer(context: ApiContext, query: unknown, isAbandoned: () => boolean): Promise<Rendered> | Rendered;
}

export interface StreamDefinition<Shape extends z.ZodRawShape> extends RouteFacts {
  readonly query: z.ZodObject<Shape>;
  /** Takes the connection over, or throws. */
  open(context: ApiContext, query: z.output<z.ZodObject<Shape>>, exchange: Exchange): Promise<void>;
}

/** A GET whose answer stays open. */
export interface StreamRoute extends RouteFacts {
  readonly query: z.ZodObject;
  open(context: ApiContext, query: unknown, exchange: Exchange): Promise<void>;
}

export function defineStream<Shape extends z.ZodRawShape>(definition: StreamDefinition<Shape>): StreamRoute {
  return {
    ...definition,
    open: (context, asked, exchange) => definition.open(context, asked as z.output<z.ZodObject<Shape>>, exchange),
  };
}

export function defineRoute<Shape extends z.ZodRawShape>(definition: RouteDefinition<Shape>): Route {
  const {
    method = 'GET',
    status = 200,
    isHubWide = false,
    audited = [],
    url,
    scope,
    summary,
    answers,
    query,
  } = definition;
  return {
    method,
    status,
    isHubWide,
    audited,
    url,
    scope,
    summary,
    answers,
    query,
    answer: (context, asked, isAbandoned) =>
      definition.answer(context, asked as z.output<z.ZodObject<Shape>>, isAbandoned),
  };
}
