/**
 * Buckets of a series of which minutes stand for some readings: those are in buckets of a minute and more, and neither among the readings of the
 * hub nor in finer buckets. Which ones they are the truth tells, unless more of the same hour is missing for another reason. Pure.
 */
import { thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import { type Bucket, bucketsOf } from './compare.ts';
import type { Readings } from './growable.ts';
import type { Held, Losses } from './hub-reader.ts';
import type { TruthSeries } from './truth.ts';

const hourMs = 3_600_000;

export interface Expected {
  readonly buckets: readonly Bucket[];
  /** Starts of buckets that may or may not hold a reading. */
  readonly undecided: ReadonlySet<number>;
}

export function expectedBuckets(truth: TruthSeries, held: Held, losses: Losses | undefined, everyMs: number): Expected {
  if (losses === undefined || losses.thinnedByHour.size === 0 || everyMs < thinnedMs)
    return { buckets: [...bucketsOf(held.good, everyMs)], undecided: new Set() };
  const { byHour, thinnedByHour, withoutDetail } = losses;
  const undecided = new Set<number>();
  const rows = Array.from(held.good.time, (time, row) => ({ time, value: held.good.value[row] as number }));
  for (const row of absentRows(truth, held.all)) {
    const time = truth.time[row] as number;
    const hour = Math.floor(time / hourMs);
    if (!thinnedByHour.has(hour)) continue;
    rows.push({ time, value: truth.value[row] as number });
    // One that was not acked may never have arrived, and another may be among what was lost.
    if (truth.acked[row] !== 1 || byHour.has(hour) || withoutDetail > 0)
      undecided.add(Math.floor(time / everyMs) * everyMs);
  }
  rows.sort((a, b) => a.time - b.time);
  const merged: Readings = {
    time: Float64Array.from(rows, ({ time }) => time),
    value: Float64Array.from(rows, ({ value }) => value),
  };
  return { buckets: [...bucketsOf(merged, everyMs)], undecided };
}

/** Rows of the truth that are not among the readings; both ascend by time. */
function* absentRows(truth: TruthSeries, held: Readings): Generator<number> {
  let at = 0;
  for (let row = 0; row < truth.time.length; ) {
    const timeMs = truth.time[row] as number;
    while ((held.time[at] ?? Infinity) < timeMs) at++;
    const values: number[] = [];
    for (; held.time[at] === timeMs; at++) values.push(held.value[at] as number);
    for (; truth.time[row] === timeMs; row++) {
      const match = values.indexOf(truth.value[row] as number);
      if (match >= 0) values.splice(match, 1);
      else yield row;
    }
  }
}
