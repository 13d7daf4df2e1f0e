import { encodeReadings } from '@fogline/shared/codec/readings';
import { hasCode } from '@fogline/shared/errors';
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OutboxKit } from '../testing/outbox-kit.ts';

const lane = 2;

describe('sealing', () => {
  it('covers what waited and what the commit brings, and a retry is the same bytes', () => {
    const kit = new OutboxKit();
    kit.produce();
    kit.produce({ isSealed: true });
    kit.produce();
    const sealed = kit.outbox.tail.rows.flatMap(({ batch }) => (batch === undefined ? [] : [batch]));
    expect(sealed[0]).toMatchObject({ first: 1, last: 6 });
    kit.checkpoint();
    const [batch] = kit.store.unackedBatches(lane, 0, 10);
    if (batch === undefined) throw new Error('nothing is sealed');
    const { payload } = kit.outbox.payloadOf(batch);
    expect(decodeBatch(payload)).toMatchObject({ first: 1, last: 6, lane });
    expect(Buffer.compare(kit.outbox.payloadOf(batch).payload, payload)).toBe(0);
    expect(kit.outbox.sealBacklog(lane)).toMatchObject({ first: 7, last: 9 });
    expect(kit.outbox.sealBacklog(lane)).toBeUndefined();
  });

  it('never puts more items into a batch than a hub takes, however small they are', () => {
    const count = 32_768;
    const still = { series: new Uint32Array(count), value: new Float64Array(count), flags: new Uint8Array(count) };
    const bytes = encodeReadings(
      { count, time: Float64Array.from({ length: count }, (_, i) => i), strings: [], ...still },
      'fast',
    );
    for (const isSealed of [true, false]) {
      const kit = new OutboxKit();
      for (let n = 0; n < 11; n++) kit.produce({ count, bytes });
      kit.produce({ count, bytes, isSealed });
      kit.checkpoint();
      while (!isSealed && kit.outbox.sealBacklog(lane) !== undefined);
      const batches = kit.store.unackedBatches(lane, 0, 100);
      expect(batches.at(-1)?.last).toBe(12 * count);
      for (const { first, last } of batches)
        expect(last - first + 1).toBeLessThanOrEqual(protocolLimits.itemsPerBatchMax);
    }
  });

  it('does not cross from one epoch into the next', () => {
    const kit = new OutboxKit();
    kit.produce();
    kit.checkpoint();
    kit.openEpoch();
    kit.produce();
    kit.checkpoint();
    expect(kit.outbox.sealBacklog(lane)).toMatchObject({ epochId: 1, first: 1, last: 3 });
    expect(kit.outbox.sealBacklog(lane)).toMatchObject({ epochId: 2, first: 1, last: 3 });
  });

  it('notices bytes that are no longer those that were sealed', () => {
    const kit = new OutboxKit();
    kit.produce({ isSealed: true });
    kit.checkpoint();
    kit.db.exec('UPDATE batches SET crc = crc + 1');
    const [batch] = kit.store.unackedBatches(lane, 0, 1);
    if (batch === undefined) throw new Error('nothing is sealed');
    expect(() => kit.outbox.payloadOf(batch)).toThrow(expect.toSatisfy((error) => hasCode(error, 'storage_corrupt')));
  });
});

describe('an ack', () => {
  it('only marks, in tail and tables alike, and is written with the checkpoint', () => {
    const kit = new OutboxKit();
    kit.produce({ isSealed: true });
    const fresh = kit.outbox.tail.rows[0]?.batch;
    if (fresh === undefined) throw new Error('nothing is sealed');
    kit.outbox.ack(fresh, []);
    kit.checkpoint();
    expect(kit.store.ackedBatches(10)).toMatchObject([{ first: 1, last: 3 }]);
    expect(kit.items()).toHaveLength(3);
    kit.produce();
    kit.checkpoint();
    const late = kit.outbox.sealBacklog(lane);
    if (late === undefined) throw new Error('nothing is sealed');
    kit.outbox.ack({ ...late, isAcked: false }, []);
    expect(kit.outbox.isAckPending(late.id)).toBe(true);
    expect(kit.outbox.queued()[lane]).toBe(3);
    kit.checkpoint();
    expect(kit.outbox.queued()[lane]).toBe(0);
    expect(kit.items()).toHaveLength(6);
  });

  it('for a batch that was given up meanwhile marks no other batch', () => {
    const kit = new OutboxKit();
    kit.produce();
    kit.checkpoint();
    const givenUp = kit.outbox.sealBacklog(lane);
    if (givenUp === undefined) throw new Error('nothing is sealed');
    for (const row of kit.store.rowsOfBatch(givenUp.id)) kit.store.deleteRow(row);
    kit.store.deleteBatch(givenUp.id);
    kit.produce();
    kit.checkpoint();
    kit.outbox.sealBacklog(lane);
    kit.outbox.ack({ ...givenUp, isAcked: false }, []);
    kit.checkpoint();
    expect(kit.outbox.queued()[lane]).toBe(3);
  });
});

