/**
 * Query parameters: a parameter nobody knows is refused with the nearest known name, one given twice is refused unless it may be
 * repeated, and each value is checked by the route's schema. Throws `query_invalid`.
 */
import { FoglineError } from '@fogline/shared/errors';
import { didYouMean } from '@fogline/shared/suggest';
import { z } from 'zod';
import { formats } from './output.ts';

/** Parameters that may be given more than once. */
const repeatable: ReadonlySet<string> = new Set(['match']);

/** Reads what the URL carried; `schema` is an object schema whose keys are the parameters of the route; `path`: those in the path. */
export function parseQuery<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  raw: unknown,
  path: Readonly<Record<string, string>> = {},
): z.output<z.ZodObject<Shape>> {
  const known = Object.keys(schema.shape).filter((key) => !Object.hasOwn(path, key));
  const given: Record<string, string | string[]> = {};
  for (const [key, value] of Object.entries(raw as Record<string, string | string[]>)) {
    if (!known.includes(key)) throw unknownParameter(key, known);
    const values = typeof value === 'string' ? [value] : value;
    if (repeatable.has(key)) given[key] = values;
    else if (values.length > 1) throw refuseQuery(`${key}: given ${values.length} times, it can be given once`);
    else given[key] = values[0] ?? '';
  }
  return checked(schema, { ...given, ...path });
}

function checked<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  given: Readonly<Record<string, unknown>>,
): z.output<z.ZodObject<Shape>> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw refuseQuery(`${issue?.path[0]?.toString() ?? 'query'}: ${issue?.message ?? 'invalid'}`);
}

/** As `parseQuery`, of a JSON body; `path`: what stands in the path. Where that is all, no body is needed. */
export function parseBody<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  body: unknown,
  path: Readonly<Record<string, string>>,
): z.output<z.ZodObject<Shape>> {
  const known = Object.keys(schema.shape).filter((key) => !Object.hasOwn(path, key));
  const fields = body === undefined && known.length === 0 ? {} : body;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw refuseQuery('the body must be a JSON object, with "Content-Type: application/json"');
  for (const key of Object.keys(fields)) if (!known.includes(key)) throw unknownParameter(key, known);
  return checked(schema, { ...fields, ...path });
}

function unknownParameter(key: string, known: readonly string[]): FoglineError {
  const listed = known.length === 0 ? 'this address takes none' : `this address takes ${known.join(', ')}`;
  return refuseQuery(`unknown parameter "${key.slice(0, 60)}"${didYouMean(key, known)}; ${listed}`);
}

const selectorsMax = 100;

export const matchParam = z
  .array(z.string())
  .max(selectorsMax, `at most ${selectorsMax} selectors are accepted`)
  .optional()
  .describe('Series selector, `metric{label="value",other!="value"}`; repeat it to join several.');

export const idParam = z
  .string()
  .regex(/^\d{1,15}$/, 'write a whole number')
  .transform(Number)
  .meta({ type: 'integer', minimum: 1 });

export function limitParam(defaultRows: number, maxRows: number) {
  return z
    .string()
    .regex(/^[1-9]\d{0,8}$/, `write a whole number from 1 to ${maxRows}`)
    .transform(Number)
    .refine((limit) => limit <= maxRows, `at most ${maxRows}; follow next for more`)
    .default(defaultRows)
    .describe(`Most rows of one answer, 1 to ${maxRows}.`)
    .meta({ type: 'integer', minimum: 1, maximum: maxRows });
}

export const cursorParam = z
  .string()
  .max(2048, 'too long to be a cursor')
  .optional()
  .describe('`next` of the answer before.');

export const formatParam = choiceParam(formats, 'json').describe('How the answer is written.');

/** One of `choices`; anything else is refused with the nearest. */
export function choiceParam<const Choice extends string>(choices: readonly Choice[], otherwise: NoInfer<Choice>) {
  return z
    .string()
    .optional()
    .transform((text, context): Choice => {
      const found = text === undefined ? otherwise : choices.find((choice) => choice === text);
      if (found !== undefined) return found;
      context.addIssue({ code: 'custom', message: noChoice(text ?? '', choices) });
      return z.NEVER;
    })
    .meta({ enum: choices, default: otherwise });
}

/** As `choiceParam`, where the parameter is read by hand. Throws `query_invalid`. */
export function choiceOf<const Choice extends string>(name: string, choices: readonly Choice[], text: string): Choice {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw refuseQuery(`${name}: ${noChoice(text, choices)}`);
  return found;
}

function noChoice(text: string, choices: readonly string[]): string {
  return `"${text.slice(0, 40)}" is none of ${choices.join(', ')}${didYouMean(text, choices)}`;
}

/** An error for a parameter: what is wrong and what to write instead. */
export function refuseQuery(message: string): FoglineError {
  return new FoglineError('query_invalid', message);
}
