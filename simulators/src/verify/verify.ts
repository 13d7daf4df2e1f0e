/**
 * The verdict: every series and every bucket of a hub against the truth of what was sent. Readings are compared with the truth
 * as multisets; every roll-up bucket of every level with a computation over the readings that the hub says it has. So a
 * clean verdict means: no acked reading lost, none twice, none changed, and no bucket wrong by one bit.
 *
 * What is missing and declared by its agent is counted, and is no finding. Nor is what minutes stand for: buckets of a minute and more must hold it, to the bit. What is missing and not declared has a class that says more where
 * the hub knows more (findings.ts).
 *
 * A stream of windows keeps no readings. Its buckets are held against the acked truth itself; buckets into which a reading falls
 * that was sent but not acked may or may not hold it, and are counted as undecided.
 */
import { thinnedMs } from '@fogline/shared/aggregate/thinned-columns';
import type { Clock } from '@fogline/shared/clock';
import { FoglineError, hasCode } from '@fogline/shared/errors';
import { type Bucket, bucketsOf, compareBuckets, compareReadings } from './compare.ts';
import { type Draft, Explanations, type Uses } from './explain.ts';
import { Findings } from './findings.ts';
import type { Readings } from './growable.ts';
import type { Held, HubReader, HubSeries, Losses, Range } from './hub-reader.ts';
import { Missing } from './missing.ts';
import { expectedBuckets } from './thinned.ts';
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
/** So that their selectors fit into the head of a request. */
const seriesPerQuestion = 24;

/** Throws `usage` when it is not clear which series is meant, and what the hub reader throws. */
export async function verify(options: VerifyOptions): Promise<Verdict> {
  const { clock } = options;
  const deadlineMs = clock.monotonic() + options.waitMs;
  const total = { series: 0, sent: 0, acked: 0, atHub: 0, buckets: 0, undecidedBuckets: 0, findings: new Findings() };
  let known: readonly HubSeries[] = [];
  const explanations = new Explanations();
  for (let first = 0; first < options.truth.length; first += seriesPerQuestion) {
    let left = options.truth.slice(first, first + seriesPerQuestion);
    while (left.length > 0) {
      const asked = left;
      const results = await attempt(async () => {
        if (asked.some((truth) => candidates(known, truth, options).length === 0))
          known = await options.hub.listSeries();
        return verifySome(asked, known, options, explanations.draft());
      });
      const isOver = clock.monotonic() >= deadlineMs;
      if ('unavailable' in results) {
        if (isOver) throw results.unavailable;
      } else {
        const settled = results.filter(({ findings }) => isOver || findings.isClean);
        for (const result of settled) {
          explanations.accept(result.uses);
          add(total, result.truth, result);
        }
        left = results.filter((result) => !settled.includes(result)).map(({ truth }) => truth);
      }
      if (left.length > 0) await new Promise<void>((resolve) => void clock.after('verify poll', pollMs, resolve));
    }
  }
  return total;
}

interface SeriesVerdict {
  readonly truth: TruthSeries;
  readonly atHub: number;
  readonly buckets: number;
  readonly undecidedBuckets: number;
  readonly findings: Findings;
  readonly uses: Uses;
}

