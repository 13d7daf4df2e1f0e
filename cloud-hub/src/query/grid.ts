/**
 * The buckets of a question: fixed widths aligned to the epoch, or widths of a calendar in a time zone. Buckets are half open, follow
 * each other without gap or overlap, and are labelled by their start. In a zone, hours and parts of them are aligned to the local
 * clock: the day on which it is set back by an hour has 25 of them, the other 23; days, weeks (from Monday), months and years begin
 * with the first instant of their local date.
 */
import { FoglineError } from '@fogline/shared/errors';
import { parseDurationMs } from '@fogline/shared/units';
import { bucketOf, levels } from '../store/levels.ts';
import { compact, type TimeRange } from './time.ts';
import { TimeZone } from './time-zone.ts';

export interface Grid {
  /** As the question had it: `15m`, `1mo`. */
  readonly every: string;
  /** Undefined for fixed widths. */
  readonly tz: string | undefined;
  /** Of the shortest bucket, roughly, where they differ; for limits. */
  readonly stepMs: number;
  /** Start of the bucket that holds `ms`. */
  startOf(ms: number): number;
  /** End of the bucket that begins at `startMs`. */
  endOf(startMs: number): number;
  /** Whether all buckets of the range consist of whole buckets of this fixed width. */
  isMadeOf(widthMs: number, range: TimeRange): boolean;
}

export function fixedGrid(everyMs: number): Grid {
  return {
    every: compact(everyMs),
    tz: undefined,
    stepMs: everyMs,
    startOf: (ms) => bucketOf(ms, everyMs),
    endOf: (startMs) => startMs + everyMs,
    isMadeOf: (widthMs) => everyMs % widthMs === 0,
  };
}

/** The smallest range of whole buckets around a range. */
export function widened({ fromMs, toMs }: TimeRange, grid: Grid): TimeRange {
  const last = grid.startOf(toMs);
  return { fromMs: grid.startOf(fromMs), toMs: last === toMs ? toMs : grid.endOf(last) };
}

const dayMs = 86_400_000;
const everyMsMin = 1_000;

type Unit = 'd' | 'w' | 'mo' | 'y';
const unitMs: Readonly<Record<Unit, number>> = { d: dayMs, w: 7 * dayMs, mo: 28 * dayMs, y: 365 * dayMs };

/** `every` and `tz` as written. Throws `query_invalid` with the fix. */
export function parseGrid(every: string, tz: string | undefined): Grid {
  if (/^P/i.test(every))
    throw invalid(`every: "${every.slice(0, 40)}" is an ISO 8601 duration; write 10s, 5m, 6h, 1d or 1mo`);
  const zone = tz === undefined || tz === 'UTC' ? undefined : TimeZone.of(tz);
  const calendar = /^([1-9]\d{0,3})\s*(d|w|mo|y)$/.exec(every);
  const [, count, unit] = calendar ?? [];
  // Days of UTC are as fixed as hours are, and so they may be counted from the epoch.
  if (unit !== undefined && (unit !== 'd' || zone !== undefined))
    return new CalendarGrid(Number(count), unit as Unit, zone ?? TimeZone.of('UTC'));
  const long = /^(\d+)\s*(months?|weeks?|wk|years?)$/i.exec(every);
  if (long !== null) {
    const short = long[2]?.toLowerCase().startsWith('m') === true ? 'mo' : long[2]?.[0]?.toLowerCase();
    throw invalid(`every: "${every}": write ${long[1]}${short}`);
  }
  const parsed = parseDurationMs(every);
  if ('problem' in parsed) throw invalid(`every: ${parsed.problem}`);
  if (parsed.value < everyMsMin)
    throw invalid(`every: ${every} is finer than one second; leave every out for the readings themselves`);
  if (zone === undefined) return fixedGrid(parsed.value);
  if (dayMs % parsed.value !== 0) {
    const fix = parsed.value % dayMs === 0 ? `${parsed.value / dayMs}d` : '15m, 1h, 6h or 1d';
    throw invalid(
      `every: ${every} does not divide a day, so it has no place in the local time of ${zone.name}; write ${fix}`,
    );
  }
  return new ClockGrid(parsed.value, zone);
}

/** A width that is looked at in roll-ups alone: any multiple of the finest level, ms. Throws `query_invalid` with the nearest that works. */
export function parseEvery(every: string): number {
  const { stepMs, tz } = parseGrid(every, undefined);
  if (tz !== undefined) throw invalid(`every: "${every}" is a calendar width; write a fixed one such as 1d or 7d`);
  const [finest] = levels;
  if (stepMs % finest === 0) return stepMs;
  const near = Math.max(finest, Math.round(stepMs / finest) * finest);
  throw invalid(
    `every: roll-ups stand at ${levels.map(compact).join(', ')}, so ${every} is none of their multiples; write for example ${compact(near)}`,
  );
}

const chartWidths = [
  '1s',
  '2s',
  '5s',
  '10s',
  '20s',
  '30s',
  '1m',
  '2m',
  '5m',
  '10m',
  '15m',
  '30m',
  '1h',
  '2h',
  '3h',
  '6h',
  '12h',
  '1d',
  '2d',
  '7d',
  '14d',
  '28d',
];