describe('reconciling with what the hub holds', () => {
  /** Every number up to the last is held, queued, or declared. */
  function unexplained(kit: OutboxKit, held: SeqRanges, last: number): number[] {
    const explained = held.clone();
    for (const row of kit.store.queuedRows()) explained.add(row.first, row.last);
    for (const { first, last: end } of kit.store.voids.unacked(0, 1000)) explained.add(first, end);
    return explained.missing(1, last);
  }

  /** Rows of three items each; which end a batch, which batches the hub holds, which the agent still has. */
  const story = fc.array(
    fc.record({ isSealed: fc.boolean(), isAcked: fc.boolean(), isDropped: fc.boolean(), isHeld: fc.boolean() }),
    { minLength: 1, maxLength: 30 },
  );

  function tell(batches: readonly { isSealed: boolean; isAcked: boolean; isDropped: boolean; isHeld: boolean }[]): {
    kit: OutboxKit;
    held: SeqRanges;
  } {
    const kit = new OutboxKit();
    const held = SeqRanges.empty();
    batches.forEach(({ isSealed, isAcked, isDropped, isHeld }, index) => {
      const row = kit.produce();
      kit.checkpoint();
      const batch = isSealed ? kit.outbox.sealBacklog(lane) : undefined;
      // What was never sealed the hub can hold only where this database was rolled back; it is the newest then.
      const isNewest = batches.slice(index).every((later) => !later.isSealed);
      if (isHeld && (batch !== undefined || isNewest)) held.add((batch ?? row).first, (batch ?? row).last);
      if (batch === undefined) return;
      if (isAcked) kit.store.setBatchAcked(batch.id, true);
      if (!isAcked || !isDropped) return;
      for (const sealed of kit.store.rowsOfBatch(batch.id)) kit.store.deleteRow(sealed);
      kit.store.deleteBatch(batch.id);
    });
    return { kit, held };
  }

  it('leaves no number unexplained, sends nothing that is held, and is settled the second time', () => {
    fc.assert(
      fc.property(story, (batches) => {
        const { kit, held } = tell(batches);
        const last = kit.epoch.last[lane] ?? 0;
        kit.store.transaction(() => kit.outbox.reconcile(kit.epoch, lane, held));
        expect(unexplained(kit, held, last)).toEqual([]);
        for (const row of kit.store.queuedRows()) expect(held.classify(row.first, row.last)).toBe('new');
        for (const { first, last: end } of kit.store.voids.unacked(0, 1000))
          expect(held.classify(first, end)).toBe('new');
        const again = kit.store.transaction(() => kit.outbox.reconcile(kit.epoch, lane, held));
        expect(again).toEqual({ rewound: 0, gone: 0 });
      }),
    );
  });

  it('is caught by this property when it forgets to declare what is gone', () => {
    const lost = [
      { isSealed: true, isAcked: true, isDropped: true, isHeld: false },
      { isSealed: true, isAcked: true, isDropped: false, isHeld: false },
    ];
    const { kit, held } = tell(lost);
    kit.store.transaction(() => kit.outbox.reconcile(kit.epoch, lane, held));
    kit.db.exec('DELETE FROM voids');
    expect(unexplained(kit, held, 6)).toEqual([1, 3]);
  });

  it('rewinds what was acked when the hub comes back with less, and tells its voids again', () => {
    const kit = new OutboxKit();
    kit.produce({ isSealed: true });
    kit.checkpoint();
    kit.produce({ isSealed: true });
    kit.checkpoint();
    for (const { id } of kit.store.unackedBatches(lane, 0, 10)) kit.store.setBatchAcked(id, true);
    const id = kit.store.voids.insert({
      epochId: 1,
      lane,
      first: 7,
      last: 9,
      reason: 'evicted_size',
      stats: [],
      statsOmitted: 3,
      hours: [],
    });
    kit.store.voids.setAcked(id, true);
    kit.epoch = { ...kit.epoch, last: [0, 0, 9, 0] };
    const held = SeqRanges.from(3, []);
    expect(kit.store.transaction(() => kit.outbox.reconcile(kit.epoch, lane, held))).toEqual({ rewound: 1, gone: 0 });
    expect(kit.store.unackedBatches(lane, 0, 10)).toMatchObject([{ first: 4, last: 6 }]);
    expect(kit.store.voids.unacked(0, 10)).toMatchObject([{ first: 7, last: 9, reason: 'evicted_size' }]);
  });

  it('takes rows for delivered that a former self of a rolled back database sent', () => {
    const kit = new OutboxKit();
    kit.produce();
    kit.produce();
    kit.produce();
    kit.checkpoint();
    // The former self sealed the first two rows into one batch; this database knows of no batch at all.
    kit.store.transaction(() => kit.outbox.reconcile(kit.epoch, lane, SeqRanges.from(6, [])));
    expect(kit.outbox.sealBacklog(lane)).toMatchObject({ first: 7, last: 9 });
    expect(kit.items()).toHaveLength(9);
  });
});
