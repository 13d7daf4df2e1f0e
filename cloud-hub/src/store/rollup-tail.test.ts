import { Partial } from '@fogline/shared/aggregate/partial';
import { flagText, quality, type ReadingColumns } from '@fogline/shared/reading';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { levels } from './levels.ts';
import { RollupTail } from './rollup-tail.ts';

const t0 = Date.UTC(2026, 0, 1);

type Row = readonly [timeMs: number, value: number, flags: number];

const flags = fc.constantFrom(quality.good, quality.good, quality.good, quality.uncertain, quality.bad, flagText);
const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(-0, 0, 0.1, 21.5));
/** Dense runs are summed up as they come, sparse ones wait; the same buckets get both. */
const run = fc.constantFrom(40, 3_000, 400_000, 200_000_000).chain((spanMs) =>
  fc.array(fc.tuple(fc.integer({ min: t0 - spanMs, max: t0 + spanMs }), value, flags), {
    minLength: 1,
    maxLength: 150,
  }),
);

function columnsOf(rows: readonly Row[]): ReadingColumns {
  return {
    count: rows.length,
    series: new Uint32Array(rows.length).fill(1),
    time: Float64Array.from(rows, ([timeMs]) => timeMs),
    value: Float64Array.from(rows, ([, each]) => each),
    flags: Uint8Array.from(rows, ([, , each]) => each),
    strings: [],
  };
}

function tailOf(runs: readonly (readonly Row[])[]): RollupTail {
  const tail = new RollupTail();
  for (const rows of runs) {
    const columns = columnsOf(rows);
    tail.addRun(columns, 0, rows.length, 1);
    // As memory that is used again.
    columns.value.fill(Number.NaN);
    columns.time.fill(Number.NaN);
  }
  return tail;
}

function naive(runs: readonly (readonly Row[])[]): Map<string, string> {
  const partials = new Map<string, Partial>();
  for (const [timeMs, each, own] of runs.flat()) {
    if (own === quality.bad || own === flagText) continue;
    for (const [level, levelMs] of levels.entries()) {
      const key = `${level} ${Math.floor(timeMs / levelMs) * levelMs}`;
      const partial = partials.get(key) ?? Partial.empty();
      partial.add(timeMs, each);
      partials.set(key, partial);
    }
  }
  return new Map([...partials].map(([key, partial]) => [key, hex(partial)]));
}

function visited(tail: RollupTail): Map<string, string> {
  const seen = new Map<string, string>();
  tail.visit(1, {
    bucket: (level, startMs, partial) => void seen.set(`${level} ${startMs}`, hex(partial)),
    overflow: () => expect.unreachable(),
  });
  return seen;
}

function hex(partial: Partial): string {
  return Buffer.from(partial.encode()).toString('hex');
}

describe('the tail of the roll-ups', () => {
  it('gives the bytes of a plain computation, whether readings wait or are summed up at once', () => {
    fc.assert(
      fc.property(fc.array(run, { maxLength: 6 }), (runs) => {
        const tail = tailOf(runs);
        expect(visited(tail)).toEqual(naive(runs));
        // Reading takes nothing away.
        expect(visited(tail)).toEqual(naive(runs));
      }),
      { numRuns: 300 },
    );
  });

  it('sums up dense runs and lets sparse ones wait', () => {
    const dense = Array.from({ length: 8_000 }, (_, i): Row => [t0 + i, i, quality.good]);
    const sparse = Array.from({ length: 1_000 }, (_, i): Row => [t0 + i * 10_000, i, quality.good]);
    expect(tailOf([dense]).load).toBeLessThan(2_000);
    expect(tailOf([sparse]).load).toBe(1_000);
  });
});
