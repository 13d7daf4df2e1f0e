import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '@fogline/shared/sqlite';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BufferConfig } from '../core-config.ts';
import { agentDatabase } from '../journal/schema.ts';
import { definitionOf, OutboxKit } from '../testing/outbox-kit.ts';
import { Room } from './room.ts';

const mebibyte = 1024 * 1024;
const keepFree = { bytes: 50 * mebibyte, sizeBytesMin: mebibyte / 4 };
const config: BufferConfig = {
  commit: 'prompt',
  flashBytesPerDay: 2 ** 30,
  sizeBytesMax: 100 * mebibyte,
  ageMsMax: 3_600_000,
  keepFree,
  whenFull: { alarm: 'keep', high: 'keep', normal: 'drop_oldest', low: 'drop_oldest' },
};

describe('room that is kept free for others', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fogline-keep-free-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** An agent with nearly a mebibyte of readings on a disk of its own. */
  function agent(canShrink: boolean) {
    const path = join(folder, 'agent.db');
    const db = openDatabase(path, { ...agentDatabase, canShrink });
    const disk = { free: 60 * mebibyte, asked: 0 };
    const clock = new ManualClock();
    const kit = new OutboxKit(db);
    const start = statSync(path).size;
    const diskBytes = (): number => {
      disk.asked++;
      return start + disk.free;
    };
    const room = new Room(kit.outbox, config, { db, clock, diskBytes }, { definitionOf });
    for (let n = 0; n < 120; n++) kit.produce({ count: 2500, at: n, isSealed: n < 60 });
    kit.checkpoint();
    for (const { id } of kit.store.unackedBatches(2, 0, 2000)) kit.store.setBatchAcked(id, true);
    db.checkpointWal();
    return { path, db, disk, clock, kit, room, start, queued: kit.outbox.queued()[2] ?? 0 };
  }

  it('is nothing to a database while the disk has more', () => {
    const { room, db } = agent(true);
    expect(room.isFull(mebibyte)).toBe(false);
    room.giveBack();
    expect(db.usedBytes()).toBeGreaterThan(mebibyte / 2);
    db.close();
  });

  it('takes acked rows first and gives the room back; the disk is asked every ten seconds, not with every commit', () => {
    const { room, db, disk, clock, kit, path, start, queued } = agent(true);
    const before = statSync(path).size;
    expect(room.isFull(0)).toBe(false);
    disk.free = keepFree.bytes + before - start - mebibyte / 4;
    expect(room.isFull(0)).toBe(false);
    clock.advance(10_000);
    for (let commit = 0; commit < 100; commit++) expect(room.isFull(0)).toBe(true);
    expect(disk.asked).toBe(2);
    expect(room.makeRoom(0, kit.lastCommit)).toBe(true);
    expect(kit.outbox.queued()[2]).toBe(queued);
    for (let tick = 0; tick < 10; tick++) room.giveBack();
    db.checkpointWal();
    expect(statSync(path).size).toBeLessThanOrEqual(before - mebibyte / 4);
    expect(db.quickCheck()).toEqual([]);
    db.close();
  });

  it('is not taken below the least size, however full the disk is', () => {
    const { room, db, disk, clock, kit } = agent(true);
    disk.free = 0;
    clock.advance(10_000);
    expect(room.makeRoom(0, kit.lastCommit)).toBe(true);
    expect(db.usedBytes()).toBeGreaterThan(keepFree.sizeBytesMin / 2);
    expect(kit.voids()).not.toEqual([]);
    db.close();
  });

  it('stops a file that cannot shrink from growing, and drops nothing that would help nobody', () => {
    const { room, db, disk, clock, kit, queued } = agent(false);
    disk.free = 0;
    clock.advance(10_000);
    expect(room.isFull(0)).toBe(false);
    expect(room.isFull(mebibyte)).toBe(true);
    room.giveBack();
    expect(kit.outbox.queued()[2]).toBe(queued);
    db.close();
  });
});
