import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { decodeWindows, encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { decodeReadings, encodeReadings } from '@fogline/shared/codec/readings';
import type { BatchPart } from '@fogline/shared/protocol/messages';
import { flagText, quality, type SeriesDefinition } from '@fogline/shared/reading';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { definitionOf } from '../testing/outbox-kit.ts';
import { thin } from './thinning.ts';

const minute = 60_000;
const definitions: SeriesDefinition[] = [
  definitionOf(0),
  { ...definitionOf(1), sampling: 'held' },
  { ...definitionOf(2), type: 'text' },
  { ...definitionOf(3), kind: 'window', widthMs: 10_000, sampling: 'held' },
  { ...definitionOf(4), kind: 'window', widthMs: 7000 },
  { ...definitionOf(5), kind: 'window', widthMs: minute },
];
const define = (series: number): SeriesDefinition => definitions[series] ?? definitionOf(series);

type Reading = readonly [series: number, time: number, value: number, flags: number];
type Window = readonly [series: number, start: number, value: number];

const times = fc.integer({ min: -3 * minute, max: 5 * minute });
const readings = fc.array(
  fc.oneof(
    fc.tuple(fc.nat(1), times, fc.nat(99), fc.constantFrom(quality.good, quality.good, quality.uncertain, quality.bad)),
    fc.tuple(fc.constant(2), times, fc.nat(1), fc.constant(flagText)),
  ),
  { maxLength: 30 },
);
const windows = fc.array(fc.tuple(fc.integer({ min: 3, max: 5 }), fc.integer({ min: -3, max: 30 }), fc.nat(99)), {
  maxLength: 20,
});

function readingsPart(rows: readonly Reading[]): BatchPart {
  const sorted = [...rows].sort((a, b) => a[0] - b[0]);
  const columns = {
    count: sorted.length,
    series: Uint32Array.from(sorted, ([series]) => series),
    time: Float64Array.from(sorted, ([, time]) => time),
    value: Float64Array.from(sorted, ([, , value]) => value),
    flags: Uint8Array.from(sorted, ([, , , flags]) => flags),
    strings: ['on', 'off'],
  };
  return { kind: 'readings', bytes: encodeReadings(columns, 'fast') };
}

function windowsPart(rows: readonly Window[]): BatchPart {
  const sorted = [...rows].sort((a, b) => a[0] - b[0]);
  const partial = sorted.map(([, start, value]) => {
    const one = Partial.empty();
    one.add(start, value);
    return one.encode();
  });
  const columns = {
    count: sorted.length,
    series: Uint32Array.from(sorted, ([series]) => series),
    start: Float64Array.from(sorted, ([, start]) => start),
    delta: new Uint8Array(sorted.length),
    partial,
  };
  return { kind: 'windows', bytes: encodeWindows(columns) };
}

/** `series:start` → items and partial, one item after the other. */
function naive(thinned: readonly (readonly [series: number, time: number, value: number])[]) {
  const minutes = new Map<string, { items: number; partial: Partial }>();
  for (const [series, time, value] of thinned) {
    const key = `${series}:${Math.floor(time / minute) * minute}`;
    const known = minutes.get(key) ?? { items: 0, partial: Partial.empty() };
    known.items++;
    known.partial.add(time, value);
    minutes.set(key, known);
  }
  return Object.fromEntries([...minutes].map(([key, { items, partial }]) => [key, [items, hex(partial.encode())]]));
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');

it('makes minutes of all that can be one, each item once, and leaves the rest as it is', () => {
  fc.assert(
    fc.property(fc.array(readings, { maxLength: 4 }), fc.array(windows, { maxLength: 3 }), (left, right) => {
      const blocks = [
        ...left.filter((rows) => rows.length > 0).map(readingsPart),
        ...right.map((rows) =>
          windowsPart(rows.map(([series, n, value]): Window => [series, n * define(series).widthMs, value])),
        ),
      ];
      const parts = thin(blocks, define) ?? blocks.map((part) => ({ ...part, count: 0, hours: [] }));
      const all = left.flat();
      const opened = right.flat().map(([series, n, value]): Window => [series, n * define(series).widthMs, value]);
      const isThinned = ([series, , , flags]: Reading): boolean => series === 0 && flags === quality.good;
      const expected = naive([
        ...all.filter(isThinned).map(([series, time, value]) => [series, time, value] as const),
        ...opened.filter(([series]) => series === 3),
      ]);
      const found: Record<string, unknown> = {};
      const rest: string[] = [];
      for (const { kind, bytes } of parts) {
        if (kind === 'thinned') {
          const { count, series, start, items, partial } = decodeThinned(bytes);
          for (let i = 0; i < count; i++) found[`${series[i]}:${start[i]}`] = [items[i], hex(partial[i])];
        } else if (kind === 'readings') {
          const { count, series, time, value, flags, strings } = decodeReadings(bytes);
          for (let i = 0; i < count; i++)
            rest.push([series[i], time[i], flags[i] === flagText ? strings[value[i] ?? 0] : value[i], flags[i]].join());
        } else {
          const { count, series, start, partial } = decodeWindows(bytes);
          for (let i = 0; i < count; i++)
            rest.push([series[i], start[i], Partial.decode(partial[i] ?? new Uint8Array()).min].join());
        }
      }
      expect(found).toEqual(expected);
      const stays = [
        ...all
          .filter((reading) => !isThinned(reading))
          .map(([series, time, value, flags]) =>
            [series, time, flags === flagText ? ['on', 'off'][value] : value, flags].join(),
          ),
        ...opened.filter(([series]) => series !== 3).map((one) => one.join()),
      ];
      expect(rest.sort()).toEqual(stays.sort());
      if (Object.keys(expected).length > 0)
        expect(parts.reduce((sum, { count }) => sum + count, 0)).toBe(all.length + opened.length);
    }),
    { numRuns: 200 },
  );
});

it('gives nothing where nothing can be a minute', () => {
  expect(thin([readingsPart([[1, 0, 1, 0]])], define)).toBeUndefined();
  expect(thin([windowsPart([[5, 0, 1]])], define)).toBeUndefined();
});
