import { Partial } from '@fogline/shared/aggregate/partial';
import { decodeThinned } from '@fogline/shared/aggregate/thinned-columns';
import { decodeBatch } from '@fogline/shared/protocol/messages';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it, vi } from 'vitest';
import type { BufferConfig } from '../core-config.ts';
import { frozenKey } from '../journal/rollback.ts';
import { laneStart, type StoredBatch } from '../journal/stored.ts';
import { definitionOf, OutboxKit } from '../testing/outbox-kit.ts';
import { Merger } from './merger.ts';
import { Room } from './room.ts';
import { Thinner } from './thinner.ts';

const lane = 2;
const ageMsMax = 3_600_000;

function roomOf(kit: OutboxKit, sizeBytesMax: number): Room {
  const config: BufferConfig = {
    commit: 'prompt',
    flashBytesPerDay: 2 ** 30,
    sizeBytesMax,
    ageMsMax,
    whenFull: { alarm: 'keep', high: 'keep', normal: 'thin_to_1m', low: 'keep' },
  };
  return new Room(kit.outbox, config, { db: kit.db, clock: new ManualClock() }, { definitionOf });
}

/** Rows of a hundred readings, a second apart; some 100 bytes a minute when thinned, 1,000 before. */
function fill(kit: OutboxKit, rows: number): void {
  for (let n = 0; n < rows; n++) kit.produce({ count: 100, at: n });
  kit.checkpoint();
}

function rowsOf(kit: OutboxKit): { kind: number; first: number; last: number; batch: number | null }[] {
  return kit.db
    .prepare<{ kind: number; first: number; last: number; batch: number | null }>(
      'SELECT kind, first, last, batch FROM rows WHERE lane = 2 ORDER BY epoch, first',
    )
    .all();
}

function thinnedItems(kit: OutboxKit): number {
  return kit.store.wholeLedger().reduce((sum, { thinned }) => sum + thinned, 0);
}

function unexplained(kit: OutboxKit): number[] {
  const explained = SeqRanges.empty();
  for (const { first, last } of [...rowsOf(kit), ...kit.voids()]) explained.add(first, last);
  return explained.missing(1, kit.epoch.last[lane] ?? 0);
}

