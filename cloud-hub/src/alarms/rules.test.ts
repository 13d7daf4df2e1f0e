import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadHubConfig } from '../config.ts';
import { openAlarmFixture } from '../testing/alarm-fixture.ts';
import { definition, type ReadingInput } from '../testing/store-fixture.ts';
import type { RuleConfig } from './rule.ts';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
/** From the end of a bucket until it was looked at. */
const settled = minute + 5_000;

const fail = (error: unknown): void => {
  throw error;
};

/** Rules as a user writes them. */
function rulesOf(text: string): readonly RuleConfig[] {
  const source = { text: `version: 1\nalarms: { rules: ${text} }\n`, name: 'hub.yaml', folder: '/srv' };
  return loadHubConfig(source, {}).value.alarms.rules;
}

function openWorld(text: string, isBusy: () => boolean = () => false) {
  const fixture = openAlarmFixture(start - 5 * minute);
  const rules = rulesOf(text);
  const alarms = fixture.open({ rules }, { isBusy });
  alarms.start(fail);
  // Past the time that agents have after a start.
  fixture.clock.advance(5 * minute);
  return { ...fixture, rules, alarms };
}

interface Rule {
  readonly kind: 'above' | 'below';
  readonly level: number;
  readonly hysteresis: number;
  readonly buckets: number;
}

/** The same from the readings alone: state after each bucket, and the buckets whose end changed it. */
function naive({ kind, level, hysteresis, buckets }: Rule, readings: readonly (readonly number[])[]) {
  const sign = kind === 'above' ? 1 : -1;
  let state = '';
  let held = 0;
  let empty = 0;
  return readings.flatMap((values, index): [index: number, word: string][] => {
    const before = state;
    empty = values.length === 0 ? empty + 1 : 0;
    if (values.length === 0) {
      held = 0;
      if (state === 'active' && empty >= 3) state = 'stale';
    } else {
      const over = (values.reduce((sum, value) => sum + value, 0) / values.length - level) * sign;
      held = over > 0 ? held + 1 : 0;
      const isClear = hysteresis === 0 ? over <= 0 : over < -hysteresis;
      const isOn = state === 'active' || state === 'stale';
      if (isOn) state = isClear ? 'cleared' : 'active';
      else if (held >= buckets) state = 'active';
    }
    return state === before ? [] : [[index, state]];
  });
}

