/** What a route of the API is: one declaration that routing, access, checking of parameters and (later) documentation read. */
import type { Clock } from '@fogline/shared/clock';
import type { z } from 'zod';
import type { RouteScope } from '../auth/access.ts';
import type { StoreRead } from '../store/read.ts';
import type { Rendered } from './output.ts';
import type { QueryRunner } from './turns.ts';

export interface ApiContext {
  readonly store: StoreRead;
  readonly clock: Clock;
  readonly queries: QueryRunner;
}

export interface RouteDefinition<Shape extends z.ZodRawShape> {
  readonly url: string;
  readonly scope: RouteScope;
  readonly summary: string;
  /** Its keys are the parameters; any other is refused. */
  readonly query: z.ZodObject<Shape>;
  answer(
    context: ApiContext,
    query: z.output<z.ZodObject<Shape>>,
    isAbandoned: () => boolean,
  ): Promise<Rendered> | Rendered;
}

export interface Route {
  readonly url: string;
  readonly scope: RouteScope;
  readonly summary: string;
  readonly query: z.ZodObject;
  answer(context: ApiContext, query: unknown, isAbandoned: () => boolean): Promise<Rendered> | Rendered;
}

export function defineRoute<Shape extends z.ZodRawShape>(definition: RouteDefinition<Shape>): Route {
  return {
    url: definition.url,
    scope: definition.scope,
    summary: definition.summary,
    query: definition.query,
    answer: (context, query, isAbandoned) =>
      definition.answer(context, query as z.output<z.ZodObject<Shape>>, isAbandoned),
  };
}
