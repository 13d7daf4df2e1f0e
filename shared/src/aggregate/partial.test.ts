import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasCode } from '../errors.ts';
import { ByteWriter } from './bytes.ts';
import { blockMax } from './moments.ts';
import { isLess, mergeEncoded, Partial, writePartialOf } from './partial.ts';
import { Spread } from './spread.ts';
import { type Mergeable, orderFreedom } from './testing/order-freedom.ts';
import { anyTime, anyValue, fromHex, hex, mutation, nearest, squareUnits, sumUnits } from './testing/reference.ts';

type Reading = readonly [time: number, value: number];

const reading: fc.Arbitrary<Reading> = fc.tuple(anyTime, anyValue);
const readings = fc.array(reading, { minLength: 1, maxLength: 40 });

function partialOf(items: readonly Reading[], sketch = false): Partial {
  const partial = Partial.empty({ sketch });
  for (const [time, value] of items) partial.add(time, value);
  return partial;
}

const spreadOf = (of: Spread | Partial) => {
  const { count, min, max, firstTime, firstValue, lastTime, lastValue } = of;
  const extents = count === 0 ? {} : { min, max, firstTime, firstValue, lastTime, lastValue };
  return { count, ...extents, sum: of.sumValue(), mean: of.mean() };
};

test('spreads merge to what the merged partial says', () => {
  fc.assert(
    fc.property(fc.array(fc.array(reading, { maxLength: 6 }), { minLength: 1, maxLength: 8 }), (parts) => {
      const partial = Partial.empty();
      const spread = new Spread();
      for (const items of parts) {
        const own = partialOf(items);
        spread.mergeSpread(Spread.of(own.encode(), true));
        partial.merge(own);
      }
      expect(spreadOf(spread)).toStrictEqual(spreadOf(partial));
    }),
    { numRuns: 300 },
  );
});

function partials(sketch: boolean): Mergeable<Partial, Reading> {
  return {
    empty: () => Partial.empty({ sketch }),
    add: (partial, [time, value]) => partial.add(time, value),
    merge: (partial, other) => partial.merge(other),
    encode: (partial) => partial.encode(),
  };
}

