/** What `POST /api/v1/data` takes: the fields of the query string as JSON, with lists and numbers as such. */
import { z } from 'zod';
import { dataQuery } from './data-question.ts';

const text = z.string({ error: 'write a text' });
const texts = z.union([text, z.array(z.string())], { error: 'write a text or a list of texts' });
const whole = z.int({ error: 'write a whole number' });
const time = z.union([text, whole], { error: 'write a text such as now-6h, or whole milliseconds since the epoch' });

const about = (name: keyof typeof dataQuery.shape): string => dataQuery.shape[name].description ?? '';

const fields = {
  match: texts.optional().describe(about('match')),
  from: time.optional().describe(about('from')),
  to: time.optional().describe(about('to')),
  every: text.optional().describe(about('every')),
  tz: text.optional().describe(about('tz')),
  agg: texts.optional().describe(about('agg')),
  hold: text.optional().describe(about('hold')),
  points: whole.optional().describe(about('points')),
  downsample: text.optional().describe(about('downsample')),
  fill: z
    .union([text, z.number(), z.null()], { error: 'write a text, a number or null' })
    .optional()
    .describe(about('fill')),
  quality: texts.optional().describe(about('quality')),
  source: text.optional().describe(about('source')),
  shape: text.optional().describe(about('shape')),
  format: text.optional().describe(about('format')),
  limit: whole.optional().describe(about('limit')),
  cursor: z
    .union([text, z.null()], { error: 'write next of the answer before, or leave cursor out' })
    .optional()
    .describe(about('cursor')),
} satisfies Record<keyof typeof dataQuery.shape, z.ZodType>;

export const dataBody = z.object(fields);

/** As the query string would have it. `cursor: null` is the first page, so that `next` can be passed on as it is. */
export function queryOf(body: z.output<typeof dataBody>): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || (name === 'cursor' && value === null)) continue;
    if (name === 'match') query[name] = [value].flat() as string[];
    else query[name] = Array.isArray(value) ? value.join(',') : String(value);
  }
  return query;
}
