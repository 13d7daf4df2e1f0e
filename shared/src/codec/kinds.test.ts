/**
 * Series of every kind, one at a time, at the lengths where blocks change: what comes back is what went in, and no block of a thousand
 * values takes more than 66 bits a value, whatever they are.
 */
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../random.ts';
import type { ReadingColumns } from '../reading.ts';
import { decodeReadings, encodeReadings, readReadingsDirectory, readReadingsHeader } from './readings.ts';
import { clocks, differenceOf } from './testing/sample-columns.ts';
import { type Signal, sensorSignals, signals } from './testing/sample-signals.ts';

const counts = [1, 2, 3, 5, 10, 24, 25, 32, 63, 64, 96, 97, 500, 1000, 1025, 4097];
const seeds = [1, 2];
const bitsMax = 66;

function loneSeries(signal: Signal, seed: number, count: number): ReadingColumns {
  const source = signal(new SeededRandom(seed));
  return {
    count,
    series: new Uint32Array(count).fill(3),
    time: Float64Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i * 1000),
    value: Float64Array.from({ length: count }, (_, i) => source(i)),
    flags: new Uint8Array(count),
    strings: [],
  };
}

describe.each(Object.entries({ ...signals, ...sensorSignals }))('%s', (_, signal) => {
  test.each(['fast', 'dense'] as const)('%s: every length comes back, bounds included', (mode) => {
    for (const seed of seeds) {
      for (const count of counts) {
        const columns = loneSeries(signal, seed, count);
        const bytes = encodeReadings(columns, mode);
        expect(differenceOf(decodeReadings(bytes), columns), `seed ${seed}, ${count} rows`).toBeUndefined();
        const { blocks } = readReadingsDirectory(bytes);
        expect(Math.min(...blocks.map((block) => block.valueMin))).toBe(Math.min(...columns.value));
        expect(Math.max(...blocks.map((block) => block.valueMax))).toBe(Math.max(...columns.value));
      }
    }
  });

  test('a thousand values take at most 66 bits each, and dense is not the larger of the two', () => {
    for (const seed of seeds) {
      const columns = loneSeries(signal, seed, 1000);
      const fast = encodeReadings(columns, 'fast').length;
      const dense = encodeReadings(columns, 'dense').length;
      expect((fast * 8) / 1000).toBeLessThanOrEqual(bitsMax);
      expect(dense).toBeLessThanOrEqual(fast * 1.02 + 4);
    }
  });
});

describe.each(Object.entries(clocks))('times: %s', (_, clock) => {
  test.each(['fast', 'dense'] as const)('%s: every length comes back, first and last time in the head', (mode) => {
    for (const seed of seeds) {
      for (const count of counts) {
        const source = clock(new SeededRandom(seed));
        const time = Float64Array.from({ length: count }, (__, i) => source(i));
        const columns = { ...loneSeries(signals.walk as Signal, seed, count), time };
        const bytes = encodeReadings(columns, mode);
        expect(differenceOf(decodeReadings(bytes), columns), `seed ${seed}, ${count} rows`).toBeUndefined();
        const { timeMin, timeMax } = readReadingsHeader(bytes);
        expect([timeMin, timeMax]).toEqual([Math.min(...time), Math.max(...time)]);
      }
    }
  });
});

test('the same rows are the same bytes, whatever was encoded before', () => {
  const columns = loneSeries(signals.walk as Signal, 1, 1000);
  for (const mode of ['fast', 'dense'] as const) {
    const first = encodeReadings(columns, mode);
    for (const [i, signal] of Object.values(sensorSignals).entries()) {
      encodeReadings(loneSeries(signal, i, 300), mode === 'fast' ? 'dense' : 'fast');
      expect(Buffer.from(encodeReadings(columns, mode)).equals(first)).toBe(true);
    }
  }
});
