/** Orders: one that is refused harms nobody, one for which there is no room waits, one on which the storage fails ends the hub once. */

import { FoglineError } from '@fogline/shared/errors';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { OrderTable } from '../store/orders.ts';
import { Agent, Hub, reading, t0 } from './testing/agent-fixture.ts';
import { UpkeepDriver } from './upkeep-driver.ts';

const cut = { kind: 'series_delete', series: 1, fromMs: t0, toMs: t0 + 60_000 } as const;

function open(database?: Uint8Array) {
  let commitsLeft = Number.POSITIVE_INFINITY;
  const faults = {
    beforeCommit() {
      if (commitsLeft-- <= 0) throw new FoglineError('storage_io', 'planted');
    },
    afterCommit: () => undefined,
  };
  const clock = new ManualClock(t0);
  const hub = new Hub({ clock, faults, ...(database === undefined ? {} : { file: database }) });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, { series: 0, time: t0, value: 1 });
  const failures: unknown[] = [];
  /** How many tombstones there were each time that they were to be copied. */
  const copied: number[] = [];
  const room = { isThere: true, hasRoom: () => room.isThere, mayTidy: () => room.isThere };
  const driver = new UpkeepDriver(hub.core, {
    clock,
    room,
    fail: (error) => failures.push(error),
    onOrders: () => copied.push(hub.core.read.tombstones().length),
  });
  return { hub, clock, room, driver, failures, copied, failAfter: (commits: number) => (commitsLeft = commits) };
}

it('what is deleted is committed and copied when the order returns', () => {
  const { driver, copied, failures } = open();
  expect(driver.order(cut)).toContain('has nothing from');
  expect([copied, failures]).toEqual([[1], []]);
});

it("an order that is refused is the caller's to hear of, and no failure", () => {
  const { driver, copied, failures } = open();
  expect(() => driver.order({ ...cut, series: 9 })).toThrow('no series 9');
  expect([copied, failures]).toEqual([[], []]);
});

it('a storage that fails ends the hub, and what was asked is not confirmed', () => {
  const { driver, failures, failAfter } = open();
  failAfter(0);
  expect(() => driver.order(cut)).toThrow('planted');
  expect(failures).toHaveLength(1);
  driver.stop();
  expect(() => driver.order(cut)).toThrow('the hub is stopping');
});

it('on a full disk an order waits for room', () => {
  const { hub, clock, room, driver, failures } = open();
  const orders = new OrderTable(hub.db);
  const id = orders.add(cut, t0);
  room.isThere = false;
  clock.advance(60_000);
  expect(() => driver.order(cut)).toThrow('the disk of the hub is full');
  expect(orders.get(id).state).toBe('open');
  room.isThere = true;
  clock.advance(60_000);
  expect([orders.get(id).state, failures]).toEqual(['done', []]);
});

it('an order that ended the hub does not end it again at the next start', () => {
  const { hub, clock, failures, failAfter } = open();
  const id = new OrderTable(hub.db).add(cut, t0);
  failAfter(1);
  clock.advance(1_000);
  expect(failures).toHaveLength(1);
  const next = open(hub.db.serialize());
  next.clock.advance(60_000);
  expect(new OrderTable(next.hub.db).get(id)).toMatchObject({ state: 'refused' });
  expect(new OrderTable(next.hub.db).get(id).answer).toContain('the hub ended while it carried this out');
  expect([next.failures, next.copied.at(-1)]).toEqual([[], 0]);
});
