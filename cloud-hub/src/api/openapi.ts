/** The routes as an OpenAPI 3.1 document: paths, parameters and answers from the declarations that routing itself reads. */

import { problem } from '@fogline/shared/hub-api/answers';
import { frames } from '@fogline/shared/hub-api/frames';
import { z } from 'zod';
import { version } from '../version.ts';
import { formats } from './output.ts';
import { problemContentType, problemKinds } from './problems.ts';
import type { Route, StreamRoute } from './route.ts';

/** JSON Schema, draft 2020-12, as OpenAPI 3.1 has it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: string | number;
  readonly [keyword: string]: unknown;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'header';
  readonly required: boolean;
  readonly description: string;
  readonly schema: Schema;
}

export interface Media {
  readonly schema?: Schema;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly 'x-fogline-scope': string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>
  >;
}

export interface OpenApiDocument {
  readonly openapi: '3.1.1';
  readonly info: Readonly<Record<string, unknown>>;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, unknown>>;
  };
}

type AnyRoute = Route | StreamRoute;

export function openApiDocument(routes: readonly AnyRoute[]): OpenApiDocument {
  const components: Record<string, Schema> = {};
  const paths: Record<string, Record<string, Operation>> = {};
  const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Schema => extracted(schema, io, components);
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [methodOf(route).toLowerCase()]: operationOf(route, schemaOf) };
  }
  schemaOf(problem, 'output');
  for (const [name, frame] of Object.entries(frames)) components[`Frame.${name}`] = schemaOf(frame, 'output');
  return {
    openapi: '3.1.1',
    info: {
      title: 'Fogline hub',
      version,
      description:
        'Times are integer milliseconds since the epoch, UTC; ranges are half open. Errors are RFC 9457 problems: decide by `type`. Lists come in pages: pass `next` on as `cursor` until it is null.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'fogline-hub token add NAME --scope read' },
      },
    },
  };
}

type SchemaOf = (schema: z.ZodType, io: 'input' | 'output') => Schema;

function methodOf(route: AnyRoute): string {
  return 'method' in route ? route.method : 'GET';
}

function operationOf(route: AnyRoute, schemaOf: SchemaOf): Operation {
  const method = methodOf(route);
  const asked = schemaOf(route.query, 'input');
  const inPath = [...route.url.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');
  const names = Object.keys(asked.properties ?? {});
  const isPosted = method === 'POST';
  const parameters = names
    .filter((name) => inPath.includes(name) || !isPosted)
    .map((name) => parameterOf(name, asked, inPath.includes(name)));
  return {
    operationId: `${method.toLowerCase()}${route.url.replaceAll(/(?:^\/api\/v1)?[/:.]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: route.summary,
    'x-fogline-scope': route.scope,
    security: route.scope === 'public' ? [] : [{ bearer: [] }],
    parameters: [...parameters, ...('open' in route ? [lastEventId].filter(() => names.length > 0) : [])],
    ...(isPosted ? bodyOf(asked, inPath) : {}),
    responses: { ...successOf(route, schemaOf), default: { description: 'A problem.', content: problemContent } },
  };
}

/** What does not stand in the path. */
function bodyOf(asked: Schema, inPath: readonly string[]): Pick<Operation, 'requestBody'> {
  const isInBody = (name: string): boolean => !inPath.includes(name);
  const properties = Object.fromEntries(Object.entries(asked.properties ?? {}).filter(([name]) => isInBody(name)));
  if (Object.keys(properties).length === 0) return {};
  const required = asked.required?.filter(isInBody);
  const schema = { ...asked, properties, ...(required === undefined ? {} : { required }) };
  return { requestBody: { required: true, content: { 'application/json': { schema } } } };
}

const lastEventId: Parameter = {
  name: 'Last-Event-ID',
  in: 'header',
  required: false,
  description: 'Where the client was.',
  schema: { type: 'string' },
};

function parameterOf(name: string, { properties, required }: Schema, isInPath: boolean): Parameter {
  const { description = '', ...schema } = properties?.[name] ?? {};
  return {
    name,
    in: isInPath ? 'path' : 'query',
    required: isInPath || (required?.includes(name) ?? false),
    description,
    schema,
  };
}

const problemContent = { [problemContentType]: { schema: { $ref: '#/components/schemas/Problem' } } };

function successOf(route: AnyRoute, schemaOf: SchemaOf): Operation['responses'] {
  const { answers, query } = route;
  if (!('safeParse' in answers)) {
    if (answers.contentType === 'websocket')
      return {
        101: { description: 'The protocol changes.' },
        426: { description: problemKinds.upgrade_required.title },
      };
    return { 200: { description: 'Done.', content: { [answers.contentType]: {} } } };
  }
  const status = 'status' in route ? route.status : 200;
  const others = 'format' in query.shape ? formats.filter((format) => format !== 'json') : [];
  const content = {
    'application/json': { schema: schemaOf(answers, 'output') },
    ...Object.fromEntries(others.map((format) => [mediaTypes[format], {}])),
  };
  return { [status]: { description: 'Done.', content } };
}

const mediaTypes = { ndjson: 'application/x-ndjson', csv: 'text/csv', pretty: 'text/plain' } as const;

/** What has a name goes to the components, once. */
function extracted(schema: z.ZodType, io: 'input' | 'output', components: Record<string, Schema>): Schema {
  const whole = z.toJSONSchema(schema, { io, unrepresentable: 'any', override: simplified });
  for (const [name, definition] of Object.entries(whole.$defs ?? {})) components[name] = moved(definition);
  if (typeof whole.id !== 'string') return moved(whole);
  components[whole.id] = moved(whole);
  return { $ref: `#/components/schemas/${whole.id}` };
}

function moved(part: object): Schema {
  const left = Object.entries(part).filter(([keyword]) => !['$schema', '$defs', 'id'].includes(keyword));
  const text = JSON.stringify(Object.fromEntries(left));
  return JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as Schema;
}

/** Bounds that only say "a safe integer" are noise, and a pattern of digits is none of a number. */
function simplified({ jsonSchema }: { jsonSchema: Record<string, unknown> }): void {
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum'];
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum'];
  if (jsonSchema['type'] === 'integer') delete jsonSchema['pattern'];
}
