import { SeqRanges } from '@fogline/shared/seq-ranges';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BufferConfig } from '../core-config.ts';
import { definitionOf, OutboxKit } from '../testing/outbox-kit.ts';
import { Room } from './room.ts';
import { VoidBudget } from './void-budget.ts';

const lane = 2;
const hourMs = 3_600_000;
/** When merged rows go, too. */
const expiryMs = hourMs * (1 + 1 / 32);

function configOf(change: Partial<BufferConfig> = {}): BufferConfig {
  return {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax: 300_000,
    ageMsMax: hourMs,
    whenFull: { alarm: 'keep', high: 'drop_oldest', normal: 'drop_oldest', low: 'drop_oldest' },
    ...change,
  };
}

function roomOf(kit: OutboxKit, config: BufferConfig): Room {
  return new Room(kit.outbox, config, { db: kit.db, clock: new ManualClock() }, { definitionOf });
}

/** Numbers of a lane that are neither in a row nor in a void. */
function unexplained(kit: OutboxKit, of = lane): number[] {
  const explained = SeqRanges.empty();
  for (const range of [...kit.ranges(), ...kit.voids()]) if (range.lane === of) explained.add(range.first, range.last);
  return explained.missing(1, kit.epoch.last[of] ?? 0);
}

function fill(kit: OutboxKit, lanes: readonly (0 | 1 | 2 | 3)[], bytes: number): void {
  let n = 0;
  const full = kit.db.usedBytes() + bytes;
  while (kit.db.usedBytes() < full) {
    for (let i = 0; i < 20; i++) kit.produce({ lane: lanes[n++ % lanes.length] ?? lane, count: 40, at: n });
    kit.checkpoint();
  }
}

describe('making room', () => {
  it('takes history first, then what was acked, then the lowest lane, and never a lane that keeps', () => {
    const kit = new OutboxKit();
    const empty = kit.db.usedBytes();
    // Of the normal lane a part is history, a part is acked.
    for (let n = 0; n < 100; n++) kit.produce({ count: 40, isSealed: true });
    kit.checkpoint();
    for (const { id } of kit.store.unackedBatches(lane, 0, 1000)) kit.store.setBatchAcked(id, true);
    for (const batch of kit.store.ackedBatches(1000).filter((_, index) => index % 2 === 0)) {
      for (const row of kit.store.rowsOfBatch(batch.id)) kit.store.deleteRow(row);
      kit.store.deleteBatch(batch.id);
    }
    fill(kit, [0, 2, 3], 120_000);
    const look = () => ({
      history: kit.store.freeCommits(0, kit.lastCommit, 10_000).length,
      acked: kit.store.ackedBatches(1000).length,
      queued: kit.outbox.queued(),
    });
    const before = look();
    expect(before.history).toBeGreaterThan(0);
    expect(before.acked).toBeGreaterThan(0);
    const sizeBytesMax = 2 * kit.db.usedBytes();
    const room = roomOf(kit, configOf({ sizeBytesMax }));
    const seen = new Set<string>();
    let hasRoom = true;
    for (let needed = 0; hasRoom; needed += 2000) {
      hasRoom = room.makeRoom(needed, kit.lastCommit);
      const { history, acked, queued } = look();
      const [alarm, , normal, low] = queued;
      expect(alarm).toBe(before.queued[0]);
      if (history < before.history) seen.add('history');
      if (acked < before.acked) expect(seen.add('acked') && history).toBe(0);
      if ((low ?? 0) < (before.queued[3] ?? 0)) expect(seen.add('low') && acked).toBe(0);
      if ((normal ?? 0) < (before.queued[2] ?? 0)) expect(seen.add('normal') && low).toBe(0);
      const lost = before.queued.reduce((sum, items) => sum + items, 0) - queued.reduce((sum, items) => sum + items, 0);
      expect(kit.store.wholeLedger().reduce((sum, { evicted }) => sum + evicted, 0)).toBe(lost);
      if (needed > sizeBytesMax - empty) expect(hasRoom).toBe(false);
    }
    expect([...seen]).toEqual(['history', 'acked', 'low', 'normal']);
    expect(kit.outbox.queued()).toEqual([before.queued[0], 0, 0, 0]);
    expect(kit.voids().some((lost) => lost.lane === 0)).toBe(false);
    expect(unexplained(kit, 3)).toEqual([]);
  });

  it('leaves every number in a row or in a void, whatever was sealed, acked or sent before', () => {
    const step = fc.constantFrom('produce', 'seal', 'ack', 'send voids', 'make room', 'restart');
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
        const kit = new OutboxKit();
        const room = roomOf(kit, configOf({ sizeBytesMax: kit.db.usedBytes() + 20_000 }));
        const held = SeqRanges.empty();
        for (const what of steps) {
          const [oldest] = kit.store.unackedBatches(lane, 0, 1);
          if (what === 'produce') fill(kit, [lane], 6_000);
          else if (what === 'seal') kit.outbox.sealBacklog(lane);
          else if (what === 'ack' && oldest !== undefined) {
            kit.store.setBatchAcked(oldest.id, true);
            held.add(oldest.first, oldest.last);
          } else if (what === 'send voids') {
            for (const { id } of kit.store.voids.unacked(0, 100)) kit.store.voids.markSent(id);
          } else if (what === 'make room') room.makeRoom(8_000, kit.lastCommit);
        }
        const missing = unexplained(kit);
        for (let i = 0; i < missing.length; i += 2) expect(held.has(missing[i] ?? 0, missing[i + 1] ?? 0)).toBe(true);
        const ranges = [...kit.ranges(), ...kit.voids()].sort((a, b) => a.first - b.first);
        ranges.forEach(({ first }, i) => expect(first).toBeGreaterThan(ranges[i - 1]?.last ?? 0));
      }),
      { numRuns: 40 },
    );
  });

  it('is caught by this check when a row goes without a void', () => {
    const kit = new OutboxKit();
    kit.produce();
    kit.produce();
    kit.checkpoint();
    expect(unexplained(kit)).toEqual([]);
    kit.db.exec('DELETE FROM rows WHERE first = 4');
    expect(unexplained(kit)).toEqual([4, 6]);
  });

  it('keeps what the newest commit and the rows that stay need', () => {
    const kit = new OutboxKit();
    fill(kit, [lane], 50_000);
    roomOf(kit, configOf({ sizeBytesMax: kit.db.usedBytes() - 20_000 })).makeRoom(0, kit.lastCommit);
    for (const row of kit.store.unsealedRows(lane, { epochId: 0, first: 0 }, 10_000)) {
      if ('commit' in row.place) expect(kit.store.readCommit(row.place.commit).outputs).toHaveLength(1);
    }
    expect(kit.store.lastCommitId()).toBe(kit.lastCommit);
  });
});

