import { expect, it } from 'vitest';
import { z } from 'zod';
import { duration, secret } from './fields.ts';
import { configJsonSchema } from './json-schema.ts';
import { referencePage } from './reference.ts';

it('tells of every field what it takes, its default and its meaning', () => {
  const schema = z.strictObject({
    version: z.literal(1),
    doors: z
      .record(z.string(), z.strictObject({ key: secret.optional(), hinges: z.int().min(1).max(4).default(2) }))
      .meta({ description: 'What opens' }),
    steps: z
      .array(
        z.union([
          z.enum(['wait', 'go']).meta({ description: 'a|b' }),
          z.strictObject({ wait: duration('Pause', { max: 60_000 }), at: z.tuple([z.number(), z.number()]) }),
        ]),
      )
      .optional(),
    box: z.strictObject({ inner: z.strictObject({ isOpen: z.boolean().default(false) }).prefault({}) }).prefault({}),
  });
  expect(referencePage(configJsonSchema(schema, 'x'))).toBe(`## version

Required. \`1\`.

## doors

Required. What opens.

| Field | Takes | Default | Meaning |
|---|---|---|---|
| \`NAME.key\` | secret |  | The secret itself, or { file: path } |
| \`NAME.hinges\` | whole number, 1 to 4 | \`2\` |  |

## steps

list of \`wait\` \`go\` or mapping.

| Field | Takes | Default | Meaning |
|---|---|---|---|
| \`[].wait\` | duration | **required** | Pause; at most 1m |
| \`[].at\` | [number, number] | **required** |  |

## box

| Field | Takes | Default | Meaning |
|---|---|---|---|
| \`inner.isOpen\` | \`true\` \`false\` | \`false\` |  |
`);
});