/** A hub that is being restarted is not an answer yet. */
async function attempt<T>(run: () => Promise<T>): Promise<T | { readonly unavailable: FoglineError }> {
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

/** Several series in a few questions: what a series costs is then what there is of it. */
async function verifySome(
  truths: readonly TruthSeries[],
  known: readonly HubSeries[],
  options: VerifyOptions,
  draft: Draft,
): Promise<SeriesVerdict[]> {
  const { hub } = options;
  const range = wholeDays(truths);
  const pairs = truths.map((truth) => ({ truth, series: choose(known, truth, options) }));
  const there = pairs.flatMap(({ series }) => (series === undefined ? [] : [series]));
  const texts = new Map(
    pairs.flatMap(({ truth, series }) => (series === undefined ? [] : [[series.id, truth.texts ?? []]])),
  );
  const withReadings = there.filter(({ kind }) => kind !== 'window');
  const held = withReadings.length === 0 ? new Map<number, Held>() : await hub.readings(withReadings, range, texts);
  const rolled = there.filter(({ type }) => type !== 'text');
  const levels = new Map<number, ReadonlyMap<number, readonly Bucket[]>>();
  for (const everyMs of rolled.length === 0 ? [] : levelsMs)
    levels.set(everyMs, await hub.buckets(rolled, everyMs, range));
  const verdicts: SeriesVerdict[] = [];
  for (const { truth, series } of pairs) {
    const got = new Map([...levels].map(([everyMs, byId]) => [everyMs, byId.get(series?.id ?? -1) ?? []]));
    const compared =
      series?.kind === 'window'
        ? await verifyWindows(truth, series, hub, range, got)
        : await verifyReadings(truth, series, held.get(series?.id ?? -1) ?? nothing, { hub, range, got, draft });
    verdicts.push({ truth, uses: draft.takeUses(), ...compared });
  }
  return verdicts;
}

const noReadings: Readings = { time: new Float64Array(), value: new Float64Array() };
const nothing: Held = { all: noReadings, good: noReadings };

type Compared = Omit<SeriesVerdict, 'truth' | 'uses'>;

async function verifyReadings(
  truth: TruthSeries,
  series: HubSeries | undefined,
  held: Held,
  {
    hub,
    range,
    got,
    draft,
  }: { hub: HubReader; range: Range; got: ReadonlyMap<number, readonly Bucket[]>; draft: Draft },
): Promise<Compared> {
  const findings = new Findings();
  const missing = new Missing();
  compareReadings(truth, held.all, findings, missing);
  const atHub = held.all.time.length;
  if (series === undefined) {
    missing.report(findings, () => 0);
    return { atHub, buckets: 0, undecidedBuckets: 0, findings };
  }
  const isWhole = missing.count === 0;
  const rolled = truth.texts === undefined ? got : new Map<number, readonly Bucket[]>();
  const asHeld = compareRolled(truth, held, undefined, rolled);
  // What minutes stand for is missing among the readings, or too much in the buckets; only then the hub is asked.
  const losses = isWhole && asHeld.findings.isClean ? undefined : await hub.losses(series, range);
  if (losses !== undefined && !isWhole) await draft.explain(missing, series, losses, hub, findings);
  const compared = losses === undefined ? asHeld : compareRolled(truth, held, losses, rolled);
  findings.merge(compared.findings);
  return { ...compared, atHub, findings };
}

function compareRolled(
  truth: TruthSeries,
  held: Held,
  losses: Losses | undefined,
  got: ReadonlyMap<number, readonly Bucket[]>,
): Omit<Compared, 'atHub'> {
  const findings = new Findings();
  let buckets = 0;
  let undecidedBuckets = 0;
  for (const [everyMs, rolled] of got) {
    const expected = expectedBuckets(truth, held, losses, everyMs);
    const isDecided = ({ startMs }: Bucket): boolean => !expected.undecided.has(startMs);
    const decided = expected.buckets.filter(isDecided);
    buckets += decided.length;
    undecidedBuckets += expected.undecided.size;
    compareBuckets(truth, everyMs, decided, rolled.filter(isDecided), findings);
  }
  return { buckets, undecidedBuckets, findings };
}

/** Hours of which windows were declared lost are undecided, at all levels, thinned ones below a minute; asked for only where something differs. */
async function verifyWindows(
  truth: TruthSeries,
  series: HubSeries,
  hub: HubReader,
  range: Range,
  got: ReadonlyMap<number, readonly Bucket[]>,
): Promise<Compared> {
  const verdict = compareWindows(truth, got, () => []);
  if (verdict.findings.isClean) return verdict;
  const { byHour, thinnedByHour } = await hub.losses(series, range);
  if (byHour.size + thinnedByHour.size === 0) return verdict;
  const finer = [...byHour.keys(), ...thinnedByHour.keys()];
  return compareWindows(truth, got, (everyMs) => (everyMs < thinnedMs ? finer : byHour.keys()));
}

function compareWindows(
  truth: TruthSeries,
  got: ReadonlyMap<number, readonly Bucket[]>,
  lostHours: (everyMs: number) => Iterable<number>,
): Compared {
  const findings = new Findings();
  const acked = rowsOf(truth, (row) => truth.acked[row] === 1);
  const onTime = rowsOf(truth, (row) => truth.acked[row] === 1 && truth.late[row] === 0);
  const open = rowsOf(truth, (row) => truth.acked[row] === 0);
  let atHub = 0;
  let buckets = 0;
  let undecidedBuckets = 0;
  for (const [everyMs, held] of got) {
    const undecided = new Set(Array.from(open.time, (timeMs) => Math.floor(timeMs / everyMs) * everyMs));
    for (const hour of lostHours(everyMs)) {
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
function wholeDays(truths: readonly TruthSeries[]): Range {
  const first = truths.reduce((least, { time }) => Math.min(least, time[0] ?? least), Infinity);
  const last = truths.reduce((most, { time }) => Math.max(most, time.at(-1) ?? most), -Infinity);
  return { fromMs: Math.floor(first / dayMs) * dayMs, toMs: (Math.floor(last / dayMs) + 1) * dayMs };
}
