/** What retention removed is neither a gap nor data: answers say `expired`. */
import type { RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo } from '../store/read.ts';
import { type Expiry, horizonOf } from '../store/retention.ts';

/** Before this time nothing of a level (undefined: of the readings) is kept. */
export function expiredBefore(
  expiry: Expiry,
  { sampling }: Pick<SeriesInfo, 'sampling'>,
  level: RollupLevelMs | undefined,
): number {
  return level === undefined ? expiry.rawMs : horizonOf(expiry, level, sampling === 'held');
}