describe('a lane that is thinned when there is no room', () => {
  it('becomes minutes, the oldest first, and drops its oldest only when nothing is left to thin; every number is explained', () => {
    const kit = new OutboxKit();
    fill(kit, 2000);
    const full = kit.db.usedBytes();
    const seen = new Set<string>();
    for (let target = full; ; target -= 16_384) {
      const hasRoom = roomOf(kit, target).makeRoom(0, kit.lastCommit);
      const rows = rowsOf(kit);
      const thinned = rows.filter(({ kind }) => kind === 2);
      const whole = rows.filter(({ kind }) => kind !== 2);
      const evicted = kit.store.wholeLedger().reduce((sum, line) => sum + line.evicted, 0);
      expect(unexplained(kit)).toEqual([]);
      expect(Math.max(0, ...thinned.map(({ last }) => last))).toBeLessThanOrEqual(whole[0]?.first ?? Infinity);
      expect(thinnedItems(kit)).toBe(thinned.reduce((sum, { first, last }) => sum + last - first + 1, 0));
      expect(kit.outbox.queued()[lane]).toBe(200_000 - evicted);
      if (thinned.length > 0 && whole.length > 0) expect(seen.add('thinned in part') && evicted).toBe(0);
      if (evicted > 0) seen.add('evicted');
      if (!hasRoom || rows.length === 0) break;
    }
    expect([...seen]).toEqual(['thinned in part', 'evicted']);
    expect(kit.voids()).toMatchObject([{ first: 1, last: 200_000, reason: 'evicted_size' }]);
    const [told] = kit.store.voids.unacked(0, 10);
    expect(told?.stats.reduce((sum, { count }) => sum + count, told.statsOmitted)).toBe(200_000);
  });

  it('keeps what was sealed, and its minutes are sealed in batches of their own', () => {
    const kit = new OutboxKit();
    for (let n = 0; n < 40; n++) kit.produce({ count: 100, isSealed: true });
    fill(kit, 200);
    roomOf(kit, kit.db.usedBytes() - 40_000).makeRoom(0, kit.lastCommit);
    expect(rowsOf(kit).filter(({ batch }) => batch !== null)).toHaveLength(40);
    expect(thinnedItems(kit)).toBeGreaterThan(0);
    const kinds = new Set<string>();
    for (let batch = kit.outbox.sealBacklog(lane); batch !== undefined; batch = kit.outbox.sealBacklog(lane)) {
      const { parts, first, last } = decodeBatch(kit.outbox.payloadOf(batch).payload);
      const [kind = 'none', ...others] = new Set(parts.map((part) => part.kind));
      expect(others).toEqual([]);
      kinds.add(kind);
      if (kind !== 'thinned') continue;
      const items = parts.flatMap(({ bytes }) => [...decodeThinned(bytes).items]);
      expect(items.reduce((sum, one) => sum + one, 0)).toBe(last - first + 1);
    }
    expect(kinds).toContain('thinned');
    const again = rowsOf(kit);
    roomOf(kit, kit.db.usedBytes()).makeRoom(0, kit.lastCommit);
    expect(rowsOf(kit).filter(({ kind }) => kind === 2)).toEqual(again.filter(({ kind }) => kind === 2));
  });

  it('is not thinned while a welcome is still to tell what the database forgot', () => {
    const kit = new OutboxKit();
    fill(kit, 200);
    kit.store.saveState(frozenKey, '1');
    roomOf(kit, kit.db.usedBytes() - 40_000).makeRoom(0, kit.lastCommit);
    expect(thinnedItems(kit)).toBe(0);
    expect(kit.voids()).not.toEqual([]);
  });

  it('drops whole rows by age, as ever', () => {
    const kit = new OutboxKit();
    fill(kit, 200);
    roomOf(kit, 2 ** 30).expire(2 * ageMsMax, kit.lastCommit);
    expect(rowsOf(kit)).toEqual([]);
    expect(thinnedItems(kit)).toBe(0);
  });

  it('has minutes that are merged with those beside them, every item counted once', () => {
    const kit = new OutboxKit();
    const thinner = new Thinner(kit.store, definitionOf, ageMsMax);
    for (let n = 0; n < 20; n++) {
      fill(kit, 4);
      kit.store.transaction(() => thinner.thin(lane, kit.lastCommit));
    }
    expect(rowsOf(kit).map(({ kind }) => kind)).toEqual(new Array(20).fill(2));
    new Merger(kit.store, ageMsMax).merge(10);
    expect(rowsOf(kit)).toEqual([{ kind: 2, first: 1, last: 8000, batch: null }]);
    const batch = kit.outbox.sealBacklog(lane);
    const { parts } = decodeBatch(kit.outbox.payloadOf(batch as StoredBatch).payload);
    const { items, partial } = decodeThinned(parts[0]?.bytes ?? new Uint8Array());
    expect(items.reduce((sum, one) => sum + one, 0)).toBe(8000);
    expect(partial.reduce((sum, one) => sum + Partial.decode(one).count, 0)).toBe(8000);
  });

  it('takes a run for one that was looked at by its numbers, not by ids of rows, which come again', () => {
    const kit = new OutboxKit();
    const thinner = new Thinner(kit.store, definitionOf, ageMsMax);
    const thin = (): boolean => kit.store.transaction(() => thinner.thin(lane, kit.lastCommit));
    for (let n = 0; n < 4; n++) kit.produce({ count: 1, at: n });
    kit.checkpoint();
    expect(thin()).toBe(false);
    const ids = (): number[] => kit.store.unsealedRows(lane, laneStart, 10).map(({ id }) => id);
    const before = ids();
    for (const row of kit.store.unsealedRows(lane, laneStart, 10)) kit.store.deleteRow(row);
    fill(kit, 4);
    expect(ids()).toEqual(before);
    expect(thin()).toBe(true);
  });

  it('looks at rows that are not worth it once, also after a restart', () => {
    const kit = new OutboxKit();
    for (let n = 0; n < 2000; n++) kit.produce({ count: 1, at: n });
    kit.checkpoint();
    const read = vi.spyOn(kit.store, 'readCommit');
    const thin = (): void => {
      kit.store.transaction(() =>
        new Thinner(kit.store, () => ({ ...definitionOf(0), sampling: 'held' }), ageMsMax).thin(lane, kit.lastCommit),
      );
    };
    thin();
    const first = read.mock.calls.length;
    thin();
    expect(first).toBe(2000);
    // Those of the last run, which may still grow.
    expect(read.mock.calls.length - first).toBe(2000 - 1024);
  });
});
