import { Partial } from '@fogline/shared/aggregate/partial';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReferenceSum } from './exact-mean.ts';

function sumOf(values: readonly number[]): ReferenceSum {
  const sum = new ReferenceSum();
  for (const value of values) sum.add(value);
  return sum;
}

// From Python: math.fsum(values), float(sum(map(Fraction, values)) / len(values)).
it.each([
  [[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1.0, 0.1],
  [[1, 1e100, 1, -1e100], 2.0, 0.5],
  [[5e-324, 5e-324, -2.5e-323], -1.5e-323, -5e-324],
  [[21.53, 21.54, -3e-17], 43.07, 14.356666666666667],
  [[1e16, 1, 1e-16], 1.0000000000000002e16, 3333333333333333.5],
  [[-0.1, -0.2, -0.3], -0.6, -0.2],
  [[2.2250738585072014e-308, -2.225073858507201e-308], 5e-324, 0.0],
  [[1.7976931348623157e308, -1.7976931348623157e308, 1e-300], 1e-300, 3.3333333333333334e-301],
  [[5e-324, 0], 5e-324, 0.0],
  [[7.25], 7.25, 7.25],
])('sums %j as math.fsum does and rounds the mean once', (values, sum, mean) => {
  expect(sumOf(values).dividedBy(1)).toBe(sum);
  expect(sumOf(values).dividedBy(values.length)).toBe(mean);
});

it("agrees to the bit with the product's own exact sums, which were written apart from it", () => {
  const value = fc.oneof(
    fc.double({ min: -1e300, max: 1e300, noNaN: true }),
    fc.integer({ min: -100_000, max: 100_000 }).map((cents) => cents / 100),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), (values) => {
      const partial = Partial.empty();
      for (const x of values) partial.add(0, x);
      expect(sumOf(values).dividedBy(1) === partial.sumValue()).toBe(true);
      expect(sumOf(values).dividedBy(values.length) === partial.mean()).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
