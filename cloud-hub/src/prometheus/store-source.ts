/**
 * Samples from the hub's store. A reading is a sample at its time, a window one at its end, when it was known. `bad` readings are no
 * samples, as they enter no aggregate. Of several values at one time the greatest counts, whatever order they came in.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagQualityMask, flagText, quality, type Sampling, samplings } from '@fogline/shared/reading';
import { hourMs } from '../store/levels.ts';
import type { RawChunk, SeriesInfo, StoreRead } from '../store/read.ts';
import type { Budget } from './budget.ts';
import { type Exposure, matchingExposures, type WindowAggregate } from './catalog.ts';
import { keyOf, type Labels } from './labels.ts';
import type { Matchers } from './matchers.ts';
import { SampleColumns } from './sample-columns.ts';
import type { SampleSource, Samples } from './source.ts';

export const defaultLookBackMs = 300_000;

/** How long a sample stands: as long as it promises to (until the heartbeat, for one window), and `patienceMs` beyond. */
function lookBackOf(series: Pick<SeriesInfo, 'sampling' | 'holdMs' | 'widthMs'>, patienceMs: number): number {
  return patienceMs + (series.sampling === 'held' ? series.holdMs : 0) + series.widthMs;
}

interface Target {
  readonly labels: Labels;
  readonly columns: SampleColumns;
  lookBackMs: number;
  sampling: Sampling;
}

/** What one pass over the batches of an agent collects. */
interface Pass {
  readonly agent: string;
  fromMs: number;
  readonly readings: Map<number, SampleColumns>;
  readonly windows: Map<number, WindowSeries>;
}

interface WindowSeries {
  readonly targets: { readonly aggregate: WindowAggregate; readonly columns: SampleColumns }[];
  /** By end, then width. Late readings come as windows of their own and are merged. */
  readonly partials: Map<number, Map<number, Partial>>;
}

export class StoreSource implements SampleSource {
  readonly #store: Pick<StoreRead, 'listSeries' | 'raw'>;
  readonly #budget: Budget;
  readonly #patienceMs: number;
  readonly #known = new Map<string, readonly Samples[]>();

  constructor(store: Pick<StoreRead, 'listSeries' | 'raw'>, budget: Budget, patienceMs: number) {
    this.#store = store;
    this.#budget = budget;
    this.#patienceMs = patienceMs;
  }

  range(matchers: Matchers, afterMs: number, untilMs: number): Generator<void, readonly Samples[]> {
    return this.#once(['range', matchers.key, afterMs, untilMs], () => this.#select(matchers, afterMs, untilMs));
  }

  latest(matchers: Matchers, times: Float64Array): Generator<void, readonly Samples[]> {
    const first = times[0] ?? 0;
    const last = times[times.length - 1] ?? 0;
    const key = ['latest', matchers.key, first, last, times.length];
    return this.#once(key, () => this.#select(matchers, first, last, times));
  }

  /** An expression often names a selector twice. */
  *#once(
    parts: readonly unknown[],
    select: () => Generator<void, readonly Samples[]>,
  ): Generator<void, readonly Samples[]> {
    const key = JSON.stringify(parts);
    const samples = this.#known.get(key) ?? (yield* select());
    this.#known.set(key, samples);
    return samples;
  }

  *#select(
    matchers: Matchers,
    afterMs: number,
    untilMs: number,
    times?: Float64Array,
  ): Generator<void, readonly Samples[]> {
    const exposures = yield* matchingExposures(this.#store, [matchers]);
    const targets = new Map<string, Target>();
    const passes = new Map<string, Pass>();
    for (const exposure of exposures) {
      const lookBackMs = lookBackOf(exposure.series, this.#patienceMs);
      const target = targetOf(targets, exposure, lookBackMs);
      const backMs = Math.max(...exposure.series.widthsMs) + (times === undefined ? 0 : lookBackMs);
      enlist(passes, exposure, afterMs + 1 - backMs, target.columns);
    }
    for (const pass of passes.values()) yield* this.#collect(pass, untilMs, times);
    const samples: Samples[] = [];
    for (const { labels, columns, lookBackMs, sampling } of targets.values()) {
      if (columns.length > 0) samples.push({ labels, lookBackMs, sampling, ...columns.ordered() });
      yield;
    }
    return samples;
  }

  *#collect(pass: Pass, untilMs: number, times: Float64Array | undefined): Generator<void, void> {
    const series = new Set([...pass.readings.keys(), ...pass.windows.keys()]);
    let hour: number | undefined;
    for (const chunk of this.#store.raw({ agent: pass.agent, fromMs: pass.fromMs, toMs: untilMs + 1, series })) {
      // What comes later is of later hours, so the one before is complete.
      if (times !== undefined && hour !== chunk.hourMs) yield* this.#thin(pass, times);
      hour = chunk.hourMs;
      const rows = chunk.readings.count + chunk.windows.count;
      this.#budget.read(rows);
      this.#budget.hold(rows);
      takeReadings(chunk, pass.readings);
      takeWindows(chunk, pass.windows);
      yield;
    }
    for (const windows of pass.windows.values()) {
      emit(windows, untilMs);
      yield;
    }
  }

  *#thin(pass: Pass, times: Float64Array): Generator<void, void> {
    let rows = 0;
    for (const columns of pass.readings.values()) {
      const before = columns.length;
      columns.thin(times);
      this.#budget.hold(columns.length - before);
      rows += before;
      if (rows < rowsPerTurn) continue;
      rows = 0;
      yield;
    }
  }
}

