import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.ts';
import { ExactSum } from './exact-sum.ts';
import { RunSurvey } from './extents.ts';
import { blockMax, Moments } from './moments.ts';
import { type Mergeable, orderFreedom } from './testing/order-freedom.ts';
import { anyValue, hex, hurtful, nearest, squareUnits, sumUnits, unitsOf } from './testing/reference.ts';

const unit = 2148n;

function encode(sum: ExactSum): Uint8Array {
  const writer = new ByteWriter();
  sum.write(writer);
  return writer.finish();
}

/** In units of 2^-2148. */
function exactUnits(sum: ExactSum): bigint {
  const { mantissa, exponent } = sum.exact();
  return mantissa << (BigInt(exponent) + unit);
}

function sumOf(values: Iterable<number>): ExactSum {
  const sum = new ExactSum();
  for (const value of values) sum.add(value);
  return sum;
}

const sums: Mergeable<ExactSum, number> = {
  empty: () => new ExactSum(),
  add: (sum, value) => sum.add(value),
  merge: (sum, other) => sum.merge(other),
  encode,
};

describe('ExactSum', () => {
  test('any order, split and merge tree give the same bytes', () => {
    fc.assert(orderFreedom(sums, anyValue), { numRuns: 1500 });
  });

  test('canary: the property catches a plain += sum', () => {
    const plain: Mergeable<{ sum: number }, number> = {
      empty: () => ({ sum: 0 }),
      add: (state, value) => {
        state.sum += value;
      },
      merge: (state, other) => {
        state.sum += other.sum;
      },
      encode: (state) => new Uint8Array(Float64Array.of(state.sum).buffer),
    };
    expect(fc.check(orderFreedom(plain, anyValue), { numRuns: 1500 }).failed).toBe(true);
  });

  test('holds the exact sum and products, and rounds them once', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 30 }), (values) => {
        const sum = sumOf(values);
        const squares = new ExactSum();
        for (const value of values) squares.addProduct(value, value);
        expect(exactUnits(sum)).toBe(sumUnits(values) << 1074n);
        expect(exactUnits(squares)).toBe(squareUnits(values));
        expect(sum.value()).toBe(nearest(sumUnits(values), 1n) + 0);
        expect(squares.value()).toBe(nearest(squareUnits(values), 1n << 1074n) + 0);
      }),
      { numRuns: 1500 },
    );
  });

  test('products of unlike factors are exact', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (left, right) => {
        const sum = new ExactSum();
        sum.addProduct(left, right);
        expect(exactUnits(sum)).toBe(unitsOf(left) * unitsOf(right));
      }),
    );
  });

  test.each([
    ['cancellation', [1e16, 1, -1e16], 1],
    ['a sum that leaves the range and comes back', [1e308, 1e308, 1e308, -1e308, -1e308], 1e308],
    ['a sum beyond the range', [Number.MAX_VALUE, Number.MAX_VALUE], Infinity],
    ['a sum below the range', [-1e308, -1e308], -Infinity],
    ['half a unit above the greatest value', [Number.MAX_VALUE, 2 ** 970], Infinity],
    [
      'just less than half a unit above the greatest value',
      [Number.MAX_VALUE, 2 ** 970, -(2 ** -1074)],
      Number.MAX_VALUE,
    ],
    ['subnormals', [2 ** -1074, 2 ** -1074, 2 ** -1022], 2 ** -1022 + 2 ** -1073],
    ['a tie to even', [2 ** 53, 1], 2 ** 53],
    ['a tie broken far below', [2 ** 53, 1, 2 ** -1074], 2 ** 53 + 2],
    ['nothing', [], 0],
    ['negative zeros', [-0, -0], 0],
    ['huge and small in turn', [1e300, 1, -1e300, 1e-300, 1e300, 1, -1e300], 2],
  ])('%s', (_name, values, expected) => {
    expect(Object.is(sumOf(values).value(), expected)).toBe(true);
    expect(Object.is(sumOf(values.toReversed()).value(), expected)).toBe(true);
  });

  test('a million times 1e308 neither overflows on the way nor loses a bit', () => {
    const one = sumOf([1e308]);
    const many = new ExactSum();
    many.addMultiple(one, 1_000_000);
    expect(many.value()).toBe(Infinity);
    many.addMultiple(sumOf([-1e308]), 999_999);
    expect(hex(encode(many))).toBe(hex(encode(one)));
  });

  test('a multiple is repeated addition', () => {
    fc.assert(
      fc.property(anyValue, fc.maxSafeInteger().map(Math.abs), (value, count) => {
        const multiple = new ExactSum();
        multiple.addMultiple(sumOf([value]), count);
        expect(exactUnits(multiple)).toBe((unitsOf(value) * BigInt(count)) << 1074n);
      }),
    );
  });

  test('carries are settled before a limb can lose a bit', () => {
    const sum = new ExactSum();
    const units = 2 ** 28 - 1;
    for (let i = 0; i < 2 ** 24 + 5; i++) sum.addScaled(units, 0);
    expect(exactUnits(sum)).toBe((BigInt(units) * (2n ** 24n + 5n)) << unit);
  });

  test('serialises and reads back exactly', () => {
    fc.assert(
      fc.property(fc.array(anyValue, { maxLength: 20 }), (values) => {
        const squares = new ExactSum();
        for (const value of values) squares.addProduct(value, value);
        for (const sum of [sumOf(values), squares]) {
          const bytes = encode(sum);
          const again = new ExactSum();
          const reader = new ByteReader(bytes);
          again.read(reader);
          expect(reader.at).toBe(bytes.length);
          expect(exactUnits(again)).toBe(exactUnits(sum));
          expect(hex(encode(again))).toBe(hex(bytes));
        }
      }),
      { numRuns: 1500 },
    );
  });

  test('refuses what is not finite', () => {
    expect(() => new ExactSum().add(Number.NaN)).toThrow('invariant');
    expect(() => new ExactSum().addProduct(1, Infinity)).toThrow('invariant');
  });

  test.skipIf(!existsSync('/usr/bin/python3'))(
    'agrees with math.fsum of Python (skipped where Python is absent)',
    () => {
      const cases = fc
        .sample(fc.array(anyValue, { minLength: 1, maxLength: 60 }), { numRuns: 1500, seed: 20_261_120 })
        .map((values) => values.filter((value) => Math.abs(value) < 1e300));
      cases.push(hurtful.filter((value) => Math.abs(value) < 1e300));
      const bits = (value: number) => hex(new Uint8Array(Float64Array.of(value).buffer));
      const script = [
        'import sys, math, struct',
        'for line in sys.stdin.read().split("\\n")[:-1]:',
        '    values = [struct.unpack("<d", bytes.fromhex(word))[0] for word in line.split()]',
        '    print((struct.pack("<d", math.fsum(values) + 0.0)).hex())',
      ].join('\n');
      const input = cases.map((values) => `${values.map(bits).join(' ')}\n`).join('');
      const run = spawnSync('/usr/bin/python3', ['-c', script], { input, encoding: 'utf8' });
      expect(run.stderr).toBe('');
      expect(run.stdout.trim().split('\n')).toEqual(cases.map((values) => bits(sumOf(values).value())));
    },
  );
});

