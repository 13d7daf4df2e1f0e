/** How many temperature readings a hub can be asked for, over all devices and the last days. */
import { FoglineError } from '@fogline/shared/errors';
import { z } from 'zod';
import { getJson } from '../verify/hub-http.ts';

const answer = z.object({ series: z.array(z.object({ columns: z.object({ count: z.array(z.number()) }) })) });

/** Throws what `getJson` throws. */
export async function readingsAtHub(httpUrl: string): Promise<number> {
  const url = new URL('/api/v1/data', httpUrl);
  const question = { match: 'temperature{stream="live"}', from: 'now-30d', every: '1d', agg: 'count', limit: '100000' };
  for (const [name, text] of Object.entries(question)) url.searchParams.set(name, text);
  const parsed = answer.safeParse(await getJson(url, undefined));
  if (!parsed.success) throw new FoglineError('message_invalid', `unexpected answer from ${url.href}`);
  return parsed.data.series.flatMap(({ columns }) => columns.count).reduce((sum, count) => sum + count, 0);
}
