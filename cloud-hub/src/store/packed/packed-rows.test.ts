/** What is packed comes back byte for byte, whatever the readings are; ordinary sensors take few bytes a row. */
import { Partial } from '@fogline/shared/aggregate/partial';
import { Spread } from '@fogline/shared/aggregate/spread';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RollupRow } from '../read.ts';
import { PackedRows, packedRowsMax, packRows, unpackRows } from './packed-rows.ts';

const minute = 60_000;
const t0 = Date.UTC(2026, 0, 1);
const everything = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

const hex = (rows: readonly RollupRow[]): [number, string][] =>
  rows.map(({ startMs, partial }) => [startMs, Buffer.from(partial).toString('hex')]);

/** Minute rows of readings once a second. */
function minutesOf(rows: number, valueAt: (second: number) => number, stepMs = 1000): RollupRow[] {
  return Array.from({ length: rows }, (_, row) => {
    const partial = Partial.empty();
    for (let ms = 0; ms < minute; ms += stepMs) {
      partial.add(t0 + row * minute + ms, valueAt((row * minute + ms) / 1000));
    }
    return { startMs: t0 + row * minute, partial: partial.encode() };
  });
}

const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -3000, max: 3000 }).map((n) => n / 100) },
  fc.integer({ min: -100, max: 100 }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 0, 5e-324, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, 0.1 + 0.2),
);
/** Nothing keeps an agent from windows that tell of times outside of them. */
const ms = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: minute - 1 }) },
  fc.integer({ min: -3 * minute, max: 4 * minute }),
);
const reading = fc.record({ ms, value });
const row = fc.record({
  gap: fc.integer({ min: 1, max: 3 }),
  readings: fc.array(reading, { maxLength: 8 }),
  held: fc.array(fc.record({ ms: fc.integer({ min: 1, max: 1e6 }), value }), { maxLength: 2 }),
  hasSketch: fc.boolean(),
  isWhole: fc.boolean(),
});

function rowsOf(shapes: readonly (typeof row extends fc.Arbitrary<infer T> ? T : never)[]): RollupRow[] {
  let startMs = t0 - 5 * minute;
  return shapes.map(({ gap, readings, held, hasSketch, isWhole }) => {
    startMs += gap * minute;
    const partial = Partial.empty({ sketch: hasSketch });
    for (const { ms: at, value: own } of readings) partial.add(startMs + (isWhole ? at - (at % 1000) : at), own);
    for (const { ms: lasting, value: own } of held) partial.addHeld(own, lasting);
    return { startMs, partial: partial.encode() };
  });
}

describe('packed rows', () => {
  it('come back byte for byte, of any readings, held values and sketches', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), (shapes) => {
        const rows = rowsOf(shapes);
        expect(hex(unpackRows(packRows(rows, minute), minute, ...everything))).toEqual(hex(rows));
      }),
      { numRuns: 400 },
    );
  });

  it('tell spreads and sums as their partials do', () => {
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), (shapes) => {
        const rows = rowsOf(shapes);
        const packed = new PackedRows(packRows(rows, minute), minute);
        const expected = rows.map(({ startMs, partial }) => ({ startMs, spread: Spread.of(partial), rows: 1 }));
        expect(packed.spreads(...everything, { hasSum: false, stepMs: minute })).toStrictEqual(expected);
        const stepMs = 7 * minute;
        const merged = [...Map.groupBy(expected, ({ startMs }) => Math.floor(startMs / stepMs)).values()].map((own) => {
          const spread = new Spread();
          for (const each of own) spread.mergeSpread(each.spread);
          return { startMs: own[0]?.startMs, spread, rows: own.length };
        });
        expect(packed.spreads(...everything, { hasSum: false, stepMs })).toStrictEqual(merged);
        for (const [index, { spread }] of packed.spreads(...everything, { hasSum: true, stepMs }).entries()) {
          const partial = Partial.decode(rows[index]?.partial ?? new Uint8Array());
          expect([spread.count, spread.sumValue(), spread.mean()]).toStrictEqual([
            partial.count,
            partial.sumValue(),
            partial.mean(),
          ]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('come back of one kind of values: decimals, integers, float32, full doubles, both signs', () => {
    const kinds = [
      fc.integer({ min: -5000, max: 5000 }).map((n) => n / 100),
      fc.integer({ min: 1, max: 5_000_000 }).map((n) => n / 1000),
      fc.integer({ min: -1e9, max: 1e9 }),
      fc.float({ min: 1, max: 1000, noNaN: true }),
      fc.double({ min: 1, max: 1000, noNaN: true }),
    ];
    for (const kind of kinds) {
      const windows = fc.array(fc.array(kind, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 20 });
      fc.assert(
        fc.property(windows, (values) => {
          const rows = values.map((own, i) => {
            const partial = Partial.empty();
            for (const [j, each] of own.entries()) partial.add(t0 + i * minute + j * 250, each);
            return { startMs: t0 + i * minute, partial: partial.encode() };
          });
          expect(hex(unpackRows(packRows(rows, minute), minute, ...everything))).toEqual(hex(rows));
        }),
        { numRuns: 60 },
      );
    }
  });

  it('are read in part, by a range of starts', () => {
    const rows = minutesOf(100, (second) => Math.round(2000 + 100 * Math.sin(second / 500)) / 100);
    const packed = packRows(rows, minute);
    const [fromMs, toMs] = [t0 + 17 * minute, t0 + 60 * minute];
    expect(hex(unpackRows(packed, minute, fromMs, toMs))).toEqual(hex(rows.slice(17, 60)));
    expect(unpackRows(packed, minute, t0 + 100 * minute, t0 + 200 * minute)).toEqual([]);
  });

  it('take at most 12 bytes a one-minute row of a reading a second with two decimals and noise', () => {
    let seed = 1;
    const noise = (): number => {
      seed = (seed * 48_271) % 0x7fffffff;
      return seed / 0x7fffffff - 0.5;
    };
    const rows = minutesOf(2048, (second) => Math.round(2137 + 300 * Math.sin(second / 13_750) + 20 * noise()) / 100);
    expect(packRows(rows, minute).length / rows.length).toBeLessThan(12);
  });

  it('hold up to 4,096 rows', () => {
    const rows = minutesOf(packedRowsMax, (second) => second % 7, 30_000);
    expect(hex(unpackRows(packRows(rows, minute), minute, ...everything))).toEqual(hex(rows));
  });

  it('refuse what is no block, in bounded time', () => {
    const packed = packRows(
      minutesOf(50, (second) => (second % 97) / 10),
      minute,
    );
    fc.assert(
      fc.property(fc.nat({ max: packed.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Uint8Array.from(packed);
        damaged[at] = (damaged[at] as number) ^ flip;
        try {
          unpackRows(damaged, minute, ...everything);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
    expect(() => unpackRows(Uint8Array.of(9), minute, ...everything)).toThrow('format 9');
  });
});
