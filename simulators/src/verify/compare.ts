/**
 * The two comparisons of a verdict, on one series: readings at the hub against the truth as multisets, and roll-up buckets against
 * the readings that the hub says it has. Pure: columns in, findings out.
 */
import { ReferenceSum } from './exact-mean.ts';
import type { Finding, Findings } from './findings.ts';
import type { Readings } from './growable.ts';
import type { Missing } from './missing.ts';
import type { TruthSeries } from './truth.ts';

/**
 * Every acked reading must be in `held` exactly once, every other sent one at most once, and nothing else at all; `resends` more copies
 * of a reading are counted, and no finding. `held` ascends by time. A reading of an expected time with another value is `wrong`, and the one it stands for not also `lost`.
 */
export function compareReadings(truth: TruthSeries, held: Readings, findings: Findings, missing: Missing): void {
  let row = 0;
  let at = 0;
  while (row < truth.time.length || at < held.time.length) {
    const timeMs = Math.min(truth.time[row] ?? Infinity, held.time[at] ?? Infinity);
    const rowEnd = endOfRun(truth.time, row, timeMs);
    const atEnd = endOfRun(held.time, at, timeMs);
    compareInstant(truth, row, rowEnd, held.value.subarray(at, atEnd), timeMs, findings, missing);
    row = rowEnd;
    at = atEnd;
  }
}

function endOfRun(time: Float64Array, from: number, timeMs: number): number {
  let end = from;
  while (time[end] === timeMs) end++;
  return end;
}

/** What was sent for one instant, rows [from, to), against what is held for it. */
function compareInstant(
  truth: TruthSeries,
  from: number,
  to: number,
  values: Float64Array,
  timeMs: number,
  findings: Findings,
  missing: Missing,
): void {
  if (to - from === 1 && values.length === 1 && truth.value[from] === values[0]) return;
  const where = { device: truth.device, metric: truth.metric, timeMs };
  const rows = Array.from({ length: to - from }, (_, index) => from + index);
  const copies = new Map(rows.map((row) => [truth.value[row], truth.resends[row] ?? 0]));
  const strangers: number[] = [];
  for (const got of values) {
    const match = rows.findIndex((row) => truth.value[row] === got);
    const left = copies.get(got);
    if (match >= 0) rows.splice(match, 1);
    else if (left === undefined) strangers.push(got);
    else if (left === 0) findings.add({ kind: 'duplicated', ...where, got: shown(truth, got) });
    else {
      copies.set(got, left - 1);
      findings.resent++;
    }
  }
  for (const got of strangers) {
    const stoodFor = rows.shift();
    if (stoodFor === undefined) findings.add({ kind: 'unexpected', ...where, got: shown(truth, got) });
    else
      findings.add({
        kind: 'wrong',
        ...where,
        expected: shown(truth, truth.value[stoodFor] as number),
        got: shown(truth, got),
      });
  }
  for (const row of rows) {
    if (truth.acked[row] !== 1) continue;
    missing.add({ ...where, expected: shown(truth, truth.value[row] as number) }, truth.late[row] === 1);
  }
}

function shown({ texts }: TruthSeries, value: number): NonNullable<Finding['expected']> {
  return texts === undefined ? value : (texts[value] ?? '');
}

/** One roll-up bucket; `count` 0 means that the hub has none. */
export interface Bucket {
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

const fields = ['count', 'sum', 'min', 'max', 'mean'] as const;

/** What the buckets of width `everyMs` over these readings (ascending by time) must say, to the bit. */
export function* bucketsOf({ time, value }: Readings, everyMs: number): Generator<Bucket> {
  for (let row = 0; row < time.length; ) {
    const startMs = Math.floor((time[row] as number) / everyMs) * everyMs;
    const sum = new ReferenceSum();
    let min = Infinity;
    let max = -Infinity;
    const first = row;
    for (; row < time.length && (time[row] as number) < startMs + everyMs; row++) {
      const x = value[row] as number;
      sum.add(x);
      min = Math.min(min, x);
      max = Math.max(max, x);
    }
    const count = row - first;
    yield { startMs, count, sum: sum.dividedBy(1), min, max, mean: sum.dividedBy(count) };
  }
}

/** Both ascend by start. `onTime` are the buckets without what came late: whoever holds those has dropped it. */
export function compareBuckets(
  series: { readonly device: string; readonly metric: string },
  everyMs: number,
  expected: Iterable<Bucket>,
  got: readonly Bucket[],
  findings: Findings,
  onTime?: ReadonlyMap<number, Bucket>,
): void {
  const { device, metric } = series;
  const held = got.filter((bucket) => bucket.count !== 0);
  let at = 0;
  const found = (timeMs: number) => ({ device, metric, timeMs, everyMs });
  const strange = ({ startMs, count }: Bucket): void =>
    findings.add({ kind: 'bucket', ...found(startMs), field: 'count', expected: null, got: count });
  for (const want of expected) {
    for (let other = held[at]; other !== undefined && other.startMs < want.startMs; other = held[++at]) strange(other);
    const have = held[at]?.startMs === want.startMs ? held[at++] : undefined;
    const field = differingField(want, have);
    if (field === undefined) continue;
    const kind = onTime !== undefined && isWithoutLate(onTime.get(want.startMs), have) ? 'late_dropped' : 'bucket';
    findings.add({ kind, ...found(want.startMs), field, expected: want[field], got: have?.[field] ?? null });
  }
  for (const other of held.slice(at)) strange(other);
}

function differingField(want: Bucket, have: Bucket | undefined): (typeof fields)[number] | undefined {
  return have === undefined ? 'count' : fields.find((name) => have[name] !== want[name]);
}

function isWithoutLate(onTime: Bucket | undefined, have: Bucket | undefined): boolean {
  return onTime === undefined ? have === undefined : have !== undefined && differingField(onTime, have) === undefined;
}
