/** Transitions of alarms at a hub: text readings of stream `alarms`, metric = the alarm. */
import { z } from 'zod';
import { type HubReaderOptions, pages, type Range } from './hub-reader.ts';
import type { Transition } from './score.ts';

const page = z.object({
  series: z.array(
    z.object({
      labels: z.object({ device: z.string(), metric: z.string() }),
      columns: z.object({ time: z.array(z.number()), value: z.array(z.union([z.number(), z.string()])) }),
    }),
  ),
  complete: z.boolean(),
  next: z.string().nullable(),
});

/** Throws what the hub's API throws. */
export async function readTransitions(hub: HubReaderOptions, stream: string, range: Range): Promise<Transition[]> {
  const found: Transition[] = [];
  const question = {
    match: `{stream=${JSON.stringify(stream)}}`,
    from: new Date(range.fromMs).toISOString(),
    to: new Date(range.toMs).toISOString(),
    limit: '100000',
  };
  for await (const { series } of pages(hub, 'data', question, page)) {
    for (const { labels, columns } of series) {
      columns.time.forEach((timeMs, row) => {
        found.push({ alarm: labels.metric, device: labels.device, timeMs, state: String(columns.value[row]) });
      });
    }
  }
  return found;
}
