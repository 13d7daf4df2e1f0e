/**
 * The verdict: every series and every bucket of a hub against the truth of what was sent. Readings are compared with the truth
 * as multisets; every roll-up bucket of every level with a computation over the readings that the hub says it has. So a
 * clean verdict means: no acked reading lost, none twice, none changed, and no bucket wrong by one bit.
 *
 * What is missing and declared by its agent is counted, and is no finding. What is missing and not declared has a class that says more where
 * the hub knows more (findings.ts).
 *
 * A stream of windows keeps no readings. Its buckets are held against the acked truth itself; buckets into which a reading falls
 * that was sent but not acked may or may not hold it, and are counted as undecided.
 */
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { type Bucket, bucketsOf, compareBuckets, compareReadings } from './compare.ts';
import { type Draft, Explanations } from './explain.ts';
import { Findings } from './findings.ts';
import type { Readings } from './growable.ts';
import type { HubReader, HubSeries, Range } from './hub-reader.ts';
import { Missing } from './missing.ts';
import type { TruthSeries } from './truth.ts';

export interface VerifyOptions {
  readonly truth: readonly TruthSeries[];
  readonly hub: HubReader;
  /** Only series of this stream; needed where several streams carry the metric. */
  readonly stream?: string;
  /** Only series of this agent. */
  readonly agent?: string;
  /** Metric of the truth → metric at the hub, where they differ. */
  readonly metricMap: ReadonlyMap<string, string>;
  /** Keeps looking at what is not clean for so long. */
  readonly waitMs: number;
  readonly clock: Clock;
}

export interface Verdict {
  readonly series: number;
  /** Readings. */
  readonly sent: number;
  readonly acked: number;
  readonly atHub: number;
  readonly buckets: number;
  readonly undecidedBuckets: number;
  readonly findings: Findings;
}

export const levelsMs = [10_000, 60_000, 900_000, 86_400_000] as const;
const dayMs = 86_400_000;
const hourMs = 3_600_000;
const pollMs = 500;

/** Throws `usage` when it is not clear which series is meant, and what the hub reader throws. */
export async function verify(options: VerifyOptions): Promise<Verdict> {
  const { clock } = options;
  const deadlineMs = clock.monotonic() + options.waitMs;
  const total = { series: 0, sent: 0, acked: 0, atHub: 0, buckets: 0, undecidedBuckets: 0, findings: new Findings() };
  let known: readonly HubSeries[] = [];
  const explanations = new Explanations();
  for (const truth of options.truth) {
    for (;;) {
      const result = await attempt(async () => {
        if (candidates(known, truth, options).length === 0) known = await options.hub.listSeries();
        return verifySeries(truth, choose(known, truth, options), options.hub, explanations.draft());
      });
      const isOver = clock.monotonic() >= deadlineMs;
      if ('unavailable' in result) {
        if (isOver) throw result.unavailable;
      } else if (isOver || result.findings.isClean) {
        explanations.accept(result.draft);
        add(total, truth, result);
        break;
      }
      await new Promise<void>((resolve) => void clock.after('verify poll', pollMs, resolve));
    }
  }
  return total;
}

interface SeriesVerdict {
  readonly atHub: number;
  readonly buckets: number;
  readonly undecidedBuckets: number;
  readonly findings: Findings;
  readonly draft: Draft;
}

/** A hub that is being restarted is not an answer yet. */
async function attempt(
  run: () => Promise<SeriesVerdict>,
): Promise<SeriesVerdict | { readonly unavailable: FoglineError }> {
  try {
    return await run();
  } catch (error) {
    if (hasCode(error, 'unavailable')) return { unavailable: error };
    throw error;
  }
}

function add(total: { -readonly [K in keyof Verdict]: Verdict[K] }, truth: TruthSeries, result: SeriesVerdict): void {
  total.series++;
  total.sent += truth.time.length;
  total.acked += truth.acked.reduce((sum, flag) => sum + flag, 0);
  total.atHub += result.atHub;
  total.buckets += result.buckets;
  total.undecidedBuckets += result.undecidedBuckets;
  total.findings.merge(result.findings);
}

function candidates(known: readonly HubSeries[], truth: TruthSeries, options: VerifyOptions): HubSeries[] {
  const metric = options.metricMap.get(truth.metric) ?? truth.metric;
  return known.filter(
    (series) =>
      series.device === truth.device &&
      series.metric === metric &&
      (series.type === 'text') === (truth.texts !== undefined) &&
      (options.stream === undefined || series.stream === options.stream) &&
      (options.agent === undefined || series.agent === options.agent),
  );
}

