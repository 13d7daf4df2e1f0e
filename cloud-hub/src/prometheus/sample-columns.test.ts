import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SampleColumns } from './sample-columns.ts';

type Sample = readonly [time: number, value: number];

const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: -5, max: 5 })), {
  maxLength: 100,
});

function fill(columns: SampleColumns, rows: readonly Sample[]): void {
  columns.reserve(rows.length);
  for (const [time, value] of rows) columns.push(time, value);
}

/** One a time, the greatest; ascending. */
function naive(rows: readonly Sample[]): Sample[] {
  const byTime = new Map<number, number>();
  for (const [time, value] of rows) byTime.set(time, Math.max(value, byTime.get(time) ?? Number.NEGATIVE_INFINITY));
  return [...byTime].sort(([a], [b]) => a - b);
}

function contentOf(columns: SampleColumns): Sample[] {
  const { times, values } = columns.ordered();
  return Array.from(times, (time, row) => [time, values[row] ?? Number.NaN]);
}

it('samples in any order come out ascending, one a time, the greatest of several', () => {
  fc.assert(
    fc.property(samples, (rows) => {
      const columns = new SampleColumns();
      fill(columns, rows);
      expect(contentOf(columns)).toEqual(naive(rows));
    }),
  );
});

it('thinned as they come, the latest sample at each instant is the same', () => {
  const instants = fc
    .uniqueArray(fc.integer({ min: -10, max: 70 }), { maxLength: 40 })
    .map((list) => Float64Array.from(list).sort());
  const latestAt = (rows: readonly Sample[], instant: number) => rows.findLast(([time]) => time <= instant);
  fc.assert(
    fc.property(fc.tuple(samples, samples, samples), instants, (parts, times) => {
      const columns = new SampleColumns();
      for (const part of parts) {
        fill(columns, part);
        columns.thin(times);
      }
      const all = naive(parts.flat());
      const thinned = contentOf(columns);
      for (const instant of times) expect(latestAt(thinned, instant)).toEqual(latestAt(all, instant));
      expect(thinned.length).toBeLessThanOrEqual(times.length);
    }),
  );
});