describe('a rule', () => {
  it('comes to what a computation over the readings comes to', () => {
    const rule = fc.record({
      kind: fc.constantFrom('above', 'below'),
      level: fc.constantFrom(0, 2),
      hysteresis: fc.constantFrom(0, 1),
      buckets: fc.integer({ min: 1, max: 4 }),
    });
    const readings = fc.array(fc.array(fc.integer({ min: -4, max: 4 }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 14,
    });
    fc.assert(
      fc.property(rule, readings, (asked, buckets) => {
        const { kind, level, hysteresis } = asked;
        const clear =
          hysteresis === 0 ? '' : kind === 'above' ? `clear_below: ${level - 1},` : `clear_above: ${level + 1},`;
        const { clock, agent, history, rows, alarms } = openWorld(
          `{ r: { match: temperature, every: 5m, ${kind}: ${level}, ${clear} for: ${asked.buckets * 5}m } }`,
        );
        const sender = agent('gw', [definition()]);
        for (const [index, values] of buckets.entries()) {
          const startMs = start + index * 5 * minute;
          const sent = values.map((value, at): ReadingInput => ({ series: 0, timeMs: startMs + at * 60_000, value }));
          if (sent.length > 0) sender.send(sent);
          clock.advance(5 * minute);
        }
        clock.advance(settled);
        const changes = naive(asked, buckets);
        expect(history()).toEqual(changes.map(([index, word]) => [start + (index + 1) * 5 * minute, word]));
        expect(rows().map(({ state }) => state)).toEqual(changes.slice(-1).map(([, word]) => word));
        alarms.stop();
      }),
      { numRuns: 40 },
    );
  });

  it('looks at each series for itself, at sites too, and says which it was', () => {
    const { clock, agent, rows } = openWorld(
      '{ hot: { match: "temperature{agent=\\"gw\\"}", agg: max, every: 15m, above: 30, severity: critical } }',
    );
    const cellar = definition({ device: 'cellar', tags: [['rack', '7']] });
    const sender = agent('gw', [cellar, definition({ device: 'attic' })]);
    const other = agent('gw2', [definition()]);
    sender.send([
      { series: 0, timeMs: start + 1_000, value: 31 },
      { series: 0, timeMs: start + 2_000, value: 10 },
      { series: 1, timeMs: start + 1_000, value: 29 },
    ]);
    other.send([{ series: 0, timeMs: start + 1_000, value: 99 }]);
    clock.advance(15 * minute + settled);
    expect(rows()).toMatchObject([
      {
        origin: 'rule',
        alarm: 'hot',
        agent: 'gw',
        device: 'cellar',
        metric: 'temperature',
        tags: { rack: '7' },
        series: 1,
        severity: 'critical',
        state: 'active',
        sinceMs: start + 15 * minute,
      },
    ]);
  });

  it('looks at a bucket once, when it has settled: what comes before then counts, what comes later does not', () => {
    const { clock, agent, history } = openWorld('{ r: { match: temperature, every: 5m, above: 30, settle: 2m } }');
    const sender = agent('gw', [definition()]);
    clock.advance(7 * minute - 1);
    expect(history()).toEqual([]);
    sender.send([{ series: 0, timeMs: start + 1_000, value: 40 }]);
    clock.advance(2_000);
    expect(history()).toEqual([[start + 5 * minute, 'active']]);
    sender.send([{ series: 0, timeMs: start + 2_000, value: -100 }]);
    clock.advance(minute);
    expect(history()).toHaveLength(1);
  });

  it('uses the readings where no roll-up has what is asked for', () => {
    const { clock, agent, rows } = openWorld('{ r: { match: temperature, agg: p90, every: 5m, below: 5 } }');
    const sender = agent('gw', [definition()]);
    sender.send(Array.from({ length: 10 }, (_, i) => ({ series: 0, timeMs: start + i, value: i < 9 ? 1 : 100 })));
    clock.advance(5 * minute + settled);
    expect(rows()).toMatchObject([{ state: 'active' }]);
  });

  it('leaves out what it cannot answer exactly, counts it, and says once how to ask', () => {
    const { clock, agent, rows, alarms, logged } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }');
    const held = definition({ device: 'held', sampling: 'held', holdMs: minute });
    const sender = agent('gw', [held, definition()]);
    for (const startMs of [start, start + 5 * minute])
      sender.send([0, 1].map((series) => ({ series, timeMs: startMs + 1_000, value: 40 })));
    clock.advance(10 * minute + settled);
    expect(rows()).toMatchObject([{ device: 'd1', state: 'active' }]);
    expect(alarms.ruleCounts).toMatchObject({ evaluated: 4, unanswerable: 3 });
    expect(logged).toEqual([{ rule: 'r', problem: expect.stringContaining('ask for agg=twa, last, min or max') }]);
  });

  it('goes on when the clock of the hub is set back, with the buckets of the time that it is then', () => {
    const { clock, agent, rows } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }');
    clock.jumpWall(start + 10 * 86_400_000);
    clock.advance(5 * minute);
    clock.jumpWall(start);
    agent('gw', [definition()]).send([{ series: 0, timeMs: start + 1_000, value: 40 }]);
    clock.advance(5 * minute + settled);
    expect(rows()).toMatchObject([{ state: 'active' }]);
  });

  it('looks at no bucket again because its clock was set back a little', () => {
    const { clock, agent, history } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }');
    const sender = agent('gw', [definition()]);
    sender.send([{ series: 0, timeMs: start + 1_000, value: 40 }]);
    sender.send([{ series: 0, timeMs: start + 5 * minute, value: 20 }]);
    clock.advance(10 * minute + settled);
    clock.jumpWall(clock.now() - minute);
    clock.advance(2 * minute);
    expect(history().map(([, word]) => word)).toEqual(['active', 'cleared']);
  });

  it('waits while messages wait, and not for ever', () => {
    let isBusy = false;
    const { clock, agent, rows } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }', () => isBusy);
    agent('gw', [definition()]).send([{ series: 0, timeMs: start, value: 40 }]);
    clock.advance(6 * minute - 1);
    isBusy = true;
    clock.advance(15_000);
    expect(rows()).toEqual([]);
    clock.advance(10_000);
    expect(rows()).toMatchObject([{ state: 'active' }]);
  });

  it('ends its alarms where it matches them no more, or is gone', () => {
    const { clock, agent, rows, alarms, open } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }');
    const sender = agent('gw', [definition({ device: 'a' }), definition({ device: 'b' })]);
    const send = (startMs: number): void =>
      sender.send([0, 1].map((series) => ({ series, timeMs: startMs + 1_000, value: 40 })));
    send(start);
    clock.advance(5 * minute + settled);
    expect(rows().map(({ state }) => state)).toEqual(['active', 'active']);
    alarms.stop();
    send(start + 5 * minute);
    const narrowed = open({ rules: rulesOf('{ r: { match: "temperature{device=\\"b\\"}", every: 5m, above: 30 } }') });
    narrowed.start(fail);
    clock.advance(5 * minute);
    expect(rows().map(({ device, state }) => [device, state])).toEqual([
      ['a', 'ended'],
      ['b', 'active'],
    ]);
    narrowed.stop();
    open().start(fail);
    expect(rows().map(({ state }) => state)).toEqual(['ended', 'ended']);
  });

  it('ends many alarms some at a time, so that commits go on', () => {
    const { clock, agent, rows, alarms, open } = openWorld('{ r: { match: temperature, every: 5m, above: 30 } }');
    const devices = Array.from({ length: 100 }, (_, i) => definition({ device: `d${i}` }));
    agent('gw', devices).send(devices.map((_, series) => ({ series, timeMs: start, value: 40 })));
    clock.advance(5 * minute + 2 * settled);
    expect(rows().map(({ state }) => state)).toEqual(devices.map(() => 'active'));
    alarms.stop();
    open({ rules: rulesOf('{ r: { match: pressure, every: 5m, above: 30 } }') }).start(fail);
    const ended = [0];
    for (let turn = 0; turn < 10_000 && ended.at(-1) !== devices.length; turn++) {
      clock.advance(25);
      ended.push(rows().filter(({ state }) => state === 'ended').length);
    }
    const steps = ended.slice(1).map((count, at) => count - (ended[at] ?? 0));
    expect(Math.max(...steps)).toBeLessThan(20);
    expect(ended.at(-1)).toBe(devices.length);
  });

  it('goes on where it was after a restart, once agents had time to come back', () => {
    const { clock, agent, history, alarms, open, rules } = openWorld(
      '{ r: { match: temperature, every: 5m, above: 30, for: 10m } }',
    );
    const sender = agent('gw', [definition()]);
    sender.send([{ series: 0, timeMs: start, value: 40 }]);
    clock.advance(5 * minute + settled);
    alarms.stop();
    clock.advance(5 * minute);
    open({ rules }).start(fail);
    clock.advance(minute);
    sender.send([{ series: 0, timeMs: start + 5 * minute, value: 40 }]);
    clock.advance(2 * minute);
    expect(history()).toEqual([[start + 10 * minute, 'active']]);
  });
});

