/** What was seen of one field of one topic, or of several together: its type, range, steps, and whether it tells the time. */

const changesMax = 256;
/** With fewer, nothing is said of how a field moves. */
const changesMin = 8;
const textsMax = 16;
const dayMs = 86_400_000;

export const epochUnits = ['s', 'ms', 'us', 'ns'] as const;
/** `iso_local` tells no offset. */
export type TimeKind = (typeof epochUnits)[number] | 'iso' | 'iso_local';

const unitsPerMs: Readonly<Record<(typeof epochUnits)[number], number>> = { s: 0.001, ms: 1, us: 1e3, ns: 1e6 };

export class FieldStats {
  readonly counts = { number: 0, boolean: 0, text: 0, other: 0 };
  min = Number.POSITIVE_INFINITY;
  max = Number.NEGATIVE_INFINITY;
  /** Most digits after the point. */
  decimals = 0;
  /** From each value to the next of the same topic, absolute. */
  readonly changes: number[] = [];
  falls = 0;
  readonly texts = new Set<string>();
  /** Values that read as a time near their arrival, by how they would be written, with the largest distance. */
  readonly times = new Map<TimeKind, { count: number; offsetMs: number }>();
  /** Values that came when they were published, and can so be compared with their arrival. */
  fresh = 0;
  #last: number | undefined;

  /** `atMs` is undefined when the broker had kept the message. */
  add(value: unknown, atMs: number | undefined): void {
    if (atMs !== undefined) this.fresh++;
    if (typeof value === 'number') this.#addNumber(value, atMs);
    else if (typeof value === 'boolean') this.counts.boolean++;
    else if (typeof value === 'string') this.#addText(value, atMs);
    else this.counts.other++;
  }

  get total(): number {
    const { number, boolean, text, other } = this.counts;
    return number + boolean + text + other;
  }

  /** The same field of another topic. */
  merge(other: FieldStats): void {
    for (const kind of ['number', 'boolean', 'text', 'other'] as const) this.counts[kind] += other.counts[kind];
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
    this.decimals = Math.max(this.decimals, other.decimals);
    this.falls += other.falls;
    this.fresh += other.fresh;
    this.changes.push(...other.changes.slice(0, changesMax));
    for (const text of other.texts) if (this.texts.size < textsMax) this.texts.add(text);
    for (const [kind, { count, offsetMs }] of other.times) {
      const mine = this.times.get(kind) ?? { count: 0, offsetMs: 0 };
      this.times.set(kind, { count: mine.count + count, offsetMs: Math.max(mine.offsetMs, offsetMs) });
    }
  }

  #addNumber(value: number, atMs: number | undefined): void {
    this.counts.number++;
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
    this.decimals = Math.max(this.decimals, /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0);
    if (this.#last !== undefined) {
      if (this.changes.length < changesMax) this.changes.push(Math.abs(value - this.#last));
      if (value < this.#last) this.falls++;
    }
    this.#last = atMs === undefined ? undefined : value;
    for (const unit of epochUnits) this.#noteTime(unit, value / unitsPerMs[unit], atMs);
  }

  #addText(value: string, atMs: number | undefined): void {
    this.counts.text++;
    if (this.texts.size < textsMax) this.texts.add(value);
    const match = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/i.exec(value);
    if (match === null) return;
    const isLocal = match[1] === undefined;
    this.#noteTime(isLocal ? 'iso_local' : 'iso', Date.parse(`${value.replace(',', '.')}${isLocal ? 'Z' : ''}`), atMs);
  }

  #noteTime(kind: TimeKind, timeMs: number, atMs: number | undefined): void {
    if (atMs === undefined) return;
    const offsetMs = Math.abs(timeMs - atMs);
    if (!(offsetMs <= dayMs)) return;
    const seen = this.times.get(kind) ?? { count: 0, offsetMs: 0 };
    this.times.set(kind, { count: seen.count + 1, offsetMs: Math.max(seen.offsetMs, offsetMs) });
  }
}

export type FieldKind = 'number' | 'boolean' | 'text' | 'mixed';

/** The one type all its values had. */
export function kindOf({ counts, total }: FieldStats): FieldKind {
  return (['number', 'boolean', 'text'] as const).find((kind) => counts[kind] === total) ?? 'mixed';
}

/** How the field tells the time of its message, when every fresh value of it did. */
export function timeKindOf({ times, fresh }: FieldStats): TimeKind | undefined {
  const [found] = [...times].filter(([, { count }]) => count === fresh);
  return found?.[0];
}

/** It grew all the time: a counter, which no deadband suits. */
export function isCounter({ changes, falls }: FieldStats): boolean {
  return changes.length >= changesMin && falls === 0 && changes.every((change) => change > 0);
}

const noiseShare = 0.75;

export interface DeadbandHint {
  readonly threshold: number;
  /** Share of the steps seen that are smaller. */
  readonly share: number;
}

/** A round number that three of four steps from value to value stay below; undefined when too little was seen, or nothing moved. */
export function deadbandOf(stats: FieldStats): DeadbandHint | undefined {
  const { changes, decimals } = stats;
  if (kindOf(stats) !== 'number' || changes.length < changesMin || isCounter(stats)) return undefined;
  const sorted = changes.toSorted((a, b) => a - b);
  const step = sorted[Math.floor(noiseShare * (sorted.length - 1))] ?? 0;
  if ((sorted.at(-1) ?? 0) === 0) return undefined;
  const threshold = roundUp(Math.max(step, 10 ** -decimals));
  return { threshold, share: changes.filter((change) => change < threshold).length / changes.length };
}

/** To 1, 2 or 5 times a power of ten. */
function roundUp(value: number): number {
  const power = Math.floor(Math.log10(value));
  for (const digit of [1, 2, 5, 10]) {
    const round = Number(`${digit}e${power}`);
    // A little tolerance: 0.2 may come as 0.20000000000000284, the difference of two readings.
    if (round >= value * (1 - 1e-9)) return round;
  }
  return Number(`1e${power + 1}`);
}
