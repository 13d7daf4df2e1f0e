import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeqRanges } from './seq-ranges.ts';

const ranges = fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 })), { maxLength: 30 });

describe('SeqRanges', () => {
  it('equals a plain set of numbers after any additions', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 }), (added, first, extra) => {
        const set = new Set<number>();
        const held = SeqRanges.empty();
        for (const [from, length] of added) {
          held.add(from, from + length);
          for (let seq = from; seq <= from + length; seq++) set.add(seq);
        }
        let watermark = 0;
        while (set.has(watermark + 1)) watermark++;
        expect(held.watermark).toBe(watermark);
        expect(held.size).toBe(set.size);
        expect(held.highest).toBe(Math.max(0, ...set));

        const last = first + extra;
        const inside = Array.from({ length: extra + 1 }, (_, i) => first + i);
        const heldCount = inside.filter((seq) => set.has(seq)).length;
        const verdict = heldCount === 0 ? 'new' : heldCount === inside.length ? 'held' : 'overlap';
        expect(held.classify(first, last)).toBe(verdict);

        const gaps = held.missing(first, last);
        const missing: number[] = [];
        for (let i = 0; i < gaps.length; i += 2)
          for (let seq = gaps[i] ?? 0; seq <= (gaps[i + 1] ?? -1); seq++) missing.push(seq);
        expect(missing).toEqual(inside.filter((seq) => !set.has(seq)));

        const copy = SeqRanges.from(held.watermark, held.beyond);
        expect([copy.watermark, copy.beyond]).toEqual([held.watermark, held.beyond]);
      }),
    );
  });

  it('refuses ranges from the wire that overlap, touch or descend', () => {
    expect(() => SeqRanges.from(5, [6, 7])).toThrow(/gaps between/);
    expect(() => SeqRanges.from(5, [9, 8])).toThrow(/gaps between/);
    expect(() => SeqRanges.from(0, [4, 9, 9, 12])).toThrow(/gaps between/);
    expect(() => SeqRanges.from(3, [5])).toThrow(/gaps between/);
  });
});
