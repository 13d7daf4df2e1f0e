/** Transitions of alarms at a hub: text readings of stream `alarms`, metric = the alarm. */
import { type HubAddress, HubClient } from '@fogline/shared/hub-client';
import type { Range } from './hub-reader.ts';
import type { Transition } from './score.ts';

/** Throws what the hub's API throws. */
export async function readTransitions(hub: HubAddress, stream: string, range: Range): Promise<Transition[]> {
  const found: Transition[] = [];
  const question = {
    match: [`{stream=${JSON.stringify(stream)}}`],
    from: new Date(range.fromMs).toISOString(),
    to: new Date(range.toMs).toISOString(),
    limit: 100_000,
  };
  for await (const { series } of new HubClient(hub).pages('data', question)) {
    for (const { labels, columns } of series) {
      columns.time.forEach((timeMs, row) => {
        const { metric: alarm = '', device = '' } = labels;
        found.push({ alarm, device, timeMs, state: String(columns['value']?.[row]) });
      });
    }
  }
  return found;
}
