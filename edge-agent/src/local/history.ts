/** The local history: readings as they were journaled, from the log. */
import { decodeReadings } from '@fogline/shared/codec/readings';
import { flagQualityMask, flagText, quality } from '@fogline/shared/reading';
import type { AgentStore } from '../journal/agent-store.ts';
import type { DurableSeries } from '../journal/series-registry.ts';

export interface HistoryFilter {
  /** Event time, ms, inclusive. */
  readonly from: number;
  readonly device: string | undefined;
  readonly metric: string | undefined;
}

export interface HistoryReading {
  readonly time: string;
  readonly device: string;
  readonly metric: string;
  readonly value: number | string;
  readonly unit: string;
  readonly quality: string;
}

const qualityNames = new Map<number, string>(Object.entries(quality).map(([name, value]) => [value, name]));

/** In order of commits; within a commit by series. One commit in memory at a time. */
export function* readHistory(
  store: AgentStore,
  series: DurableSeries,
  filter: HistoryFilter,
): Generator<HistoryReading> {
  for (const { record } of store.commitsAfter(0)) {
    for (const input of record.inputs) {
      const { count, series: ids, time, value, flags, strings } = decodeReadings(input.bytes);
      for (let row = 0; row < count; row++) {
        if ((time[row] ?? 0) < filter.from) continue;
        const { device, metric, unit } = series.definitionOf(ids[row] ?? 0);
        if ((filter.device ?? device) !== device || (filter.metric ?? metric) !== metric) continue;
        const rowFlags = flags[row] ?? 0;
        yield {
          time: new Date(time[row] ?? 0).toISOString(),
          device,
          metric,
          value: (rowFlags & flagText) === 0 ? (value[row] ?? 0) : (strings[value[row] ?? 0] ?? ''),
          unit,
          quality: qualityNames.get(rowFlags & flagQualityMask) ?? '',
        };
      }
    }
  }
}
