import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../random.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { bucketKey, bucketsMax, relativeErrorMax, Sketch } from './sketch.ts';
import { type Mergeable, orderFreedom } from './testing/order-freedom.ts';
import { anyValue, hex } from './testing/reference.ts';

const data = new URL('../../../../shared/data/elf_floats/', import.meta.url);
const quantiles = [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];

function encode(sketch: Sketch): Uint8Array {
  const writer = new ByteWriter();
  if (sketch.count > 0) sketch.write(writer);
  return writer.finish();
}

function decode(bytes: Uint8Array): Sketch {
  const sketch = new Sketch();
  const reader = new ByteReader(bytes);
  if (bytes.length > 0) sketch.read(reader);
  expect(reader.at).toBe(bytes.length);
  return sketch;
}

function sketchOf(values: Iterable<number>): Sketch {
  const sketch = new Sketch();
  for (const value of values) sketch.add(value, 1);
  return sketch;
}

const sketches: Mergeable<Sketch, number> = {
  empty: () => new Sketch(),
  add: (sketch, value) => sketch.add(value, 1),
  merge: (sketch, other) => sketch.merge(other),
  encode,
};

/** Greatest relative error over the quantiles; an error at an exact 0 counts as infinite. */
function worstError(values: readonly number[], estimate: (q: number) => number): number {
  const sorted = Float64Array.from(values).sort();
  let worst = 0;
  for (const q of quantiles) {
    const exact = sorted[Math.floor(q * (sorted.length - 1))] ?? Number.NaN;
    const error = Math.abs(estimate(q) - exact);
    // Of a subnormal half a last place is all that a float64 can promise.
    if (error > 2 ** -1074) worst = Math.max(worst, error / Math.abs(exact));
  }
  return worst;
}

const random = new SeededRandom(7);
const normal = () => Math.sqrt(-2 * Math.log(1 - random.unit())) * Math.cos(2 * Math.PI * random.unit());
const many = (next: (i: number) => number) => Array.from({ length: 20_000 }, (_, i) => next(i));
const distributions: [string, number[]][] = [
  ['normal around zero', many(normal)],
  ['Pareto with a heavy tail', many(() => (1 - random.unit()) ** (-1 / 0.7))],
  ['lognormal over 20 octaves', many(() => Math.exp(3 * normal()))],
  ['log-uniform over 60 octaves', many(() => 2 ** (60 * random.unit() - 30))],
  ['bucket edges and their neighbours', many((i) => (1 + (i % 64) / 64) * 2 ** (i % 9) * (1 - (i % 3) * 2 ** -53))],
  ['two clusters of opposite sign', many((i) => (i % 2 === 0 ? -1e6 - random.unit() : 1e-6 + random.unit() * 1e-9))],
  ['mostly zero', many((i) => (i % 10 === 0 ? normal() : i % 3 === 0 ? -0 : 0))],
  ['subnormals', many((i) => (i + 1) * 2 ** -1074)],
  ['the top of the range', many((i) => Number.MAX_VALUE * (1 - i / 40_000))],
  ['one value', many(() => 21.37)],
];

describe('buckets', () => {
  test('keys are monotone in the value and symmetric', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (left, right) => {
        if (left <= right) expect(bucketKey(left)).toBeLessThanOrEqual(bucketKey(right));
        expect(bucketKey(-left)).toBe(0 - bucketKey(left));
      }),
      { numRuns: 2000 },
    );
  });

  test('every bucket of every octave is within 1/129 of its estimate', () => {
    for (let exponent = -1074; exponent <= 1023; exponent++) {
      for (let sub = 0; sub < 64; sub += exponent % 10 === 0 ? 1 : 9) {
        const low = 2 ** exponent * (1 + sub / 64);
        const high = 2 ** exponent * (1 + (sub + 1) / 64 - 2 ** -52);
        const estimate = sketchOf([low, low, low]).quantile(0.5);
        for (const value of [low, high]) {
          if (value < 2 ** -1010 || bucketKey(value) !== bucketKey(low)) continue;
          expect(Math.abs(estimate - value) / value).toBeLessThanOrEqual(relativeErrorMax * (1 + 1e-12));
        }
      }
    }
  });
});