const rowsPerTurn = 50_000;

function targetOf(targets: Map<string, Target>, { labels, series }: Exposure, lookBackMs: number): Target {
  const key = keyOf(labels);
  let target = targets.get(key);
  if (target === undefined) {
    target = { labels, columns: new SampleColumns(), lookBackMs, sampling: series.sampling };
    targets.set(key, target);
  }
  target.lookBackMs = Math.max(target.lookBackMs, lookBackMs);
  if (samplings.indexOf(series.sampling) > samplings.indexOf(target.sampling)) target.sampling = series.sampling;
  return target;
}

/** Series of one agent that reach about as far back are read in one pass. */
function enlist(
  passes: Map<string, Pass>,
  { series, aggregate }: Exposure,
  firstMs: number,
  columns: SampleColumns,
): void {
  const fromMs = Math.max(firstMs, -timeMax);
  const key = JSON.stringify([series.agent, Math.floor(fromMs / hourMs)]);
  let pass = passes.get(key);
  if (pass === undefined) {
    pass = { agent: series.agent, fromMs, readings: new Map(), windows: new Map() };
    passes.set(key, pass);
  }
  pass.fromMs = Math.min(pass.fromMs, fromMs);
  if (aggregate === undefined) {
    pass.readings.set(series.id, columns);
    return;
  }
  const windows: WindowSeries = pass.windows.get(series.id) ?? { targets: [], partials: new Map() };
  windows.targets.push({ aggregate, columns });
  pass.windows.set(series.id, windows);
}

const timeMax = 8_640_000_000_000_000;

function takeReadings({ readings }: RawChunk, wanted: ReadonlyMap<number, SampleColumns>): void {
  const { count, series, time, value, flags } = readings;
  for (let from = 0; from < count; ) {
    const id = series[from] as number;
    let to = from + 1;
    while (to < count && series[to] === id) to++;
    const columns = wanted.get(id);
    if (columns !== undefined) {
      columns.reserve(to - from);
      for (let row = from; row < to; row++) {
        const flag = flags[row] as number;
        if ((flag & flagText) !== 0 || (flag & flagQualityMask) === quality.bad) continue;
        columns.push(time[row] as number, value[row] as number);
      }
    }
    from = to;
  }
}

function takeWindows({ windows, widthMs }: RawChunk, wanted: ReadonlyMap<number, WindowSeries>): void {
  for (let row = 0; row < windows.count; row++) {
    const found = wanted.get(windows.series[row] as number);
    const bytes = windows.partial[row];
    if (found === undefined || bytes === undefined) continue;
    const width = widthMs[row] as number;
    const endMs = (windows.start[row] as number) + width;
    const byWidth = found.partials.get(endMs) ?? new Map<number, Partial>();
    found.partials.set(endMs, byWidth);
    const partial = Partial.decode(bytes);
    const known = byWidth.get(width);
    if (known === undefined) byWidth.set(width, partial);
    else known.merge(partial);
  }
}

function emit({ targets, partials }: WindowSeries, untilMs: number): void {
  for (const [endMs, byWidth] of partials) {
    if (endMs > untilMs) continue;
    for (const partial of byWidth.values()) {
      if (partial.count === 0) continue;
      for (const { aggregate, columns } of targets) {
        columns.reserve(1);
        columns.push(endMs, readers[aggregate](partial));
      }
    }
  }
}

const readers: Readonly<Record<WindowAggregate, (partial: Partial) => number>> = {
  mean: (partial) => partial.mean(),
  min: (partial) => partial.min,
  max: (partial) => partial.max,
  sum: (partial) => partial.sumValue(),
  count: (partial) => partial.count,
  stddev: (partial) => partial.stddev(),
  first: (partial) => partial.firstValue,
  last: (partial) => partial.lastValue,
};
