/** What a commit put out, as objects to print: one a reading or window, with stable keys. What is as usual is left out. */

import { readAggregate } from '@fogline/shared/aggregate/names';
import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings } from '@fogline/shared/codec/readings';
import {
  flagQualityMask,
  flagText,
  quality,
  type ReadingColumns,
  type SeriesDefinition,
  type WindowColumns,
} from '@fogline/shared/reading';
import { formatDuration } from '@fogline/shared/units';
import { blockOf, type CommitRecord } from '../journal/commit-record.ts';

export type OutputLine = Readonly<Record<string, unknown>> & { readonly kind: string };

/** Names of aggregates, by stream. */
export type ComputedOf = (stream: string) => readonly string[];

export function* outputLines(
  record: CommitRecord,
  definitionOf: (series: number) => SeriesDefinition,
  computedOf: ComputedOf,
): Generator<OutputLine> {
  for (const output of record.outputs) {
    const block = blockOf(record, output);
    if (output.kind === 'readings') yield* readingLines(decodeReadings(block), definitionOf);
    else yield* windowLines(decodeWindows(block), definitionOf, computedOf);
  }
  for (const { alarm, device, phase, at, call } of record.actions)
    yield { kind: 'action', time: isoOf(at), alarm, device, phase, call };
}

const qualityNames = new Map<number, string>(Object.entries(quality).map(([name, value]) => [value, name]));

function* readingLines(
  { count, series, time, value, flags, strings }: ReadingColumns,
  definitionOf: (series: number) => SeriesDefinition,
): Generator<OutputLine> {
  for (let row = 0; row < count; row++) {
    const definition = definitionOf(series[row] ?? 0);
    const rowFlags = flags[row] ?? 0;
    const number = value[row] ?? 0;
    const isBoolean = definition.type === 'boolean';
    const rowQuality = rowFlags & flagQualityMask;
    yield {
      kind: 'reading',
      stream: definition.stream,
      time: isoOf(time[row] ?? 0),
      ...identityOf(definition),
      value: (rowFlags & flagText) !== 0 ? (strings[number] ?? '') : isBoolean ? number === 1 : number,
      ...(definition.unit === '' ? {} : { unit: definition.unit }),
      ...(rowQuality === quality.good ? {} : { quality: qualityNames.get(rowQuality) }),
    };
  }
}

function* windowLines(
  { count, series, start, delta, partial }: WindowColumns,
  definitionOf: (series: number) => SeriesDefinition,
  computedOf: ComputedOf,
): Generator<OutputLine> {
  for (let row = 0; row < count; row++) {
    const definition = definitionOf(series[row] ?? 0);
    const { stream, widthMs, unit } = definition;
    const whole = Partial.decode(partial[row] ?? new Uint8Array(0));
    yield {
      kind: 'window',
      stream,
      start: isoOf(start[row] ?? 0),
      width: formatDuration(widthMs),
      ...identityOf(definition),
      ...Object.fromEntries(computedOf(stream).map((name) => [name, readAggregate(name, whole)])),
      ...(unit === '' ? {} : { unit }),
      // Late readings, to be merged with the window that was put out before.
      ...(delta[row] === 1 ? { delta: true } : {}),
    };
  }
}

function identityOf({ device, metric, tags }: SeriesDefinition) {
  return { device, ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }), metric };
}

export function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
