/**
 * Roll-up contributions that only the log holds so far, per series. Short runs wait as they are, some 20 bytes a reading, and become partials
 * when they are read or folded, so that ingest pays nothing per bucket. A run with many readings a bucket is summed up at once, while it is in the
 * processor's cache: it then costs memory per bucket, not per reading. Sums are exact, so both ways give the same bytes. In memory only:
 * the log gives it again.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagText, quality, type ReadingColumns } from '@fogline/shared/reading';
import { bucketOf, levels } from './levels.ts';
import { copyOf, isMerged } from './merge.ts';

/** Bucket start → contribution. */
export type Buckets = Map<number, Partial>;
type ReadonlyBuckets = ReadonlyMap<number, Partial>;

/** Receives the contributions of one series; a bucket may get several. The partial is valid during the call only. */
export interface BucketVisitor {
  bucket(level: number, startMs: number, partial: Partial): void;
  /** A contribution is left out of this bucket, because the sum would have no canonical form. */
  overflow(level: number, startMs: number): void;
}

interface TailWindow {
  /** Index of the finest level that its width divides; of a minute that stands for readings, too. */
  readonly level: number;
  readonly startMs: number;
  readonly partial: Uint8Array;
}

interface Rows {
  readonly time: Float64Array;
  readonly value: Float64Array;
}

/** Rows [from, to) of one series and one finest bucket. */
interface Segment {
  readonly startMs: number;
  readonly columns: Rows;
  readonly from: number;
  readonly to: number;
}

const finestMs = levels[0];
/** Quality is a two-bit field in which only `bad` has the high bit (3 is not a quality). */
const uncountedMask = flagText | quality.bad;
/** Fields of a run: part, from, to, previous run of its series. */
const runFields = 4;
/** Rows of one part. */
const partRows = 8192;
/** Readings a bucket from which a run is summed up at once. A partial takes about the memory of so many. */
const summedRowsMin = 32;
/** Summed readings that weigh as one that waits: they cost no memory, but time when a restart replays them. */
const replayShare = 1 / 8;

let scratchTime = new Float64Array(1024);
let scratchValue = new Float64Array(1024);

/** Of runs one after the other. */
class Part {
  readonly time: Float64Array;
  readonly value: Float64Array;
  readonly flags: Uint8Array;
  used = 0;

  constructor(rows: number) {
    this.time = new Float64Array(rows);
    this.value = new Float64Array(rows);
    this.flags = new Uint8Array(rows);
  }
}

export class RollupTail {
  readonly #parts: Part[] = [];
  #runs = new Int32Array(1024 * runFields);
  #runCount = 0;
  /** Series → its latest run. */
  readonly #lastRun = new Map<number, number>();
  /** Series → finest bucket → what is summed up. */
  readonly #summed = new Map<number, Buckets>();
  readonly #windows = new Map<number, TailWindow[]>();
  /** Readings and windows added. */
  items = 0;
  /** What they cost in memory and at a restart, in readings that wait. */
  load = 0;
  /** Bytes of the partials of windows, which have no fixed size. */
  partialBytes = 0;

  /** Adds rows [from, to), all of one series; they are copied. Times may come in any order. */
  addRun(columns: ReadingColumns, from: number, to: number, series: number): void {
    const rows = to - from;
    this.items += rows;
    if (rows < summedRowsMin || !this.#isSummed(columns, from, to, series)) {
      this.load += rows;
      this.#keep(columns, from, to, series);
    } else {
      this.load += rows * replayShare;
    }
  }

