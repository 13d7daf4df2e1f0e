import { expect, it } from 'vitest';
import { isAggregate, plainAggregates, readAggregate } from './names.ts';
import { Partial } from './partial.ts';

it('knows the plain ones, and percentiles between min and max', () => {
  for (const name of [...plainAggregates, 'p1', 'p50', 'p99.9', 'p0.001', 'p05'])
    expect(isAggregate(name), name).toBe(true);
  for (const name of ['avg', 'p', 'p0', 'p00', 'p0.0', 'p100', 'p1.2345', 'p-1', 'P50', 'toString', ''])
    expect(isAggregate(name), name).toBe(false);
});

it('reads each of a partial', () => {
  const partial = Partial.empty({ sketch: true });
  for (const [time, value] of [
    [1, 4],
    [2, 8],
    [3, 3],
  ] as const)
    partial.add(time, value);
  const read = Object.fromEntries([...plainAggregates, 'p50'].map((name) => [name, readAggregate(name, partial)]));
  expect(read).toMatchObject({ mean: 5, min: 3, max: 8, count: 3, sum: 15, first: 4, last: 3 });
  expect(read['stddev']).toBeCloseTo(Math.sqrt(14 / 3), 12);
  expect(read['p50']).toBeCloseTo(4, 1);
  expect(readAggregate('p50', Partial.empty())).toBeNaN();
});
