/** What the core lets go, and when (P1, P6): nothing before it is on disk, nothing after the storage failed, nothing it may not lose. */
import { protocolLimits } from '@fogline/shared/protocol/limits';
import { decodeBatch, decodeVoid } from '@fogline/shared/protocol/messages';
import { afterEach, describe, expect, it } from 'vitest';
import type { CoreConfig } from './core-config.ts';
import { CoreKit, coreConfig, StorageFailed } from './testing/core-kit.ts';
import { welcomeTo } from './uplink/testing/stub-hub.ts';

let kit: CoreKit;
afterEach(() => kit.close());

/** Of a core that was started: the hub answers, and holds nothing yet. */
function welcome(): void {
  kit.hub.events?.onOpen();
  const hello = kit.hub.hello();
  if (hello === undefined) throw new Error('the agent said no hello');
  kit.hub.say('pi', 'welcome', welcomeTo(hello));
}

function connect(): void {
  kit.core.start();
  welcome();
  kit.hub.ackAll();
}

describe('tokens', () => {
  it('are released after the commit, in order, each once', () => {
    kit = new CoreKit();
    const tokens = [kit.submit(1, 1), kit.submit(2, 2)];
    expect(kit.released).toEqual([]);
    kit.clock.advance(100);
    expect(kit.released).toEqual(tokens);
    expect([...kit.store.commitsAfter(0)]).toHaveLength(1);
    tokens.push(kit.submit(3, 3));
    kit.clock.advance(100);
    expect(kit.released).toEqual(tokens);
  });

  it('are not released, and nothing is sent, when the storage fails before the commit is durable', () => {
    kit = new CoreKit();
    connect();
    kit.submit(1, 1);
    kit.faults.arm('before');
    kit.clock.advance(100);
    expect(kit.failure).toBeInstanceOf(StorageFailed);
    expect(kit.released).toEqual([]);
    expect(kit.hub.published).toEqual([]);
    // Nor later: this process is over.
    kit.submit(2, 2);
    kit.clock.advance(60_000);
    kit.core.stop();
    expect(kit.released).toEqual([]);
    expect(kit.hub.published).toEqual([]);
    kit.open();
    expect([...kit.store.commitsAfter(0)]).toHaveLength(0);
  });

  it('are not released when it fails right after, though the readings are there once at the next start', () => {
    kit = new CoreKit();
    connect();
    kit.submit(1, 1);
    kit.faults.arm('after');
    kit.clock.advance(100);
    expect(kit.released).toEqual([]);
    expect(kit.hub.published).toEqual([]);
    kit.open();
    // The sender comes again; its reading is a repeat, and it is released.
    const token = kit.submit(1, 1);
    kit.clock.advance(100);
    expect(kit.released).toEqual([token]);
    expect(kit.core.status().queuedItems).toEqual([0, 0, 1, 0]);
  });

  it('keep their order when somebody who was released sends more at once', () => {
    kit = new CoreKit();
    const released: number[] = [];
    const tokens = [kit.submit(1, 1), kit.submit(2, 2)];
    kit.onRelease = (token) => {
      released.push(token);
      if (token !== tokens[0]) return;
      tokens.push(kit.submit(3, 3));
      kit.core.commit();
    };
    kit.clock.advance(100);
    expect(released).toEqual(tokens);
    expect(tokens).toHaveLength(3);
  });

  it('of messages that became no reading are released once what was counted of them is durable', () => {
    kit = new CoreKit();
    kit.core.reject('climate', 'junk_json', 'topic', new Uint8Array(3));
    kit.submitAll([]);
    kit.faults.arm('before');
    kit.clock.advance(100);
    expect(kit.released).toEqual([]);
    kit.open();
    kit.core.reject('climate', 'junk_json', 'topic', new Uint8Array(3));
    const token = kit.submitAll([]);
    kit.clock.advance(100);
    expect(kit.released).toEqual([token]);
    kit.open();
    expect(kit.core.counters()).toEqual({ 'rejected.climate.junk_json': 1 });
  });

  it('come with what deadbands held back counted for good', () => {
    const deadband = { thresholds: { t: 5 }, heartbeatMs: 60_000 };
    const config = { ...coreConfig, pipelines: [{ name: 'calm', from: 'climate', deadband, lane: 2 as const }] };
    kit = new CoreKit(config);
    for (let n = 0; n < 4; n++) kit.submit(n, n);
    kit.clock.advance(100);
    kit.open(config);
    for (let n = 0; n < 4; n++) kit.submit(10 + n, 3 + n);
    kit.clock.advance(100);
    kit.open(config);
    expect(kit.core.counters()).toEqual({ 'filtered.calm.deadband.within_band': 6 });
  });
});