describe('Moments', () => {
  const check = (values: readonly number[]) => {
    const moments = new Moments();
    const column = Float64Array.from(values);
    const survey = new RunSurvey();
    for (let from = 0; from < column.length; from += blockMax) {
      const to = Math.min(column.length, from + blockMax);
      survey.measure(column, column, from, to);
      moments.addColumn(column, from, to, survey);
    }
    expect(exactUnits(moments.sum)).toBe(sumUnits(values) << 1074n);
    expect(exactUnits(moments.sumSq)).toBe(squareUnits(values));
  };

  test('is exact for any mixture of magnitudes', () => {
    fc.assert(fc.property(fc.array(anyValue, { minLength: 1, maxLength: 60 }), check), { numRuns: 1500 });
  });

  test('is exact where values straddle the edge of the grid', () => {
    const near = fc
      .tuple(fc.integer({ min: -14, max: 0 }), fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }), fc.boolean())
      .map(
        ([exponent, fraction, isNegative]) => (isNegative ? -1 : 1) * (1 + Number(fraction) / 2 ** 52) * 2 ** exponent,
      );
    fc.assert(fc.property(fc.array(near, { minLength: 1, maxLength: 40 }), check), { numRuns: 1500 });
  });

  test('full blocks of the greatest pieces stay within 53 bits', () => {
    for (const value of [1 - 2 ** -53, -(1 - 2 ** -53), 0.75 + 2 ** -53, 1 / 3]) {
      check(new Array<number>(2 * blockMax + 7).fill(value));
    }
  });

  test('blocks at the ends of the range are exact', () => {
    for (const value of [2 ** 400, 2 ** 401, Number.MAX_VALUE, 2 ** -400, 2 ** -401, Number.MIN_VALUE]) {
      check(Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? -value : value * (i % 2 === 0 ? 1 : 0.7))));
    }
  });
});
