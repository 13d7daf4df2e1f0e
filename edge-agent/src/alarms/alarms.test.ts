/** Alarms of a core, from readings to transitions in the log and actions that were carried out; without a hub (P5). */
import { afterEach, describe, expect, it } from 'vitest';
import { decidedBy, outcomesIn, overheat, toldBy, withAlarms } from '../testing/alarm-kit.ts';
import { CoreKit } from '../testing/core-kit.ts';
import type { AlarmConfig } from './alarm-config.ts';

let kit: CoreKit;
afterEach(() => kit.close());

function open(...alarms: readonly AlarmConfig[]): void {
  kit = new CoreKit(withAlarms(...alarms));
  kit.core.start();
}

/** A reading of now, committed. */
function read(value: number, ageMs = 0): void {
  kit.submit(kit.clock.now() - ageMs, value);
  kit.core.commit();
}

const words = (): string[] => toldBy(kit).map(({ word }) => word);
const immediate: AlarmConfig = { ...overheat, forMs: 0 };

describe('a level', () => {
  it('is active once it held for long enough by event time, clears below its clear level, and drives the output', () => {
    open(overheat);
    const begin = kit.clock.now();
    for (const value of [59, 61, 62, 63, 61, 62, 61]) {
      read(value);
      kit.clock.advance(1000);
    }
    expect(toldBy(kit)).toEqual([{ alarm: 'overheat', device: 'd', word: 'active', time: begin + 6000 }]);
    for (const value of [58, 56]) read(value, -1);
    kit.clock.advance(1000);
    read(54);
    expect(words()).toEqual(['active', 'cleared']);
    expect(kit.actuator.published).toEqual(['fans/d/set ON', 'fans/d/set OFF']);
    expect(kit.hub.published).toEqual([]);
  });

  it('is active when the value merely stands, without another reading, to the millisecond', () => {
    open(overheat);
    const begin = kit.clock.now();
    kit.clock.advance(333);
    read(61);
    kit.clock.advance(4999);
    expect(words()).toEqual([]);
    kit.clock.advance(1);
    expect(toldBy(kit)).toEqual([{ alarm: 'overheat', device: 'd', word: 'active', time: begin + 5333 }]);
    expect(kit.actuator.calls.map(({ at }) => at)).toEqual([begin + 5333]);
  });

  it('does not count what was interrupted', () => {
    open(overheat);
    for (const value of [61, 61, 61, 59, 61, 61, 61]) {
      read(value);
      kit.clock.advance(1500);
    }
    expect(words()).toEqual([]);
  });

  it('takes no notice of late and bad readings', () => {
    open(immediate);
    read(50);
    read(99, 1000);
    kit.core.submit({
      source: 'climate',
      newSeries: [],
      columns: {
        count: 1,
        series: Uint32Array.of(0),
        time: Float64Array.of(kit.clock.now() + 1),
        value: Float64Array.of(99),
        flags: Uint8Array.of(2),
        strings: [],
      },
      hasSourceTime: Uint8Array.of(1),
      tokens: [],
    });
    kit.core.commit();
    expect(words()).toEqual([]);
    kit.clock.advance(10);
    read(99);
    expect(words()).toEqual(['active']);
  });

  it('of a window is that of its aggregate when the window closes; what comes late to it changes nothing', () => {
    const mean: AlarmConfig = { ...immediate, watches: { stream: 'stats', metric: 't', aggregate: 'mean' } };
    open(mean);
    const begin = kit.clock.now();
    for (const value of [70, 50, 80, 40, 70]) {
      read(value);
      kit.clock.advance(2000);
    }
    kit.clock.advance(3000);
    read(20);
    expect(toldBy(kit)).toEqual([{ alarm: 'overheat', device: 'd', word: 'active', time: begin + 10_000 }]);
    // Late to the first window: its delta alone would clear.
    kit.submit(begin + 1, 1);
    kit.core.commit();
    expect(words()).toEqual(['active']);
    kit.clock.advance(20_000);
    expect(words()).toEqual(['active', 'cleared']);
  });
});

describe('a backlog', () => {
  it('tells its transitions and moves no output; the first fresh reading does', () => {
    open(immediate);
    read(99, 3_600_000);
    expect(words()).toEqual(['active']);
    expect(kit.actuator.calls).toEqual([]);
    expect(kit.core.desk.totals().get('action.outdated')).toBe(1);
    read(98);
    expect(words()).toEqual(['active']);
    expect(kit.actuator.published).toEqual(['fans/d/set ON']);
  });
});

