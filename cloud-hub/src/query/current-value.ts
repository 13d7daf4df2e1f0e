/** The latest value of a series, as answers tell it. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagQualityMask } from '@fogline/shared/reading';
import type { LatestValue } from '../store/read.ts';
import { qualityNames } from './parts.ts';

/** `widthMs`: of the series' windows; 0 for readings. */
export function currentValue(latest: LatestValue, widthMs: number): Readonly<Record<string, unknown>> {
  if (latest.kind !== 'window')
    return { value: latest.value, quality: qualityNames[latest.flags & flagQualityMask] ?? 'bad' };
  const partial = Partial.decode(latest.partial);
  const { lastValue: value, count, min, max } = partial;
  return { widthMs, value, count, mean: partial.mean(), min, max };
}