describe('age', () => {
  it('gives up rows by the time of their commit, in packs too, and history with them', () => {
    const kit = new OutboxKit();
    const room = roomOf(kit, configOf({ sizeBytesMax: 2 ** 30 }));
    kit.produce({ at: 0 });
    kit.checkpoint();
    // As after a merge: the row lies in a pack, and its commit is gone.
    const pack = kit.store.insertPack(kit.store.readCommit(1).outputs[0]?.bytes ?? new Uint8Array());
    kit.db.exec(`UPDATE rows SET commit_id = NULL, output = NULL, pack_id = ${pack}`);
    kit.store.deleteCommit(1);
    kit.produce({ at: 10 });
    kit.produce({ at: 20, lane: 0 });
    kit.produce({ at: hourMs });
    kit.produce({ at: hourMs + 1 });
    kit.checkpoint();
    room.expire(expiryMs + 10, kit.lastCommit);
    expect(kit.voids()).toEqual([{ lane, first: 1, last: 3, reason: 'evicted_age' }]);
    room.expire(expiryMs + 30, kit.lastCommit);
    expect(kit.voids()).toEqual([{ lane, first: 1, last: 6, reason: 'evicted_age' }]);
    // The lane that keeps does so however old it is.
    expect(kit.outbox.queued()).toEqual([3, 0, 6, 0]);
    room.expire(hourMs + expiryMs + 1, kit.lastCommit);
    expect(kit.outbox.queued()).toEqual([3, 0, 3, 0]);
    expect(kit.store.lastCommitId()).toBe(kit.lastCommit);
  });
});

describe('the budget of voids', () => {
  const account = (series: number) => ({
    stats: Array.from({ length: 100 }, (_, hour) => ({ series, hour, count: 1, min: 0, max: 1, mean: 0.5 })),
    statsOmitted: 0,
    hours: [[0, 100]] as const,
  });

  it('joins neighbours of one reason, then gives up detail, and loses neither range nor items', () => {
    const kit = new OutboxKit();
    const ranges: [number, number, 'evicted_size' | 'evicted_age'][] = [];
    for (let n = 0; n < 60; n++) ranges.push([n * 100 + 1, n * 100 + 100, n < 40 ? 'evicted_size' : 'evicted_age']);
    ranges.forEach(([first, last, reason], n) =>
      kit.store.voids.insert({ epochId: 1, lane, first, last, reason, ...account(n) }),
    );
    kit.store.voids.insert({ epochId: 1, lane, first: 7001, last: 7100, reason: 'evicted_age', ...account(99) });
    const before = kit.store.voids.bytes();
    const budget = new VoidBudget(kit.store.voids, before + 1);
    expect(kit.store.transaction(() => budget.enforce())).toBe(false);
    const tight = new VoidBudget(kit.store.voids, before / 10);
    expect(kit.store.transaction(() => tight.enforce())).toBe(true);
    expect(kit.voids()).toEqual([
      { lane, first: 1, last: 4000, reason: 'evicted_size' },
      { lane, first: 4001, last: 6000, reason: 'evicted_age' },
      { lane, first: 7001, last: 7100, reason: 'evicted_age' },
    ]);
    expect(kit.store.voids.bytes()).toBeLessThan(before / 10);
    for (const { first, last, stats, statsOmitted, hours } of kit.store.voids.unacked(0, 10)) {
      const items = last - first + 1;
      expect(stats.reduce((sum, { count }) => sum + count, statsOmitted)).toBe(items);
      expect(hours).toEqual([[0, items]]);
    }
  });

  it('bounds what an agent that gives up data for ever tells of it', () => {
    const kit = new OutboxKit();
    const sizeBytesMax = kit.db.usedBytes() + 120_000;
    const room = roomOf(kit, configOf({ sizeBytesMax }));
    for (let n = 0; n < 30; n++) {
      fill(kit, [lane, 3], 30_000);
      for (const { id } of kit.store.voids.unacked(0, 1000)) kit.store.voids.markSent(id);
      expect(room.makeRoom(40_000, kit.lastCommit)).toBe(true);
    }
    expect(kit.db.usedBytes()).toBeLessThan(sizeBytesMax);
    for (const of of [lane, 3]) expect(unexplained(kit, of)).toEqual([]);
  });
});