  /** False, and nothing is added, when the run has too few readings a bucket. */
  #isSummed(columns: ReadingColumns, from: number, to: number, series: number): boolean {
    const segments: Segment[] = [];
    cutRun(columns, from, to, segments);
    if (segments.length * summedRowsMin > to - from) return false;
    let buckets = this.#summed.get(series);
    if (buckets === undefined) this.#summed.set(series, (buckets = new Map()));
    for (const segment of segments) {
      let partial = buckets.get(segment.startMs);
      if (partial === undefined) {
        buckets.set(segment.startMs, (partial = Partial.empty()));
        this.load += summedRowsMin;
      }
      partial.addColumns(columns.time, columns.value, segment.from, segment.to);
    }
    return true;
  }

  #keep({ time, value, flags }: ReadingColumns, from: number, to: number, series: number): void {
    let part = this.#parts.at(-1);
    if (part === undefined || part.used + to - from > part.time.length) {
      part = new Part(Math.max(partRows, to - from));
      this.#parts.push(part);
    }
    const at = part.used;
    part.used += to - from;
    for (let row = from, into = at; row < to; row++, into++) {
      part.time[into] = time[row] as number;
      part.value[into] = value[row] as number;
      part.flags[into] = flags[row] as number;
    }
    this.#noteRun(at, part.used, series);
  }

  /** Rows [from, to) of the latest part. */
  #noteRun(from: number, to: number, series: number): void {
    const run = this.#runCount++;
    if (this.#runCount * runFields > this.#runs.length) {
      const grown = new Int32Array(this.#runs.length * 2);
      grown.set(this.#runs);
      this.#runs = grown;
    }
    const at = run * runFields;
    this.#runs[at] = this.#parts.length - 1;
    this.#runs[at + 1] = from;
    this.#runs[at + 2] = to;
    this.#runs[at + 3] = this.#lastRun.get(series) ?? -1;
    this.#lastRun.set(series, run);
  }

  addWindow(series: number, window: TailWindow): void {
    const list = this.#windows.get(series);
    if (list === undefined) this.#windows.set(series, [window]);
    else list.push(window);
    this.items++;
    this.load++;
    this.partialBytes += window.partial.byteLength;
  }

  /** Contributions to the buckets of `level` (an index) with `fromMs ≤ start < toMs`; what does not fit is left out, as a fold does. */
  collect(series: number, level: number, fromMs: number, toMs: number): Buckets {
    const collected: Buckets = new Map();
    const visitor: BucketVisitor = {
      bucket: (at, startMs, partial) => {
        if (at !== level || startMs < fromMs || startMs >= toMs) return;
        const known = collected.get(startMs);
        if (known === undefined) collected.set(startMs, copyOf(partial));
        else isMerged(known, partial);
      },
      overflow: () => undefined,
    };
    this.visit(series, visitor, level);
    return collected;
  }

  /** What one series costs when it is folded, in readings that wait. */
  loadOf(series: number): number {
    let items = (this.#windows.get(series)?.length ?? 0) + (this.#summed.get(series)?.size ?? 0) * summedRowsMin;
    for (let run = this.#lastRun.get(series) ?? -1; run >= 0; run = this.#runs[run * runFields + 3] as number) {
      items += (this.#runs[run * runFields + 2] as number) - (this.#runs[run * runFields + 1] as number);
    }
    return items;
  }

  drop(series: number): void {
    this.#lastRun.delete(series);
    this.#summed.delete(series);
    this.#windows.delete(series);
  }

  /** Visits levels up to the given one. A series of readings has windows, too, where it was thinned. */
  visit(series: number, visitor: BucketVisitor, levelMax = levels.length - 1): void {
    const windows = this.#windows.get(series);
    if (windows !== undefined) visitWindows(windows, visitor, levelMax);
    const summed = this.#summed.get(series);
    if (summed === undefined && !this.#lastRun.has(series)) return;
    visitReadings(this.#segmentsOf(series), summed ?? new Map(), visitor, levelMax);
  }

  /** Ascending by bucket. */
  #segmentsOf(series: number): Segment[] {
    const segments: Segment[] = [];
    for (let run = this.#lastRun.get(series) ?? -1; run >= 0; run = this.#runs[run * runFields + 3] as number) {
      const at = run * runFields;
      const columns = this.#parts[this.#runs[at] as number];
      if (columns !== undefined) cutRun(columns, this.#runs[at + 1] as number, this.#runs[at + 2] as number, segments);
    }
    let isSorted = true;
    for (let i = 1; i < segments.length && isSorted; i++) {
      isSorted = (segments[i - 1] as Segment).startMs <= (segments[i] as Segment).startMs;
    }
    return isSorted ? segments : segments.sort((a, b) => a.startMs - b.startMs);
  }
}

/** Cuts rows [from, to) where the finest bucket changes. `bad` readings and text enter no roll-up. */
function cutRun(
  columns: Pick<ReadingColumns, 'time' | 'value' | 'flags'>,
  from: number,
  to: number,
  segments: Segment[],
): void {
  const { time, flags } = columns;
  let first = from;
  let startMs = Number.NaN;
  let endMs = Number.NaN;
  for (let row = from; row < to; row++) {
    const t = time[row] as number;
    const isCounted = ((flags[row] as number) & uncountedMask) === 0;
    if (isCounted && t >= startMs && t < endMs) continue;
    if (startMs === startMs) segments.push({ startMs, columns, from: first, to: row });
    first = row;
    startMs = isCounted ? bucketOf(t, finestMs) : Number.NaN;
    endMs = startMs + finestMs;
  }
  if (startMs === startMs) segments.push({ startMs, columns, from: first, to });
}

/** Segments ascend by bucket. What is summed up is not changed. */
function visitReadings(
  segments: readonly Segment[],
  summed: ReadonlyBuckets,
  visitor: BucketVisitor,
  levelMax: number,
): void {
  const ladder = new Ladder(visitor, levelMax);
  const starts = [...summed.keys()].sort((a, b) => a - b);
  let at = 0;
  for (let i = 0; i < segments.length || at < starts.length; ) {
    const startMs = Math.min(segments[i]?.startMs ?? Number.POSITIVE_INFINITY, starts[at] ?? Number.POSITIVE_INFINITY);
    let end = i;
    while (segments[end]?.startMs === startMs) end++;
    const partial = end > i ? partialOf(segments, i, end) : Partial.empty();
    const own = summed.get(startMs);
    if (own !== undefined) {
      partial.merge(own);
      at++;
    }
    ladder.put(0, startMs, partial);
    i = end;
  }
  ladder.finish();
}

/** Segments [from, to) are of one bucket; several are gathered first, because adding columns is cheaper than adding rows. */
function partialOf(segments: readonly Segment[], from: number, to: number): Partial {
  const partial = Partial.empty();
  const first = segments[from] as Segment;
  if (to - from === 1) {
    partial.addColumns(first.columns.time, first.columns.value, first.from, first.to);
    return partial;
  }
  let count = 0;
  for (let i = from; i < to; i++) {
    const segment = segments[i] as Segment;
    const { time, value } = segment.columns;
    if (count + segment.to - segment.from > scratchTime.length) growScratch(count + segment.to - segment.from);
    for (let row = segment.from; row < segment.to; row++, count++) {
      scratchTime[count] = time[row] as number;
      scratchValue[count] = value[row] as number;
    }
  }
  partial.addColumns(scratchTime, scratchValue, 0, count);
  return partial;
}

function growScratch(countMin: number): void {
  const length = Math.max(scratchTime.length * 2, countMin);
  const time = new Float64Array(length);
  const value = new Float64Array(length);
  time.set(scratchTime);
  value.set(scratchValue);
  scratchTime = time;
  scratchValue = value;
}

/** Makes coarser buckets of finer ones that come in ascending order; at most one partial a level is open. */
class Ladder {
  readonly #visitor: BucketVisitor;
  readonly #levelMax: number;
  readonly #open: ({ readonly startMs: number; readonly partial: Partial } | undefined)[] = levels.map(() => undefined);

  constructor(visitor: BucketVisitor, levelMax: number) {
    this.#visitor = visitor;
    this.#levelMax = levelMax;
  }

  /** Takes the partial of a finished bucket over, shows it, and adds it to the level above. */
  put(level: number, startMs: number, partial: Partial): void {
    this.#visitor.bucket(level, startMs, partial);
    const above = level + 1;
    if (above > this.#levelMax) return;
    const aboveStart = bucketOf(startMs, levels[above] as number);
    const open = this.#open[above];
    if (open?.startMs === aboveStart) {
      if (!isMerged(open.partial, partial)) this.#visitor.overflow(above, aboveStart);
      return;
    }
    // Nobody else holds the finer partial any more.
    this.#open[above] = { startMs: aboveStart, partial };
    if (open !== undefined) this.put(above, open.startMs, open.partial);
  }

  finish(): void {
    for (let level = 1; level <= this.#levelMax; level++) {
      const open = this.#open[level];
      this.#open[level] = undefined;
      if (open !== undefined) this.put(level, open.startMs, open.partial);
    }
  }
}

/** Windows of one series may have had several widths, so each level may have contributions of its own beside those from below. */
function visitWindows(windows: readonly TailWindow[], visitor: BucketVisitor, levelMax: number): void {
  let finer: [startMs: number, partial: Partial][] = [];
  for (const [level, levelMs] of levels.entries()) {
    if (level > levelMax) return;
    const own = windows
      .filter((window) => window.level === level)
      .map((window): [number, Partial] => [window.startMs, Partial.decode(window.partial)]);
    const buckets: Buckets = new Map();
    for (const [start, partial] of [...finer, ...own]) {
      const startMs = bucketOf(start, levelMs);
      const bucket = buckets.get(startMs);
      if (bucket === undefined) buckets.set(startMs, partial);
      else if (!isMerged(bucket, partial)) visitor.overflow(level, startMs);
    }
    finer = [...buckets].sort((a, b) => a[0] - b[0]);
    for (const [startMs, partial] of finer) visitor.bucket(level, startMs, partial);
  }
}
