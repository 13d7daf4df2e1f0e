/** On a full disk alarms write nothing, so that none of it ends the hub, at each start too; what was to be written is written when there is room. */
import { encodeStatus } from '@fogline/shared/protocol/messages';
import { expect, it } from 'vitest';
import { loadHubConfig } from '../config.ts';
import { AgentRegistry } from '../fleet/agents.ts';
import { openAlarmFixture } from '../testing/alarm-fixture.ts';
import { definition, type FixtureAgent } from '../testing/store-fixture.ts';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const missing = { afterMs: 5 * minute, backForMs: 30_000, severity: 'warning' } as const;

const fail = (error: unknown): void => {
  throw error;
};

function setOnline(agent: FixtureAgent, isOnline: boolean): void {
  agent.submit('status', encodeStatus({ agent: agent.agent, epoch: agent.epoch, isOnline }));
}

function openWorld() {
  const source = {
    text: 'version: 1\nalarms: { keep: 1h, rules: { r: { match: temperature, every: 5m, above: 30 } } }\n',
    name: 'hub.yaml',
    folder: '/srv',
  };
  const { rules, keepMs } = loadHubConfig(source, {}).value.alarms;
  const fixture = openAlarmFixture(start - 5 * minute);
  const room = { isThere: true, hasRoom: () => room.isThere };
  const config = { missing, rules, keepMs };
  const alarms = fixture.open(config, room);
  alarms.start(fail);
  fixture.clock.advance(5 * minute);
  const alarmOf = definition({ stream: 'alarms', metric: 'overheat', type: 'text' });
  const agent = fixture.agent('gw', [definition(), alarmOf]);
  const changes = (): number => fixture.db.prepare<{ n: number }>('SELECT total_changes() AS n').get()?.n ?? 0;
  return { ...fixture, alarms, room, config, agent, changes };
}

it('nothing is written on a full disk: not by rules, shelves, expiry, missing agents, nor by a start', () => {
  const { agent, clock, alarms, room, config, open, changes, rows, db } = openWorld();
  new AgentRegistry(db, clock).create('gw');
  setOnline(agent, true);
  setOnline(agent, false);
  agent.send([{ series: 1, timeMs: start, value: 'active' }], [], 0);
  agent.send([{ series: 0, timeMs: start, value: 40 }]);
  clock.advance(11 * minute);
  expect(rows()).toMatchObject([{ origin: 'agent' }, { origin: 'missing' }, { origin: 'rule', state: 'active' }]);
  alarms.deeds.shelve(1, minute, { who: 'anna', nowMs: clock.now(), note: '' });
  agent.send([{ series: 0, timeMs: start + 5 * minute, value: 20 }]);
  room.isThere = false;
  new AgentRegistry(db, clock).revoke('gw');
  const before = changes();
  alarms.credentialsChanged();
  clock.advance(120 * minute);
  alarms.stop();
  const next = open({ ...config, rules: [] }, room);
  next.start(fail);
  clock.advance(120 * minute);
  expect(changes()).toBe(before);
  room.isThere = true;
  clock.advance(2 * minute);
  expect(rows()).toMatchObject([{ shelved: null }, { state: 'ended' }, { state: 'ended' }]);
  expect(db.prepare("SELECT * FROM alarm_history WHERE word = 'active'").all()).toEqual([]);
});

it('agents that the hub kept out while its disk was full have the whole time to come back', () => {
  const { agent, clock, room, rows } = openWorld();
  setOnline(agent, true);
  setOnline(agent, false);
  room.isThere = false;
  clock.advance(60 * minute);
  room.isThere = true;
  clock.advance(missing.afterMs - 5_000);
  expect(rows()).toEqual([]);
  clock.advance(10_000);
  expect(rows()).toMatchObject([{ origin: 'missing', state: 'active' }]);
});

it('what people do is refused on a full disk, and says why', () => {
  const { agent, clock, room, alarms, rows } = openWorld();
  agent.send([{ series: 1, timeMs: start, value: 'active' }], [], 0);
  room.isThere = false;
  const deed = { who: 'anna', nowMs: clock.now(), note: '' };
  expect(() => alarms.deeds.acknowledge(1, deed)).toThrow('the disk of the hub is full');
  expect(rows()).toMatchObject([{ acknowledged: null }]);
});