/**
 * The finest usual width whose buckets are at most `buckets` over the range, in local time where a zone is given. Undefined when even one
 * second is wider than a bucket should be: the readings themselves are no more.
 */
export function gridFor(range: TimeRange, buckets: number, tz: string | undefined): Grid | undefined {
  const leastMs = (range.toMs - range.fromMs) / buckets;
  if (leastMs < everyMsMin) return undefined;
  const grids = chartWidths.map((width) => parseGrid(width, tz));
  return grids.find(({ stepMs }) => stepMs >= leastMs) ?? fixedGrid(Math.ceil(leastMs / dayMs) * dayMs);
}

/** Whether the zone's offsets, and the instants at which they change, are multiples of a width all along the range. */
function keepsTo(zone: TimeZone, widthMs: number, { fromMs, toMs }: TimeRange): boolean {
  for (let at = fromMs; ; ) {
    if (zone.offsetAt(at) % widthMs !== 0) return false;
    const next = zone.transition(at, toMs);
    if (next === undefined) return true;
    if (next % widthMs !== 0) return false;
    at = next;
  }
}

/** Parts of a day by the local clock. */
class ClockGrid implements Grid {
  readonly every: string;
  readonly tz: string;
  readonly stepMs: number;
  readonly #zone: TimeZone;

  constructor(everyMs: number, zone: TimeZone) {
    this.every = compact(everyMs);
    this.tz = zone.name;
    this.stepMs = everyMs;
    this.#zone = zone;
  }

  startOf(ms: number): number {
    const { stepMs } = this;
    const aligned = (at: number, offset: number): number => bucketOf(at + offset, stepMs) - offset;
    const offset = this.#zone.offsetAt(ms);
    const start = aligned(ms, offset);
    const change = this.#zone.transition(start, ms);
    if (change === undefined) return start;
    // The clock was set within what would be the bucket: forward over one of its boundaries begins a new one.
    const before = this.#zone.offsetAt(change - 1);
    const isCrossed = bucketOf(change + offset, stepMs) > bucketOf(change - 1 + before, stepMs);
    return isCrossed ? change : aligned(change - 1, before);
  }

  endOf(startMs: number): number {
    let end = startMs;
    do {
      const offset = this.#zone.offsetAt(end);
      end = bucketOf(end + offset, this.stepMs) + this.stepMs - offset;
    } while (this.startOf(end) === startMs);
    for (let start = this.startOf(end); start > startMs; start = this.startOf(end - 1)) end = start;
    return end;
  }

  isMadeOf(widthMs: number, range: TimeRange): boolean {
    return this.stepMs % widthMs === 0 && keepsTo(this.#zone, widthMs, range);
  }
}

/** Days and longer, by local date. */
class CalendarGrid implements Grid {
  readonly every: string;
  readonly tz: string;
  readonly stepMs: number;
  readonly #count: number;
  readonly #unit: Unit;
  readonly #zone: TimeZone;

  constructor(count: number, unit: Unit, zone: TimeZone) {
    this.every = `${count}${unit}`;
    this.tz = zone.name;
    this.stepMs = count * unitMs[unit];
    this.#count = count;
    this.#unit = unit;
    this.#zone = zone;
  }

  startOf(ms: number): number {
    const index = this.#indexOf(ms + this.#zone.offsetAt(ms));
    // Where a clock is set back over midnight, the evening before comes twice: the second time it belongs to the new day.
    const next = this.#instantOf(index + 1);
    return next <= ms ? next : this.#instantOf(index);
  }

  endOf(startMs: number): number {
    // The start may be the end of a jump over midnight; its wall time is then past it, and in the same bucket.
    return this.#instantOf(this.#indexOf(startMs + this.#zone.offsetAt(startMs)) + 1);
  }

  isMadeOf(widthMs: number, range: TimeRange): boolean {
    if (dayMs % widthMs !== 0) return false;
    return keepsTo(this.#zone, widthMs, widened(range, this));
  }

  /** Number of the bucket that holds a wall time. */
  #indexOf(wallMs: number): number {
    const date = new Date(wallMs);
    return Math.floor(this.#units(date) / this.#count);
  }

  #units(date: Date): number {
    switch (this.#unit) {
      case 'd':
        return Math.floor(date.getTime() / dayMs);
      case 'w':
        // 1970-01-01 was a Thursday; week 0 began on the Monday before.
        return Math.floor((date.getTime() / dayMs + 3) / 7);
      case 'mo':
        return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
      case 'y':
        return date.getUTCFullYear() - 1970;
    }
  }

  #instantOf(index: number): number {
    return this.#zone.instantOf(this.#wallOf(index * this.#count));
  }

  #wallOf(units: number): number {
    const date = new Date(0);
    switch (this.#unit) {
      case 'd':
        return units * dayMs;
      case 'w':
        return (units * 7 - 3) * dayMs;
      case 'mo':
        return date.setUTCFullYear(1970, units, 1);
      case 'y':
        return date.setUTCFullYear(1970 + units, 0, 1);
    }
  }
}

function invalid(message: string): FoglineError {
  return new FoglineError('query_invalid', message);
}