describe('quantiles', () => {
  test.each(distributions)('of %s are within 1 %%', (_name, values) => {
    const sketch = sketchOf(values);
    expect(sketch.level).toBe(0);
    expect(sketch.relativeError).toBeLessThanOrEqual(0.01);
    expect(worstError(values, (q) => sketch.quantile(q))).toBeLessThanOrEqual(0.01);
  });

  test('canary: the check catches an averaged percentile and buckets twice as wide', () => {
    const values = distributions[1]?.[1] ?? [];
    const halves = [sketchOf(values.slice(0, 10_000)), sketchOf(values.slice(10_000).map((value) => value * 3))];
    const tripled = values.map((value, i) => (i < 10_000 ? value : value * 3));
    const averaged = (q: number) => halves.reduce((sum, half) => sum + half.quantile(q) / 2, 0);
    expect(worstError(tripled, averaged)).toBeGreaterThan(0.01);
    const sketch = sketchOf(values);
    expect(worstError(values, (q) => sketch.quantile(q) * (1 + 1 / 65))).toBeGreaterThan(0.01);
  });

  test.skipIf(!existsSync(data))('of real series are within 1 % (skipped where ../shared/data is absent)', () => {
    let checked = 0;
    for (const name of readdirSync(data).filter((file) => file.endsWith('.csv'))) {
      const values = readFileSync(new URL(name, data), 'utf8')
        .split('\n')
        .map(Number.parseFloat)
        .filter(Number.isFinite);
      const sketch = sketchOf(values);
      expect(sketch.level).toBe(0);
      expect(worstError(values, (q) => sketch.quantile(q))).toBeLessThanOrEqual(0.01);
      checked += values.length;
    }
    expect(checked).toBeGreaterThan(100_000);
  });

  test('stay within the stated error when buckets had to be joined', () => {
    for (const octaves of [100, 300, 2040]) {
      const values = many((i) => (i % 2 === 0 ? 1 : -1) * 2 ** ((random.unit() - 0.5) * octaves));
      const sketch = sketchOf(values);
      expect(sketch.level).toBeGreaterThan(0);
      expect(sketch.bucketCount).toBeLessThanOrEqual(bucketsMax);
      expect(worstError(values, (q) => sketch.quantile(q))).toBeLessThanOrEqual(sketch.relativeError * (1 + 1e-12));
    }
  });
});

describe('order freedom', () => {
  test('any order, split and merge tree give the same bytes', () => {
    fc.assert(orderFreedom(sketches, anyValue, 200), { numRuns: 300 });
  });

  /** Items that fill thousands of buckets, so that a few of them force collapses. */
  const spread = fc
    .tuple(fc.integer({ min: -1070, max: 1010 }), fc.integer({ min: 1, max: 40 }), fc.boolean())
    .map(([exponent, octaves, isNegative]) => ({ exponent, octaves, sign: isNegative ? -1 : 1 }));
  type Spread = { exponent: number; octaves: number; sign: number };
  const addSpread = (sketch: Sketch, { exponent, octaves, sign }: Spread) => {
    for (let i = 0; i < octaves * 64; i++) {
      sketch.add(sign * 2 ** Math.min(exponent + (i >> 6), 1023) * (1 + (i & 63) / 64), 1);
    }
  };

  test('also when the buckets do not suffice', () => {
    fc.assert(orderFreedom({ ...sketches, add: addSpread }, spread, 12), { numRuns: 150 });
  });

  test('canary: the property catches a sketch that joins its lowest buckets when it is full', () => {
    const lowest: Mergeable<Map<number, number>, Spread> = {
      empty: () => new Map(),
      add: (buckets, item) => {
        const sketch = new Sketch();
        sketch.add(item.sign * 2 ** item.exponent, 1);
        const key = Math.round(item.sign * item.exponent);
        buckets.set(key, (buckets.get(key) ?? 0) + 1);
        if (buckets.size > 4) {
          const [first = 0, second = 0] = [...buckets.keys()].sort((a, b) => a - b);
          buckets.set(second, (buckets.get(second) ?? 0) + (buckets.get(first) ?? 0));
          buckets.delete(first);
        }
      },
      merge: (buckets, other) => {
        for (const [key, count] of other) buckets.set(key, (buckets.get(key) ?? 0) + count);
      },
      encode: (buckets) => Buffer.from(JSON.stringify([...buckets].sort((a, b) => a[0] - b[0]))),
    };
    expect(fc.check(orderFreedom(lowest, spread, 12), { numRuns: 300 }).failed).toBe(true);
  });

  test('all of float64 fits at the last level', () => {
    const sketch = new Sketch();
    for (const sign of [-1, 1]) {
      for (let exponent = -1074; exponent <= 1023; exponent++) addSpread(sketch, { exponent, octaves: 1, sign });
    }
    sketch.add(0, 1);
    expect([sketch.level, sketch.bucketCount]).toEqual([7, 2099]);
    expect(hex(encode(decode(encode(sketch))))).toBe(hex(encode(sketch)));
  });
});

describe('codec', () => {
  test('decodes to what was encoded and goes on from there', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anyValue, fc.integer({ min: 1, max: 200 })), { minLength: 1 }),
        anyValue,
        (items, more) => {
          const sketch = new Sketch();
          for (const [value, count] of items) sketch.add(value, count);
          const again = decode(encode(sketch));
          expect([again.count, again.level, again.bucketCount]).toEqual([
            sketch.count,
            sketch.level,
            sketch.bucketCount,
          ]);
          again.add(more, 3);
          sketch.add(more, 3);
          expect(hex(encode(again))).toBe(hex(encode(sketch)));
        },
      ),
      { numRuns: 300 },
    );
  });

  test('an hour of a steady sensor takes a few bytes', () => {
    expect(encode(sketchOf(Array.from({ length: 60 }, (_, i) => 21 + i / 100))).length).toBeLessThan(12);
  });

  test.each([
    ['a level beyond the last', '0801020000'],
    ['no buckets', '0000'],
    ['more buckets than allowed', '00812000'],
    ['a level that so few buckets do not need', '0101020000'],
    ['a key beyond the range', '0001feffffff0f00'],
    ['truncation', '000302'],
  ])('refuses %s', (_name, text) => {
    const reader = new ByteReader(new Uint8Array(Buffer.from(text, 'hex')));
    expect(() => new Sketch().read(reader)).toThrow(expect.objectContaining({ code: 'codec_corrupt' }));
  });
});