describe('silence', () => {
  const missing: AlarmConfig = {
    ...immediate,
    name: 'gone',
    condition: { kind: 'missing', afterMs: 90_000 },
    steps: [],
  };

  it('is told when it is long enough, and ends with the next reading', () => {
    open(missing);
    const begin = kit.clock.now();
    read(1);
    kit.clock.advance(89_999);
    expect(words()).toEqual([]);
    kit.clock.advance(1);
    expect(toldBy(kit)).toEqual([{ alarm: 'gone', device: 'd', word: 'active', time: begin + 90_000 }]);
    kit.clock.advance(500);
    read(1);
    expect(words()).toEqual(['active', 'cleared']);
  });

  it('counts anew for a minute after a start, so that devices can come back', () => {
    open(missing);
    read(1);
    kit.core.kill();
    kit.clock.advance(600_000);
    kit.open(withAlarms(missing));
    kit.core.start();
    kit.clock.advance(59_000);
    expect(words()).toEqual([]);
    kit.clock.advance(2000);
    expect(words()).toEqual(['active']);
  });

  it('is told in its time although the clock was set back while the agent was not running', () => {
    open(missing);
    read(1);
    kit.core.kill();
    kit.clock.jumpWall(kit.clock.now() - 3_600_000);
    kit.open(withAlarms(missing));
    kit.core.start();
    kit.clock.advance(100_000);
    expect(words()).toEqual(['active']);
  });

  it('does not begin because the clock was set', () => {
    open(missing);
    read(1);
    kit.clock.advance(1000);
    kit.clock.jumpWall(kit.clock.now() + 86_400_000);
    kit.clock.advance(60_000);
    expect(words()).toEqual([]);
    kit.clock.advance(30_000);
    expect(words()).toEqual(['active']);
  });

  it('makes an input stale and drives the output to its safe value, and back when the input is back', () => {
    const [step] = overheat.steps;
    if (step === undefined) throw new Error('no step');
    const steps = [{ ...step, payloads: { ...step.payloads, stale: 'LOW' } }];
    open({ ...immediate, staleAfterMs: 70_000, steps });
    read(99);
    kit.clock.advance(70_000);
    expect(words()).toEqual(['active', 'stale']);
    expect(kit.core.status().alarms).toMatchObject([{ alarm: 'overheat', state: 'stale' }]);
    read(98);
    kit.clock.advance(70_000);
    read(20);
    expect(words()).toEqual(['active', 'stale', 'active', 'stale', 'cleared']);
    expect(kit.actuator.published.map((text) => text.split(' ')[1])).toEqual(['ON', 'LOW', 'ON', 'LOW', 'OFF']);
  });
});

describe('an acknowledgement', () => {
  it('is durable before who gave it hears so, holds over a restart, and ends with the alarm', () => {
    open(immediate);
    read(99);
    let durable = 0;
    expect(kit.core.desk.acknowledge('overheat', 'other', () => durable++)).toEqual([]);
    expect(kit.core.desk.acknowledge('overheat', 'd', () => durable++)).toEqual(['d']);
    expect(durable).toBe(0);
    kit.clock.advance(100);
    expect(durable).toBe(1);
    expect(words()).toEqual(['active', 'acknowledged']);
    kit.open(withAlarms(immediate));
    kit.core.start();
    expect(kit.core.status().alarms).toMatchObject([{ state: 'active', isAcknowledged: true }]);
    read(20);
    kit.clock.advance(10);
    read(99);
    expect(kit.core.status().alarms).toMatchObject([{ state: 'active', isAcknowledged: false }]);
  });
});

