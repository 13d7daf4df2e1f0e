/** What viewers are sent, as JSON text. What many viewers see of one commit is written once. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { flagQualityMask, flagText } from '@fogline/shared/reading';
import { currentValue } from '../query/current-value.ts';
import { qualityNames } from '../query/parts.ts';
import { labelsOf } from '../query/series.ts';
import type { LatestValue, SeriesInfo } from '../store/read.ts';
import type { Chunk } from './change-ring.ts';

const rendered = new WeakMap<Chunk, string>();

/** Rows of one series as they were committed, late ones and deltas with their own times. */
export function chunkText(series: number, chunk: Chunk): string {
  const known = rendered.get(chunk);
  if (known !== undefined) return known;
  const text = JSON.stringify({ series, ...(chunk.kind === 'reading' ? readingRows(chunk) : windowRows(chunk)) });
  rendered.set(chunk, text);
  return text;
}

function readingRows({ columns, from, to }: Extract<Chunk, { kind: 'reading' }>): object {
  const flags = [...columns.flags.subarray(from, to)];
  const stored = [...columns.value.subarray(from, to)];
  const value = stored.map((number, row) =>
    ((flags[row] ?? 0) & flagText) === 0 ? number : (columns.strings[number] ?? ''),
  );
  const quality = flags.map((bits) => qualityNames[bits & flagQualityMask] ?? 'bad');
  return { time: [...columns.time.subarray(from, to)], value, quality };
}

function windowRows({ columns, from, to }: Extract<Chunk, { kind: 'window' }>): object {
  const partials = columns.partial.slice(from, to).map((bytes) => Partial.decode(bytes));
  return {
    time: [...columns.start.subarray(from, to)],
    widthMs: [...columns.widthMs.subarray(from, to)],
    delta: Array.from(columns.delta.subarray(from, to), (bit) => bit === 1),
    count: partials.map(({ count }) => count),
    mean: partials.map((partial) => partial.mean()),
    min: partials.map(({ min }) => min),
    max: partials.map(({ max }) => max),
  };
}

/** A series and its value now; without one `timeMs` is null. `skipped`: items committed since it was told last that are not shown. */
export function currentText(info: SeriesInfo, latest: LatestValue | undefined, skipped?: number): string {
  return JSON.stringify({
    series: info.id,
    labels: labelsOf(info),
    ...(latest === undefined ? { timeMs: null } : { timeMs: latest.timeMs, ...currentValue(latest, info.widthMs) }),
    ...(skipped === undefined ? {} : { skipped }),
  });
}

/** Changes up to `seq` were sent, and the first `told` series of the selection. */
export interface Place {
  readonly seq: number;
  readonly told: number;
}

export type FrameType = 'current' | 'live' | 'committed' | 'skipped' | 'reset';

export interface Frame {
  readonly type: FrameType;
  /** JSON of the fields, without the braces around them. */
  readonly fields: string;
  /** Where to go on after it; undefined where it is in the middle of something. */
  readonly at?: Place;
}