describe('a rule in the configuration', () => {
  it('is complete: what is not written has a default', () => {
    expect(rulesOf('{ r: { match: temperature, every: 15m, outside: [2, 8], for: 20m } }')).toMatchObject([
      {
        name: 'r',
        aggregate: 'mean',
        everyMs: 15 * minute,
        condition: { kind: 'outside', low: 2, high: 8 },
        buckets: 2,
        settleMs: minute,
        severity: 'warning',
      },
    ]);
  });

  it.each([
    ['match: "temp{", every: 5m, above: 1', 'r.match: '],
    ['match: t, agg: avg, every: 5m, above: 1', 'r.agg: agg: "avg" is none of'],
    ['match: t, agg: "min,max", every: 5m, above: 1', 'r.agg: names several'],
    ['match: t, every: 7m, above: 1', 'r.every: 7m does not divide a day'],
    ['match: t, every: 10s, above: 1', 'r.every: must be at least 1m'],
    ['match: t, every: 1m, above: 1, for: 2h', 'r.for: is more than 100 buckets of 1m'],
    ['match: t, every: 5m', 'r: needs one condition'],
    ['match: t, every: 5m, above: 1, below: 0', 'r: needs one condition'],
    ['match: t, every: 5m, above: 1, clear_below: 2', 'r: clear_below lies above the level'],
    ['match: t, every: 5m, above: 1, clear_above: 0', 'r: clear_above: an alarm that is active above'],
    ['match: t, every: 5m, below: 1, clear_above: 0', 'r: clear_above lies below the level'],
    ['match: t, every: 5m, outside: [8, 2]', 'r: outside: the first level lies below'],
    ['match: t, every: 5m, outside: [2, 8], clear_above: 9', 'r: clear_above and clear_below lie within'],
    ['match: t, every: 5m, above: 1, severity: bad', 'r.severity: '],
  ])('%s is refused with the fix', (fields, message) => {
    expect(() => rulesOf(`{ r: { ${fields} } }`)).toThrow(`alarms.rules.${message}`);
  });
});