describe('an output', () => {
  it('that is told too often is told no more, counted, and is told again when its time has come', () => {
    open({ ...immediate, atMost: { count: 2, perMs: 60_000 } });
    for (let n = 0; n < 4; n++) {
      read(99);
      kit.clock.advance(1000);
      read(20);
      kit.clock.advance(1000);
    }
    expect(words()).toHaveLength(8);
    expect(kit.actuator.published).toHaveLength(4);
    expect(kit.core.desk.totals().get('action.suppressed')).toBe(2);
    read(99);
    kit.clock.advance(60_000);
    expect(kit.actuator.published).toHaveLength(4);
    read(98);
    expect(kit.actuator.published).toHaveLength(5);
  });

  it('to which nobody listens is tried until it expires, never after, and told', () => {
    open(immediate);
    kit.actuator.isListening = false;
    read(99);
    kit.clock.advance(29_000);
    expect(words()).toEqual(['active']);
    kit.clock.advance(2000);
    expect(words()).toEqual(['active', 'expired']);
    kit.actuator.isListening = true;
    kit.clock.advance(60_000);
    expect(kit.actuator.calls).toEqual([]);
    expect(outcomesIn(kit)).toEqual([[1, 'expired']]);
  });

  it('whose device would leave its level of the topic is not driven at all', () => {
    open(immediate);
    kit.core.submit({
      source: 'climate',
      newSeries: [{ id: 0, device: 'a/../b', metric: 't', unit: '', type: 'number', tags: [] }],
      columns: {
        count: 1,
        series: Uint32Array.of(0),
        time: Float64Array.of(kit.clock.now()),
        value: Float64Array.of(99),
        flags: Uint8Array.of(0),
        strings: [],
      },
      hasSourceTime: Uint8Array.of(1),
      tokens: [],
    });
    kit.core.commit();
    expect(words()).toEqual(['active', 'dropped']);
    expect(decidedBy(kit)).toEqual([]);
  });
});

describe('an answer', () => {
  const [step] = overheat.steps;
  if (step?.kind !== 'publish') throw new Error('no publish');
  const confirm = { topic: 'fans/{device}', payloads: { active: 'ON' }, withinMs: 5000 };
  const confirmed: AlarmConfig = { ...immediate, steps: [{ ...step, confirm }] };
  const answer = (payload: string, onDurable?: () => void): boolean =>
    kit.core.desk.observe('climate', 'fans/d', Buffer.from(payload), onDurable);

  it('is waited for, told, and acked when it is durable', () => {
    open(confirmed);
    expect(answer('ON')).toBe(false);
    read(99);
    let durable = 0;
    expect(answer('OFF')).toBe(false);
    expect(answer('ON', () => durable++)).toBe(true);
    expect(answer('ON')).toBe(false);
    expect(durable).toBe(0);
    kit.clock.advance(10_000);
    expect(durable).toBe(1);
    expect(words()).toEqual(['active', 'confirmed']);
  });

  it('that does not come in time is told, within a second and without any reading; and when it comes after all', () => {
    open(confirmed);
    const begin = kit.clock.now();
    read(99);
    kit.clock.advance(6000);
    expect(words()).toEqual(['active', 'unconfirmed']);
    expect((toldBy(kit)[1]?.time ?? 0) - begin).toBeLessThan(5100);
    expect(answer('ON')).toBe(true);
    kit.clock.advance(100);
    expect(words()).toEqual(['active', 'unconfirmed', 'confirmed']);
  });
});

describe('a configuration', () => {
  it('that changes a level keeps the state; one that drops the alarm ends it and lets its output go', () => {
    open(immediate);
    read(99);
    // Its outcome is recorded; else it would be carried out once more by the next process.
    kit.clock.advance(100);
    const higher: AlarmConfig = { ...immediate, condition: { kind: 'above', level: 80, clearBelow: 70 } };
    kit.open(withAlarms(higher));
    kit.core.start();
    expect(words()).toEqual(['active']);
    kit.open(withAlarms());
    kit.core.start();
    expect(words()).toEqual(['active', 'ended']);
    expect(kit.actuator.published).toEqual(['fans/d/set ON', 'fans/d/set OFF']);
    kit.clock.advance(100);
    kit.open(withAlarms());
    kit.core.start();
    kit.clock.advance(60_000);
    expect(kit.actuator.published).toHaveLength(2);
  });
});

describe('the flash profile without credit', () => {
  it('commits at once what brings about a transition, and waits with the rest', () => {
    const config = withAlarms(immediate);
    const flash = { ...config, buffer: { ...config.buffer, commit: 'flash' as const, flashBytesPerDay: 1 } };
    kit = new CoreKit(flash);
    kit.core.start();
    kit.clock.advance(5000);
    read(20);
    kit.submit(kit.clock.now() + 1, 21);
    kit.clock.advance(500);
    expect(kit.core.status().commits).toBe(2);
    kit.submit(kit.clock.now(), 99);
    kit.clock.advance(60);
    expect(words()).toEqual(['active']);
    expect(kit.actuator.published).toEqual(['fans/d/set ON']);
  });
});
