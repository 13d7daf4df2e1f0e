/** The shape of a configuration as JSON Schema: for editors, and to know which keys exist at a path. */
import { z } from 'zod';
import type { ConfigPath } from './places.ts';

/** The part of JSON Schema that zod emits and this project reads. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

/** JSON Schema (draft 2020-12) of what a user may write. */
export function configJsonSchema(schema: z.ZodType, title: string): JsonSchema {
  return { title, ...shapeOf(schema) };
}

export function shapeOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** Key names that the schema knows at `path`; empty where any name goes. */
export function knownKeys(root: JsonSchema, path: ConfigPath): string[] {
  let level: readonly JsonSchema[] = alternatives(root);
  for (const part of path) level = level.flatMap((shape) => descend(shape, part)).flatMap(alternatives);
  return [...new Set(level.flatMap((shape) => Object.keys(shape.properties ?? {})))];
}

function descend(shape: JsonSchema, part: string | number): JsonSchema[] {
  const below = typeof part === 'number' ? shape.items : (shape.properties?.[part] ?? shape.additionalProperties);
  return typeof below === 'object' ? [below] : [];
}

function alternatives(shape: JsonSchema): readonly JsonSchema[] {
  return shape.anyOf === undefined ? [shape] : shape.anyOf.flatMap(alternatives);
}
