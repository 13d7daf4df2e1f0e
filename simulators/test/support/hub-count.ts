/** How many readings of a stream the day buckets of a hub count. */
import { HubClient, numbersOf } from '@fogline/shared/hub-client';

/** Over `fromMs` ≤ t < `toMs`. Throws `unavailable` while the hub is away. */
export async function countAtHub(hubUrl: string, stream: string, range: readonly [number, number]): Promise<number> {
  const [from = '', to = ''] = range.map((ms) => new Date(ms).toISOString());
  const question = { match: [`{stream="${stream}"}`], from, to, every: '1d', agg: 'count' };
  const { series } = await new HubClient({ url: hubUrl }).get('data', question);
  return series.flatMap(({ columns }) => numbersOf(columns, 'count')).reduce((sum, count) => sum + count, 0);
}
