import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Partial } from './partial.ts';
import {
  decodeThinned,
  encodeThinned,
  mergeThinned,
  ThinnedBuilder,
  thinnedItems,
  thinnedMs,
} from './thinned-columns.ts';

type Item = readonly [series: number, minute: number, value: number];

const items = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: -2, max: 4 }), fc.integer({ min: -50, max: 50 })), {
  maxLength: 60,
});

function thinned(of: readonly Item[]): Uint8Array {
  const builder = new ThinnedBuilder();
  for (const [series, minute, value] of of) {
    const partial = Partial.empty();
    partial.add(minute * thinnedMs + 7, value / 8);
    builder.add(series, minute * thinnedMs, 1, partial.encode());
  }
  return encodeThinned(builder.columns());
}

describe('thinned rows', () => {
  it('say of every series and minute what was added, and how many items', () => {
    fc.assert(
      fc.property(items, (of) => {
        const bytes = thinned(of);
        const { count, series, start, items: counts, partial } = decodeThinned(bytes);
        expect(thinnedItems(bytes)).toBe(of.length);
        for (let row = 0; row < count; row++) {
          const mine = of.filter(([id, minute]) => id === series[row] && minute * thinnedMs === start[row]);
          const naive = Partial.empty();
          for (const [, minute, value] of mine) naive.add(minute * thinnedMs + 7, value / 8);
          expect(counts[row]).toBe(mine.length);
          expect(partial[row]).toEqual(naive.encode());
        }
      }),
    );
  });

  it('merge to what they would have been at once, however they were split', () => {
    fc.assert(
      fc.property(items, fc.nat(60), (of, at) => {
        const merged = mergeThinned([thinned(of.slice(0, at)), thinned(of.slice(at))]);
        expect(decodeThinned(merged)).toEqual(decodeThinned(thinned(of)));
      }),
    );
  });

  it('are refused with any one bit flipped, and cut anywhere', () => {
    const bytes = thinned([
      [0, 1, 3],
      [0, 1, 5],
      [2, 0, 4],
    ]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeThinned(flipped)).toThrow(/thinned|truncated/);
    }
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeThinned(bytes.slice(0, length))).toThrow(/^aggregate: /);
  });
});
