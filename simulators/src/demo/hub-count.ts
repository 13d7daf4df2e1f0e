/** How many temperature readings a hub can be asked for, over all devices and the last days. */
import { HubClient, numbersOf } from '@fogline/shared/hub-client';

/** Throws what `HubClient` throws. */
export async function readingsAtHub(httpUrl: string): Promise<number> {
  const match = ['temperature{stream="live"}'];
  const { series } = await new HubClient({ url: httpUrl }).get('data', {
    match,
    from: 'now-30d',
    every: '1d',
    agg: 'count',
    limit: 100_000,
  });
  return series.flatMap(({ columns }) => numbersOf(columns, 'count')).reduce((sum, count) => sum + count, 0);
}
