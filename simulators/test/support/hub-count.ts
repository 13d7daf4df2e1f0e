/** How many readings of a stream the day buckets of a hub count. */
import { z } from 'zod';
import { getJson } from '../../src/verify/hub-http.ts';

const answer = z.object({ series: z.array(z.object({ columns: z.object({ count: z.array(z.number()) }) })) });

/** Over `fromMs` ≤ t < `toMs`. Throws `unavailable` while the hub is away. */
export async function countAtHub(hubUrl: string, stream: string, range: readonly [number, number]): Promise<number> {
  const [from = '', to = ''] = range.map((ms) => new Date(ms).toISOString());
  const url = new URL('/api/v1/data', hubUrl);
  url.search = new URLSearchParams({ match: `{stream="${stream}"}`, from, to, every: '1d', agg: 'count' }).toString();
  const { series } = answer.parse(await getJson(url, undefined));
  return series.flatMap(({ columns }) => columns.count).reduce((sum, count) => sum + count, 0);
}