/** The one that is meant; without a stream given, the one of readings. */
function choose(known: readonly HubSeries[], truth: TruthSeries, options: VerifyOptions): HubSeries | undefined {
  const found = candidates(known, truth, options);
  const readings = found.filter((series) => series.kind === 'reading');
  const fit = options.stream === undefined && readings.length > 0 ? readings : found;
  if (fit.length <= 1) return fit[0];
  const names = fit.map(({ agent, stream }) => `${agent}/${stream}`).join(', ');
  throw new FoglineError(
    'usage',
    `${truth.metric} of ${truth.device} is in several series (${names}): give --stream or --agent`,
  );
}

async function verifySeries(
  truth: TruthSeries,
  series: HubSeries | undefined,
  hub: HubReader,
  draft: Draft,
): Promise<SeriesVerdict> {
  const findings = new Findings();
  const missing = new Missing();
  if (series === undefined) {
    compareReadings(truth, nothing, findings, missing);
    missing.report(findings, () => 0);
    return { atHub: 0, buckets: 0, undecidedBuckets: 0, findings, draft };
  }
  const range = wholeDays(truth.time);
  if (series.kind === 'window') return { ...(await verifyWindows(truth, series, hub, range)), draft };
  const held = await hub.readings(series, range, truth.texts);
  compareReadings(truth, held.all, findings, missing);
  if (missing.count > 0) await draft.explain(missing, series, range, hub, findings);
  let buckets = 0;
  for (const everyMs of truth.texts === undefined ? levelsMs : []) {
    const expected = [...bucketsOf(held.good, everyMs)];
    buckets += expected.length;
    compareBuckets(truth, everyMs, expected, await hub.buckets(series, everyMs, range), findings);
  }
  return { atHub: held.all.time.length, buckets, undecidedBuckets: 0, findings, draft };
}

const nothing: Readings = { time: new Float64Array(), value: new Float64Array() };

/** Hours of which windows were declared lost are undecided, at all levels; asked for only where something differs. */
async function verifyWindows(truth: TruthSeries, series: HubSeries, hub: HubReader, range: Range) {
  const got = new Map<number, readonly Bucket[]>();
  for (const everyMs of levelsMs) got.set(everyMs, await hub.buckets(series, everyMs, range));
  const verdict = compareWindows(truth, got, []);
  if (verdict.findings.isClean) return verdict;
  const { byHour } = await hub.losses(series, range);
  return byHour.size === 0 ? verdict : compareWindows(truth, got, [...byHour.keys()]);
}

function compareWindows(
  truth: TruthSeries,
  got: ReadonlyMap<number, readonly Bucket[]>,
  lostHours: readonly number[],
): Omit<SeriesVerdict, 'draft'> {
  const findings = new Findings();
  const acked = rowsOf(truth, (row) => truth.acked[row] === 1);
  const onTime = rowsOf(truth, (row) => truth.acked[row] === 1 && truth.late[row] === 0);
  const open = rowsOf(truth, (row) => truth.acked[row] === 0);
  let atHub = 0;
  let buckets = 0;
  let undecidedBuckets = 0;
  for (const [everyMs, held] of got) {
    const undecided = new Set(Array.from(open.time, (timeMs) => Math.floor(timeMs / everyMs) * everyMs));
    for (const hour of lostHours) {
      for (let atMs = hour * hourMs; atMs < (hour + 1) * hourMs; atMs += everyMs)
        undecided.add(Math.floor(atMs / everyMs) * everyMs);
    }
    const isDecided = ({ startMs }: Bucket): boolean => !undecided.has(startMs);
    const expected = [...bucketsOf(acked, everyMs)].filter(isDecided);
    buckets += expected.length;
    undecidedBuckets += undecided.size;
    atHub = held.reduce((sum, bucket) => sum + bucket.count, 0);
    const withoutLate = new Map([...bucketsOf(onTime, everyMs)].map((bucket) => [bucket.startMs, bucket]));
    compareBuckets(truth, everyMs, expected, held.filter(isDecided), findings, withoutLate);
  }
  return { atHub, buckets, undecidedBuckets, findings };
}

function rowsOf({ time, value }: TruthSeries, isWanted: (row: number) => boolean): Readings {
  const filter = (_: number, row: number): boolean => isWanted(row);
  return { time: time.filter(filter), value: value.filter(filter) };
}

/** Whole days, so that no bucket of any level is cut. */
function wholeDays(time: Float64Array): Range {
  const first = time[0] ?? 0;
  const last = time.at(-1) ?? 0;
  return { fromMs: Math.floor(first / dayMs) * dayMs, toMs: (Math.floor(last / dayMs) + 1) * dayMs };
}
