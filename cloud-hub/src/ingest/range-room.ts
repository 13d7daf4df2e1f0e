import type { Lane } from '@fogline/shared/protocol/limits';
import type { EpochState } from '../store/epoch-table.ts';

/** Whether a new range may be added: it extends what is held, or the list of ranges is short enough. */
export function hasRoom(epoch: EpochState, lane: Lane, first: number, last: number, rangesMax: number): boolean {
  const ranges = epoch.ranges[lane];
  if (ranges === undefined || first === ranges.watermark + 1) return true;
  const isTouching = ranges.has(last + 1, last + 1) || (first > 1 && ranges.has(first - 1, first - 1));
  return isTouching || ranges.beyond.length / 2 < rangesMax;
}