describe('order freedom', () => {
  test('any order, split and merge tree give the same bytes', () => {
    fc.assert(orderFreedom(partials(false), reading), { numRuns: 400 });
    fc.assert(orderFreedom(partials(true), reading, 80), { numRuns: 200 });
  });

  test('merging serialised partials gives the same bytes', () => {
    const encoded: Mergeable<{ bytes: Uint8Array }, Reading> = {
      empty: () => ({ bytes: Partial.empty({ sketch: true }).encode() }),
      add: (state, item) => {
        state.bytes = mergeEncoded(state.bytes, partialOf([item], true).encode());
      },
      merge: (state, other) => {
        state.bytes = mergeEncoded(state.bytes, other.bytes);
      },
      encode: (state) => state.bytes,
    };
    fc.assert(orderFreedom(encoded, reading), { numRuns: 200 });
    fc.assert(
      fc.property(readings, (items) => {
        let bytes = Partial.empty().encode();
        for (const item of items) bytes = mergeEncoded(bytes, partialOf([item]).encode());
        expect(hex(bytes)).toBe(hex(partialOf(items).encode()));
      }),
    );
  });

  test('partials written one after the other from columns have the bytes of partials of their own', () => {
    const rows = fc.array(reading, { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(rows, fc.array(fc.nat({ max: 59 }), { maxLength: 6 }), fc.boolean(), (items, cuts, sketch) => {
        const columns = {
          time: Float64Array.from(items, ([time]) => time),
          value: Float64Array.from(items, ([, value]) => value),
        };
        const bounds = [...new Set([0, ...cuts.filter((cut) => cut < items.length), items.length])].sort(
          (a, b) => a - b,
        );
        const writer = new ByteWriter();
        const expected: string[] = [];
        for (let i = 1; i < bounds.length; i++) {
          const [from, to] = [bounds[i - 1] ?? 0, bounds[i] ?? 0];
          writePartialOf(writer, columns, from, to, { sketch });
          expected.push(hex(partialOf(items.slice(from, to), sketch).encode()));
        }
        expect(hex(writer.finish())).toBe(expected.join(''));
      }),
    );
  });

  test('held time merges in any order', () => {
    const held: Mergeable<Partial, Reading> = {
      ...partials(false),
      add: (partial, [time, value]) => partial.addHeld(value, Math.abs(time) % 86_400_000),
    };
    fc.assert(orderFreedom(held, reading), { numRuns: 200 });
  });

  test('canaries: the property catches plain += and ties broken by arrival', () => {
    const faulty = (isPlain: boolean): Mergeable<{ sum: number; time: number; first: number }, Reading> => ({
      empty: () => ({ sum: 0, time: Infinity, first: 0 }),
      add: (state, [time, value]) => {
        if (isPlain) state.sum += value;
        else if (time < state.time) Object.assign(state, { time, first: value });
      },
      merge: (state, other) => {
        if (isPlain) state.sum += other.sum;
        else if (other.time < state.time) Object.assign(state, { time: other.time, first: other.first });
      },
      encode: (state) => new Uint8Array(Float64Array.of(state.sum, state.first).buffer),
    });
    for (const isPlain of [true, false]) {
      expect(fc.check(orderFreedom(faulty(isPlain), reading), { numRuns: 300 }).failed).toBe(true);
    }
  });

  test('columns give what single readings give', () => {
    const column = fc.array(reading, { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(column, fc.nat(), fc.boolean(), (items, cut, sketch) => {
        const time = Float64Array.from(items, ([at]) => at);
        const value = Float64Array.from(items, ([, of]) => of);
        const middle = cut % (items.length + 1);
        const partial = Partial.empty({ sketch });
        partial.addColumns(time, value, 0, middle);
        partial.addColumns(time, value, middle, items.length);
        expect(hex(partial.encode())).toBe(hex(partialOf(items, sketch).encode()));
      }),
      { numRuns: 300 },
    );
  });

  test('several blocks of a column give what single readings give', () => {
    const count = 2 * blockMax + 300;
    const time = Float64Array.from({ length: count }, (_, i) => 1_700_000_000_000 + ((i * 7919) % count) * 10);
    const value = Float64Array.from({ length: count }, (_, i) => Math.sin(i) * 10 ** ((i % 40) - 20));
    const partial = Partial.empty();
    partial.addColumns(time, value, 0, count);
    expect(hex(partial.encode())).toBe(hex(partialOf(Array.from(time, (at, i) => [at, value[i] ?? 0])).encode()));
  });

  test('a side without readings has no say in whether there is a sketch', () => {
    const withSketch = partialOf([[0, 1]], true);
    const without = partialOf([[0, 2]]);
    const cases: [Partial, Partial, boolean][] = [
      [Partial.empty(), withSketch, true],
      [withSketch, Partial.empty(), true],
      [Partial.empty({ sketch: true }), without, false],
      [withSketch, without, false],
      [without, withSketch, false],
      [Partial.empty({ sketch: true }), Partial.empty(), false],
      [Partial.empty({ sketch: true }), Partial.empty({ sketch: true }), true],
    ];
    for (const [left, right, expected] of cases) {
      const merged = Partial.decode(mergeEncoded(left.encode(), right.encode()));
      expect(merged.hasSketch).toBe(expected);
      expect(merged.count).toBe(left.count + right.count);
    }
  });
});

describe('statistics', () => {
  test('extents are those of the definition', () => {
    fc.assert(
      fc.property(readings, (items) => {
        const partial = partialOf(items);
        const values = items.map(([, value]) => value).sort((a, b) => (isLess(a, b) ? -1 : isLess(b, a) ? 1 : 0));
        const times = items.map(([time]) => time).sort((a, b) => a - b);
        const at = (time: number | undefined) =>
          values.filter((v) => items.some(([t, of]) => t === time && Object.is(of, v)));
        expect(partial.count).toBe(items.length);
        expect(Object.is(partial.min, values[0])).toBe(true);
        expect(Object.is(partial.max, values.at(-1))).toBe(true);
        expect([partial.firstTime, partial.lastTime]).toEqual([times[0], times.at(-1)]);
        expect(Object.is(partial.firstValue, at(times[0])[0])).toBe(true);
        expect(Object.is(partial.lastValue, at(times.at(-1)).at(-1))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('sums, mean and variance are exact and rounded once', () => {
    fc.assert(
      fc.property(readings, (items) => {
        const values = items.map(([, value]) => value);
        const partial = partialOf(items);
        const n = BigInt(values.length);
        const sum = sumUnits(values);
        const squares = squareUnits(values);
        expect(partial.sumValue()).toBe(nearest(sum, 1n) + 0);
        expect(partial.sumSqValue()).toBe(nearest(squares, 1n << 1074n) + 0);
        expect(partial.mean()).toBe(nearest(sum, n) + 0);
        expect(partial.variance()).toBe(nearest(n * squares - sum * sum, (n * n) << 1074n) + 0);
      }),
      { numRuns: 300 },
    );
  });

  test('the standard deviation is the nearest float64 to the root', () => {
    fc.assert(
      fc.property(readings, (items) => {
        const values = items.map(([, value]) => value);
        const n = BigInt(values.length);
        const scaled = n * squareUnits(values) - sumUnits(values) ** 2n;
        const stddev = partialOf(items).stddev();
        // The square of a neighbour's midpoint bounds the variance on both sides (in units of 2^-1076).
        const cell = new DataView(new ArrayBuffer(8));
        cell.setFloat64(0, stddev);
        const bits = cell.getBigUint64(0);
        const neighbour = (offset: bigint) => {
          cell.setBigUint64(0, bits + offset);
          return sumUnits([cell.getFloat64(0)]);
        };
        const middleAbove = neighbour(0n) + neighbour(1n);
        expect(4n * scaled <= (middleAbove * n) ** 2n).toBe(true);
        if (bits === 0n) return;
        const middleBelow = neighbour(0n) + neighbour(-1n);
        expect(4n * scaled >= (middleBelow * n) ** 2n).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['a small spread on a large offset', [1e9 + 0.25, 1e9 + 0.5, 1e9 + 0.75], 1 / 24],
    ['equal values that binary cannot hold', [0.1, 0.1, 0.1], 0],
    ['values whose squares leave the range', [1e300, -1e300], Infinity],
    ['subnormals whose squares vanish', [5e-324, -5e-324], 0],
  ])('variance of %s', (_name, values, expected) => {
    expect(partialOf(values.map((value) => [0, value])).variance()).toBe(expected);
  });

  test('the standard deviation exists where the variance leaves the range', () => {
    const spread = (value: number) => {
      const partial = partialOf([[0, value]]);
      partial.add(0, -value);
      return partial.stddev();
    };
    expect([spread(1e300), spread(5e-324)]).toEqual([1e300, 5e-324]);
  });

  test('the mean exists where the sum leaves the range', () => {
    const partial = Partial.empty();
    for (let i = 0; i < 1000; i++) partial.add(i, 1e308);
    expect(partial.sumValue()).toBe(Infinity);
    expect(partial.mean()).toBe(1e308);
  });

  test('the time-weighted mean weighs by held time', () => {
    const partial = Partial.empty();
    partial.addHeld(10, 3000);
    partial.addHeld(20, 1000);
    expect([partial.heldMs, partial.heldIntegralValue(), partial.timeWeightedMean()]).toEqual([4000, 50_000, 12.5]);
    const again = Partial.decode(partial.encode());
    expect([again.heldMs, again.timeWeightedMean(), again.count]).toEqual([4000, 12.5, 0]);
  });

  test('an empty partial has no statistics', () => {
    const empty = Partial.empty({ sketch: true });
    expect([empty.mean(), empty.variance(), empty.stddev(), empty.timeWeightedMean(), empty.quantile(0.5)]).toEqual(
      new Array(5).fill(Number.NaN),
    );
  });

  test('refuses values that are not finite, at once', () => {
    for (const value of [Number.NaN, Infinity, -Infinity]) {
      expect(() => Partial.empty().add(0, value)).toThrow('invariant');
      for (const others of [0, 1, Number.MAX_VALUE]) {
        for (const row of [0, 50, 51, 100]) {
          const column = new Float64Array(101).fill(others);
          column[row] = value;
          expect(() => Partial.empty().addColumns(new Float64Array(101), column, 0, 101)).toThrow('invariant');
        }
      }
    }
  });

  test('takes columns whose sum is beyond float64', () => {
    const partial = Partial.empty();
    const column = new Float64Array(100).fill(Number.MAX_VALUE);
    partial.addColumns(
      column.map((_, i) => i),
      column,
      0,
      100,
    );
    expect([partial.min, partial.mean(), partial.sumValue()]).toEqual([Number.MAX_VALUE, Number.MAX_VALUE, Infinity]);
  });

  test('counts beyond 2^53 are an error, not a loss', () => {
    let bytes = partialOf([[0, 0]]).encode();
    for (let i = 0; i < 52; i++) bytes = mergeEncoded(bytes, bytes);
    expect(Partial.decode(bytes).count).toBe(2 ** 52);
    expect(() => mergeEncoded(bytes, bytes)).toThrow(expect.objectContaining({ code: 'limit_exceeded' }));
  });
});

describe('codec', () => {
  test('decodes to what was encoded', () => {
    fc.assert(
      fc.property(readings, fc.boolean(), fc.nat(100_000), (items, sketch, held) => {
        const partial = partialOf(items, sketch);
        if (held > 50_000) partial.addHeld(items[0]?.[1] ?? 0, held);
        const bytes = partial.encode();
        const again = Partial.decode(bytes);
        expect(hex(again.encode())).toBe(hex(bytes));
        const state = (of: Partial) => [
          of.count,
          of.min,
          of.max,
          of.firstTime,
          of.lastTime,
          of.mean(),
          of.quantile(0.3),
        ];
        expect(state(again)).toEqual(state(partial));
        again.add(5, 7);
        partial.add(5, 7);
        expect(hex(again.encode())).toBe(hex(partial.encode()));
      }),
      { numRuns: 300 },
    );
  });

  test('one reading of a sensor takes ten bytes, many equal readings a few more', () => {
    expect(partialOf([[1_700_000_000_123, 21.37]]).encode()).toHaveLength(10);
    expect(partialOf([[1_700_000_000_000, 21.37]]).encode()).toHaveLength(9);
    expect(
      partialOf(
        Array.from({ length: 60 }, (): Reading => [1_700_000_000_000, 21.37]),
        true,
      ).encode(),
    ).toHaveLength(11);
  });

  test('damaged bytes are refused or are another canonical partial, and cost nothing else', () => {
    const check = (decode: (bytes: Uint8Array) => Partial) =>
      fc.property(
        readings,
        fc.boolean(),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (items, sketch, mutations) => {
          const partial = partialOf(items, sketch);
          partial.addHeld(1.5, items.length % 3);
          const bytes = mutations.reduce<Uint8Array>((damaged, mutate) => mutate(damaged), partial.encode());
          try {
            return hex(decode(bytes).encode()) === hex(bytes);
          } catch (error) {
            return hasCode(error, 'codec_corrupt', 'codec_version');
          }
        },
      );
    fc.assert(check(Partial.decode), { numRuns: 3000 });
    const lax = (bytes: Uint8Array) => Partial.decode(mergeEncoded(bytes, Partial.empty({ sketch: true }).encode()));
    expect(fc.check(check(lax), { numRuns: 3000 }).failed).toBe(true);
  });

  test('whatever is accepted merges the same in either order', () => {
    fc.assert(
      fc.property(readings, readings, mutation, fc.boolean(), (items, others, mutate, sketch) => {
        const other = partialOf(others, sketch).encode();
        const damaged = mutate(partialOf(items, sketch).encode());
        try {
          Partial.decode(damaged);
        } catch {
          return;
        }
        expect(hex(mergeEncoded(damaged, other))).toBe(hex(mergeEncoded(other, damaged)));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['first above last at one time, of two', '1c80c49fd50c0200a29604c13501', '1c80c49fd50c0200a29604c13504'],
    [
      'first is the maximum at one time, of three',
      '1c80c49fd50c0300206001c00100c00300',
      '1c80c49fd50c0300206004c00100c00300',
    ],
    ['two readings of which both are the minimum', '1c80c49fd50c020aa29604c13500', '1c80c49fd50c020aa29604c13504'],
    ['a sum above what the maximum allows', '1c80c49fd50c040a206004a00300801900', '1c80c49fd50c040a206004800200c00400'],
    ['squares below what the sum demands', '1c80c49fd50c040a206004800200e00300', '1c80c49fd50c040a206004800200c00400'],
  ])('%s is refused', (_, impossible, sound) => {
    expect(() => Partial.decode(fromHex(impossible))).toThrow(expect.objectContaining({ code: 'codec_corrupt' }));
    expect(hex(Partial.decode(fromHex(sound)).encode())).toBe(sound);
  });

  test('merging damaged bytes throws or gives something in canonical form', () => {
    fc.assert(
      fc.property(readings, mutation, fc.boolean(), (items, mutate, sketch) => {
        const good = partialOf(items, sketch).encode();
        let merged: Uint8Array;
        try {
          merged = mergeEncoded(mutate(good), good);
        } catch (error) {
          expect(hasCode(error, 'codec_corrupt', 'codec_version', 'limit_exceeded')).toBe(true);
          return;
        }
        // In form, but with sums that no readings have when the damage was in the sums.
        try {
          expect(hex(Partial.decode(merged).encode())).toBe(hex(merged));
        } catch (error) {
          expect(error).toMatchObject({
            message: expect.stringMatching(/that (its|the) readings cannot have/) as unknown,
          });
        }
        // The scratch state of the failed or odd merge does not leak into the next.
        expect(hex(mergeEncoded(good, Partial.empty().encode()))).toBe(hex(good));
      }),
      { numRuns: 1000 },
    );
  });

  test('a later version is named as such', () => {
    for (const head of [1, 2, 3, 0x31]) {
      expect(() => Partial.decode(Uint8Array.of(head, 0, 0))).toThrow(
        expect.objectContaining({ code: 'codec_version' }),
      );
    }
  });

  test('times that are no whole milliseconds are a programming error', () => {
    expect(() => partialOf([[0.5, 1]]).encode()).toThrow('invariant');
    expect(() => partialOf([[2 ** 54, 1]]).encode()).toThrow('invariant');
  });
});
