import { Partial } from '@fogline/shared/aggregate/partial';
import { encodeWindows } from '@fogline/shared/aggregate/window-columns';
import { encodeReadings } from '@fogline/shared/codec/readings';
import { SeededRandom } from '@fogline/shared/random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockBytesMax } from '../journal/commit-record.ts';
import { OutboxKit } from '../testing/outbox-kit.ts';
import { Merger } from './merger.ts';

const lane = 2;
const ageMsMax = 32_000;

/** The numbers that rows cover, per lane and epoch. */
function covered(kit: OutboxKit): Record<string, number> {
  const out: Record<string, number> = {};
  let previous: { lane: number; epoch: number; last: number } | undefined;
  for (const range of kit.ranges()) {
    const isNext = previous?.lane === range.lane && previous.epoch === range.epoch;
    expect(range.first).toBe(isNext ? (previous?.last ?? 0) + 1 : 1);
    out[`${range.lane}:${range.epoch}`] = range.last;
    previous = range;
  }
  return out;
}

describe('merging', () => {
  const step = fc.record({
    kind: fc.constantFrom('readings', 'windows'),
    lane: fc.constantFrom(1, 2),
    count: fc.integer({ min: 1, max: 5 }),
    next: fc.constantFrom('nothing', 'nothing', 'nothing', 'nothing', 'seal', 'merge', 'restart'),
  } as const);

  it('keeps every item and every number, of any kinds, over seals and restarts', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const kit = new OutboxKit();
        const merger = new Merger(kit.store, ageMsMax);
        for (const { kind, count, next, ...of } of steps) {
          kit.produce({ kind, count, ...of });
          kit.checkpoint();
          if (next === 'seal') kit.outbox.sealBacklog(of.lane);
          else if (next === 'merge') merger.merge(2);
          else if (next === 'restart') kit.openEpoch();
        }
        const items = kit.items();
        const numbers = covered(kit);
        while (merger.merge(10) > 0);
        expect(kit.items()).toEqual(items);
        expect(covered(kit)).toEqual(numbers);
        // What was sealed is the bytes it was, and what was merged can be sealed.
        for (const of of [1, 2] as const) {
          while (kit.outbox.sealBacklog(of) !== undefined);
          for (const batch of kit.store.unackedBatches(of, 0, 1000)) kit.outbox.payloadOf(batch);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is caught by this check when an item goes missing', () => {
    const kit = new OutboxKit();
    for (let n = 0; n < 20; n++) kit.produce();
    kit.checkpoint();
    const items = kit.items();
    new Merger(kit.store, ageMsMax).merge(1);
    kit.db.exec('UPDATE rows SET last = last - 1');
    expect(covered(kit)).not.toEqual({ '2:1': 60 });
    kit.db.exec('DELETE FROM rows');
    expect(kit.items()).not.toEqual(items);
  });

  it('makes few dense rows of many small ones, and leaves no pack behind', () => {
    const kit = new OutboxKit();
    for (let n = 0; n < 2000; n++) kit.produce();
    kit.checkpoint();
    const merger = new Merger(kit.store, ageMsMax);
    while (merger.merge(1) > 0);
    expect(kit.ranges().length).toBeLessThan(20);
    expect(kit.db.prepare<{ n: number }>('SELECT count(*) AS n FROM packs').get()?.n).toBe(kit.ranges().length);
    expect(kit.items()).toHaveLength(6000);
  });

  it('leaves rows apart that do not age together', () => {
    const kit = new OutboxKit();
    for (let n = 0; n < 2000; n++) kit.produce({ at: n * 10 });
    kit.checkpoint();
    const merger = new Merger(kit.store, ageMsMax);
    while (merger.merge(1) > 0);
    const rows = kit.store.unsealedRows(lane, { epochId: 0, first: 0 }, 1000);
    rows.forEach(({ at }, index) => expect((rows[index + 1]?.at ?? 20_000) - at).toBeLessThanOrEqual(1010));
    expect(rows.length).toBeLessThan(30);
  });

  it('goes on behind any number of rows that are dense already', () => {
    const kit = new OutboxKit();
    const random = new SeededRandom(1);
    const count = 9000;
    const value = Float64Array.from({ length: count }, () => random.unit() * 1e9);
    const rest = { series: new Uint32Array(count), flags: new Uint8Array(count), strings: [] };
    const bytes = encodeReadings(
      { count, value, time: Float64Array.from({ length: count }, (_, i) => i), ...rest },
      'fast',
    );
    expect(bytes.byteLength).toBeGreaterThan(48 * 1024);
    kit.produce({ count, bytes });
    kit.checkpoint();
    // More rows in one block's place, so that the test is not about writing gigabytes.
    kit.db.exec(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
       INSERT INTO rows SELECT NULL, epoch, lane, first + i * ${count}, last + i * ${count}, kind, commit_id, output, NULL,
         bytes, at, hours, NULL FROM rows, n`,
    );
    kit.epoch = { ...kit.epoch, last: [0, 0, count * 1101, 0] };
    for (let n = 0; n < 40; n++) kit.produce();
    kit.checkpoint();
    expect(new Merger(kit.store, ageMsMax).merge(5)).toBe(1);
    expect(kit.ranges()).toHaveLength(1102);
  });

  it('never makes a block that no envelope can carry', () => {
    const random = new SeededRandom(2);
    const kit = new OutboxKit();
    for (let n = 0; n < 80; n++) {
      const count = 2500;
      const columns = {
        series: Uint32Array.from({ length: count }, (_, i) => i * 1000 + random.below(1000)),
        time: Float64Array.from({ length: count }, () => random.unit() * 2 ** 52 * (random.chance(0.5) ? 1 : -1)).map(
          Math.round,
        ),
        value: Float64Array.from({ length: count }, () => random.unit() * 10 ** random.below(300)),
        flags: Uint8Array.from({ length: count }, () => random.below(3)),
      };
      kit.produce({ count, bytes: encodeReadings({ count, ...columns, strings: [] }, 'fast') });
    }
    kit.checkpoint();
    const merger = new Merger(kit.store, ageMsMax);
    while (merger.merge(1) > 0);
    const sizes = kit.db.prepare<{ bytes: number }>('SELECT bytes FROM rows').all();
    for (const { bytes } of sizes) expect(bytes).toBeLessThanOrEqual(blockBytesMax);
    while (kit.outbox.sealBacklog(lane) !== undefined);
  });

  it('leaves windows as they are that are small only because they are all alike, and goes on behind them', () => {
    const kit = new OutboxKit();
    const time = Float64Array.from({ length: 600 }, (_, index) => index * 10);
    const sketched = Partial.empty({ sketch: true });
    sketched.addColumns(
      time,
      time.map((_, index) => 1.02 ** index),
      0,
      time.length,
    );
    const count = 1_000;
    const [series, delta] = [new Uint32Array(count), new Uint8Array(count)];
    const partial = new Array<Uint8Array>(count).fill(sketched.encode());
    const bytes = encodeWindows({ count, series, start: new Float64Array(count), delta, partial });
    for (let n = 0; n < 20; n++) kit.produce({ count, kind: 'windows', bytes });
    for (let n = 0; n < 40; n++) kit.produce({ at: ageMsMax });
    kit.checkpoint();
    expect(new Merger(kit.store, ageMsMax).merge(10)).toBe(2);
    expect(kit.ranges()).toHaveLength(21);
  });
});
