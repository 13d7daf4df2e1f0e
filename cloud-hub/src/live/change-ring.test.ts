import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppliedBatch } from '../ingest/ports.ts';
import { ChangeRing, ringLimits } from './change-ring.ts';

function batch(rows: readonly (readonly [series: number, value: number])[]): AppliedBatch {
  const columns = {
    count: rows.length,
    series: Uint32Array.from(rows, ([series]) => series),
    time: Float64Array.from(rows, (_, row) => row),
    value: Float64Array.from(rows, ([, value]) => value),
    flags: new Uint8Array(rows.length),
    strings: [],
  };
  return { agent: 'gw', epoch: '0', lane: 2, first: 1, last: rows.length, readings: [columns], windows: [] };
}

describe('the ring of changes', () => {
  it('finds the rows of each series, in pieces of bounded size', () => {
    const ring = new ChangeRing();
    const rows = [...Array.from({ length: 2_500 }, (_, n) => [7, n] as const), [3, 1] as const];
    const { bySeries } = ring.push({ atMs: 1, batches: [batch(rows), batch([[7, 9]])] });
    const spans = bySeries.get(7)?.map(({ from, to }) => to - from);
    expect(spans).toEqual([ringLimits.chunkRowsMax, ringLimits.chunkRowsMax, 500, 1]);
    expect(bySeries.get(3)?.length).toBe(1);
    expect(bySeries.get(4)).toBeUndefined();
  });

  it('equals a list of which the oldest leave, whatever comes', () => {
    const step = fc.oneof(
      { arbitrary: fc.nat(40), weight: 9 },
      { arbitrary: fc.constant('clear' as const), weight: 1 },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 300, max: 20_000 }), (steps, bytesMax) => {
        const ring = new ChangeRing(bytesMax);
        let kept: { seq: number; bytes: number }[] = [];
        for (const rows of steps) {
          if (rows === 'clear') {
            ring.clear();
            kept = [];
          } else {
            const { seq, bytes } = ring.push({ atMs: 0, batches: [batch(Array.from({ length: rows }, () => [1, 0]))] });
            kept.push({ seq, bytes });
            while (kept.reduce((sum, change) => sum + change.bytes, 0) > bytesMax) kept.shift();
          }
          for (let seq = 0; seq <= ring.head + 1; seq++) {
            const found = ring.after(seq);
            const next = kept.find((change) => change.seq === seq + 1)?.seq;
            expect(typeof found === 'string' ? found : found.seq).toBe(next ?? (seq === ring.head ? 'none' : 'gone'));
          }
        }
      }),
    );
  });
});
