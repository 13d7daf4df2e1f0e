/** Orders of this process: one that is refused harms nobody, one on which the storage fails ends the hub. */

import { FoglineError } from '@fogline/shared/errors';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { Agent, Hub, reading, t0 } from './testing/agent-fixture.ts';
import { UpkeepDriver } from './upkeep-driver.ts';

const cut = { kind: 'series_delete', series: 1, fromMs: t0, toMs: t0 + 60_000 } as const;

function open() {
  let isBroken = false;
  const faults = {
    beforeCommit() {
      if (isBroken) throw new FoglineError('storage_io', 'planted');
    },
    afterCommit: () => undefined,
  };
  const clock = new ManualClock(t0);
  const hub = new Hub({ clock, faults });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, { series: 0, time: t0, value: 1 });
  const failures: unknown[] = [];
  /** How many tombstones there were each time that they were to be copied. */
  const copied: number[] = [];
  const driver = new UpkeepDriver(
    hub.core,
    clock,
    (error) => failures.push(error),
    () => copied.push(hub.core.read.tombstones().length),
  );
  return { driver, failures, copied, fail: () => (isBroken = true) };
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
  const { driver, failures, fail } = open();
  fail();
  expect(() => driver.order(cut)).toThrow('planted');
  expect(failures).toHaveLength(1);
  driver.stop();
  expect(() => driver.order(cut)).toThrow('the hub is stopping');
});
