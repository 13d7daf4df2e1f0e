/** What retention removed is neither a gap nor data: answers say `expired`. */
import type { RollupLevelMs } from '../store/levels.ts';
import type { SeriesInfo } from '../store/read.ts';
import { type Expiry, horizonOf } from '../store/retention.ts';
import type { Grid } from './grid.ts';

/** Before this time nothing of a level (undefined: of the readings) is kept. */
export function expiredBefore(
  expiry: Expiry,
  { sampling }: Pick<SeriesInfo, 'sampling'>,
  level: RollupLevelMs | undefined,
): number {
  return level === undefined ? expiry.rawMs : horizonOf(expiry, level, sampling === 'held');
}

/** The first bucket of which nothing is gone: one that the horizon cuts would stand there as if what is left were all of it. */
export function firstWhole(grid: Pick<Grid, 'startOf' | 'endOf'>, expiredMs: number): number {
  if (expiredMs === Number.NEGATIVE_INFINITY) return expiredMs;
  const startMs = grid.startOf(expiredMs);
  return startMs === expiredMs ? startMs : grid.endOf(startMs);
}
