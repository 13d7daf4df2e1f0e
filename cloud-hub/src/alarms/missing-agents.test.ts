import { encodeStatus } from '@fogline/shared/protocol/messages';
import { describe, expect, it } from 'vitest';
import { AgentRegistry } from '../fleet/agents.ts';
import { openAlarmFixture } from '../testing/alarm-fixture.ts';
import { definition, type FixtureAgent } from '../testing/store-fixture.ts';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const missing = { afterMs: 5 * minute, backForMs: 30_000, severity: 'warning' } as const;
/** A look comes within this time. */
const look = 5_000;

const fail = (error: unknown): void => {
  throw error;
};

function setOnline(agent: FixtureAgent, isOnline: boolean): void {
  agent.submit('status', encodeStatus({ agent: agent.agent, epoch: agent.epoch, isOnline }));
}

function openWorld() {
  const fixture = openAlarmFixture(start);
  const alarms = fixture.open({ missing });
  alarms.start(fail);
  const connect = (name: string): FixtureAgent => fixture.agent(name, [definition()]);
  const agent = connect('gw');
  setOnline(agent, true);
  const states = (): string[] => fixture.rows().map(({ state }) => state);
  return { ...fixture, alarms, connect, agent, states };
}

describe('an agent', () => {
  it('is missing when it was away for long enough, and back when it has been there for a while', () => {
    const { clock, agent, rows, states, history } = openWorld();
    clock.advance(60 * minute);
    expect(states()).toEqual([]);
    setOnline(agent, false);
    clock.advance(missing.afterMs - 1);
    expect(states()).toEqual([]);
    clock.advance(look);
    expect(rows()).toMatchObject([
      { origin: 'missing', alarm: 'missing', agent: 'gw', state: 'active', severity: 'warning', series: null },
    ]);
    setOnline(agent, true);
    clock.advance(missing.backForMs - 1);
    expect(states()).toEqual(['active']);
    clock.advance(look);
    expect(states()).toEqual(['cleared']);
    expect(history().map(([, word]) => word)).toEqual(['active', 'cleared']);
  });

  it('that flaps is one alarm at most', () => {
    const { clock, agent, history, states } = openWorld();
    for (let i = 0; i < 50; i++) {
      setOnline(agent, i % 2 === 1);
      clock.advance(20_000);
    }
    expect(states()).toEqual([]);
    setOnline(agent, false);
    clock.advance(10 * minute);
    for (let i = 0; i < 50; i++) {
      setOnline(agent, i % 2 === 0);
      clock.advance(20_000);
    }
    expect(states()).toEqual(['active']);
    expect(history()).toHaveLength(1);
  });

  it('that is heard is not missing, whatever its connection is said to be', () => {
    const { clock, agent, states } = openWorld();
    setOnline(agent, false);
    for (let i = 0; i < 10; i++) {
      clock.advance(4 * minute);
      agent.send([{ series: 0, timeMs: clock.now(), value: i }]);
    }
    expect(states()).toEqual([]);
  });

  it('does not become missing because a clock was set', () => {
    const { clock, agent, states } = openWorld();
    setOnline(agent, false);
    clock.jumpWall(start + 86_400_000);
    clock.advance(look);
    expect(states()).toEqual([]);
  });

  it('has the whole time to come back after the hub was started again, and what was missing stays so', () => {
    const { clock, agent: gw, connect, open, alarms, rows, history } = openWorld();
    setOnline(connect('gw2'), true);
    setOnline(gw, false);
    clock.advance(6 * minute);
    expect(rows()).toMatchObject([{ agent: 'gw', state: 'active' }]);
    alarms.stop();
    // Of whoever was connected to the process before, this one knows nothing.
    const next = open({ missing });
    next.start(fail);
    clock.advance(missing.afterMs - look);
    expect(rows()).toMatchObject([{ agent: 'gw', state: 'active' }]);
    clock.advance(look);
    expect(rows().map(({ agent, state }) => [agent, state])).toEqual([
      ['gw', 'active'],
      ['gw2', 'active'],
    ]);
    expect(history()).toHaveLength(1);
  });

  it('that may not come any more is waited for no longer', () => {
    const { clock, agent, db, alarms, states } = openWorld();
    const registry = new AgentRegistry(db, clock);
    registry.create('gw');
    setOnline(agent, false);
    clock.advance(6 * minute);
    registry.revoke('gw');
    alarms.credentialsChanged();
    expect(states()).toEqual(['ended']);
    clock.advance(60 * minute);
    expect(states()).toEqual(['ended']);
  });

  it('that may come again is missing when it is away, and was not before', () => {
    const { clock, agent, db, alarms, states, history } = openWorld();
    const registry = new AgentRegistry(db, clock);
    registry.create('gw');
    registry.revoke('gw');
    alarms.credentialsChanged();
    // Its connection is cut after that.
    setOnline(agent, false);
    clock.advance(60 * minute);
    registry.rotate('gw');
    alarms.credentialsChanged();
    setOnline(agent, true);
    clock.advance(minute);
    expect(states()).toEqual([]);
    setOnline(agent, false);
    clock.advance(6 * minute);
    expect(history().map(([, word]) => word)).toEqual(['active']);
  });

  it('that never came is not missing', () => {
    const { clock, db, states, open, alarms } = openWorld();
    new AgentRegistry(db, clock).create('never');
    alarms.stop();
    open({ missing }).start(fail);
    clock.advance(4 * minute);
    expect(states()).toEqual([]);
  });
});

it('alarms of missing agents end when the configuration asks for them no more', () => {
  const { clock, agent, alarms, open, rows } = openWorld();
  setOnline(agent, false);
  clock.advance(6 * minute);
  alarms.stop();
  open().start(fail);
  expect(rows()).toMatchObject([{ state: 'ended', severity: 'warning' }]);
});