describe('a buffer that is full of what must be kept', () => {
  const full: CoreConfig = {
    ...coreConfig,
    buffer: {
      ...coreConfig.buffer,
      sizeBytesMax: 480 * 1024,
      whenFull: { ...coreConfig.buffer.whenFull, normal: 'keep' },
    },
  };

  /** Submits until acks are withheld; returns how many readings were acked. */
  function fillUp(): number {
    let time = 0;
    for (let n = 0; n < 4000; n++) {
      kit.submitAll(Array.from({ length: 50 }, () => [++time, Math.sin(time)] as const));
      kit.clock.advance(60);
      // Merging makes room for a while.
      if (kit.core.isOverloaded) kit.clock.advance(10_000);
      if (kit.core.isOverloaded) break;
    }
    expect(kit.core.isOverloaded).toBe(true);
    return kit.released.length * 50;
  }

  it('withholds acks and loses nothing, and goes on when the hub acked', () => {
    kit = new CoreKit(full);
    kit.core.start();
    const acked = fillUp();
    const overloads = kit.overloads.length;
    expect(kit.core.status().queuedItems).toEqual([0, 0, acked, 0]);
    const waiting = kit.submit(-1, 1);
    kit.clock.advance(20_000);
    expect(kit.released).not.toContain(waiting);
    expect(kit.store.voidIds()).toEqual([]);
    welcome();
    const delivered = new Set<number>();
    for (let round = 0; round < 300; round++) {
      for (const { kind, payload } of kit.hub.published) {
        if (kind !== 'batch') continue;
        const { first, last } = decodeBatch(payload);
        for (let seq = first; seq <= last; seq++) delivered.add(seq);
      }
      kit.hub.ackAll();
      kit.clock.advance(100);
    }
    expect(kit.overloads.slice(overloads)).toEqual([false]);
    expect(kit.released).toContain(waiting);
    expect(delivered.size).toBe(acked + 51);
    expect(kit.core.status().queuedItems).toEqual([0, 0, 0, 0]);
  });

  it('does not wear out the medium while it waits', () => {
    kit = new CoreKit(full);
    kit.core.start();
    fillUp();
    kit.clock.advance(2000);
    const commits = kit.faults.commits;
    kit.clock.advance(9000);
    // Nine ticks tried to make room, and had nothing to write.
    expect(kit.faults.commits - commits).toBeLessThan(60);
    expect(kit.store.commitsAfter(0).next().done).toBe(false);
  });

  it('is bounded otherwise: the oldest goes, declared, and is told to the hub', () => {
    kit = new CoreKit({ ...full, buffer: { ...full.buffer, whenFull: coreConfig.buffer.whenFull } });
    kit.core.start();
    let time = 0;
    for (let n = 0; n < 600; n++) {
      kit.submitAll(Array.from({ length: 50 }, () => [++time, Math.sin(time)] as const));
      kit.clock.advance(60);
      expect(kit.core.usedBytes).toBeLessThan(480 * 1024);
    }
    expect(kit.released).toHaveLength(600);
    welcome();
    const voids = [];
    for (let round = 0; round < 100; round++) {
      for (const { kind, payload } of kit.hub.published) if (kind === 'void') voids.push(decodeVoid(payload));
      kit.hub.ackAll();
      kit.clock.advance(100);
    }
    const lost = voids.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    expect(lost).toBeGreaterThan(0);
    expect(
      voids.every(({ reason, stats }) => reason === 'evicted_size' && stats.length <= protocolLimits.voidStatsMax),
    ).toBe(true);
    expect(kit.store.wholeLedger().reduce((sum, { evicted }) => sum + evicted, 0)).toBe(lost);
  });
});

describe('a clock that is set forward', () => {
  it('makes nothing older than it is', () => {
    kit = new CoreKit({ ...coreConfig, buffer: { ...coreConfig.buffer, ageMsMax: 3_600_000 } });
    kit.core.start();
    kit.submit(1, 1);
    kit.clock.advance(1000);
    // From where the last shutdown left it to today.
    kit.clock.jumpWall(kit.clock.now() + 30 * 86_400_000);
    for (let n = 0; n < 60; n++) {
      kit.submit(100 + n, 1);
      kit.clock.advance(30_000);
    }
    expect(kit.core.status().queuedItems[2]).toBe(61);
    for (let n = 0; n < 200; n++) {
      kit.submit(1000 + n, 1);
      kit.clock.advance(30_000);
    }
    // The limit holds again: an hour has 120 of them, and what was merged goes with its newest.
    expect(kit.core.status().queuedItems[2]).toBeLessThan(140);
    expect(kit.store.voidIds()).not.toEqual([]);
  });
});
