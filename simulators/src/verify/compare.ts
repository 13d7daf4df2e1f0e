/**
 * The two comparisons of a verdict, on one series: readings at the hub against the truth as multisets, and roll-up buckets against
 * the readings that the hub says it has. Pure: columns in, findings out.
 */
import { ReferenceSum } from './exact-mean.ts';
import type { Findings } from './findings.ts';
import type { Readings } from './growable.ts';
import type { TruthSeries } from './truth.ts';

/**
 * Every acked reading must be in `held` exactly once, every other sent one at most once, and nothing else at all. `held` ascends by
 * time. A reading of an expected time with another value is `wrong`, and the one it stands for not also `lost`.
 */
export function compareReadings(truth: TruthSeries, held: Readings, findings: Findings): void {
  let row = 0;
  let at = 0;
  while (row < truth.time.length || at < held.time.length) {
    const timeMs = Math.min(truth.time[row] ?? Infinity, held.time[at] ?? Infinity);
    const rowEnd = endOfRun(truth.time, row, timeMs);
    const atEnd = endOfRun(held.time, at, timeMs);
    compareInstant(truth, row, rowEnd, held.value.subarray(at, atEnd), timeMs, findings);
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
): void {
  const { device, metric } = truth;
  const missing: { value: number; isAcked: boolean }[] = [];
  for (let row = from; row < to; row++)
    missing.push({ value: truth.value[row] as number, isAcked: truth.acked[row] === 1 });
  const sent = missing.map(({ value }) => value);
  const strangers: number[] = [];
  for (const got of values) {
    const match = missing.findIndex(({ value }) => value === got);
    if (match >= 0) missing.splice(match, 1);
    else if (sent.includes(got)) findings.add({ kind: 'duplicated', device, metric, timeMs, got });
    else strangers.push(got);
  }
  for (const got of strangers) {
    const stoodFor = missing.shift();
    if (stoodFor === undefined) findings.add({ kind: 'unexpected', device, metric, timeMs, got });
    else findings.add({ kind: 'wrong', device, metric, timeMs, expected: stoodFor.value, got });
  }
  for (const { value, isAcked } of missing) {
    if (isAcked) findings.add({ kind: 'lost', device, metric, timeMs, expected: value });
  }
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

/** Both ascend by start. */
export function compareBuckets(
  series: { readonly device: string; readonly metric: string },
  everyMs: number,
  expected: Iterable<Bucket>,
  got: readonly Bucket[],
  findings: Findings,
): void {
  const { device, metric } = series;
  const held = got.filter((bucket) => bucket.count !== 0);
  let at = 0;
  const strange = (bucket: Bucket): void =>
    findings.add({
      kind: 'bucket',
      device,
      metric,
      timeMs: bucket.startMs,
      everyMs,
      field: 'count',
      expected: null,
      got: bucket.count,
    });
  for (const want of expected) {
    for (let other = held[at]; other !== undefined && other.startMs < want.startMs; other = held[++at]) strange(other);
    const have = held[at]?.startMs === want.startMs ? held[at++] : undefined;
    const field = have === undefined ? 'count' : fields.find((name) => have[name] !== want[name]);
    if (field === undefined) continue;
    const found = { kind: 'bucket', device, metric, timeMs: want.startMs, everyMs, field } as const;
    findings.add({ ...found, expected: want[field], got: have?.[field] ?? null });
  }
  for (const other of held.slice(at)) strange(other);
}
