/**
 * Alarms and actions over crashes at any point around a COMMIT: transitions are those of an undisturbed agent, every action is carried
 * out at least once and none after its expiry. The canary forgets the state of alarms, and is caught.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decidedBy, outcomesIn, overheat, type Told, toldBy, withAlarms } from '../testing/alarm-kit.ts';
import { CoreKit, StorageFailed } from '../testing/core-kit.ts';
import type { AlarmConfig } from './alarm-config.ts';

const [step] = overheat.steps;
if (step?.kind !== 'publish') throw new Error('no publish');
const confirm = { topic: 'fans/{device}', payloads: { active: 'ON', cleared: 'OFF' }, withinMs: 5000 };
const alarms: readonly AlarmConfig[] = [
  { ...overheat, steps: [{ ...step, confirm }] },
  {
    ...overheat,
    name: 'warm',
    watches: { stream: 'stats', metric: 't', aggregate: 'mean' },
    condition: { kind: 'above', level: 50 },
    forMs: 0,
    inputDelayMs: 12_000,
    atMost: { count: 3, perMs: 60_000 },
    steps: [{ ...step, topic: 'lamps/{device}/set' }],
  },
];
const config = withAlarms(...alarms);

const crash = fc.constantFrom(
  'none',
  'none',
  'none',
  'kill',
  'checkpoint and kill',
  'before COMMIT',
  'after COMMIT',
  'before a COMMIT by timer',
  'after a COMMIT by timer',
);
const moment = fc.record({
  value: fc.integer({ min: 40, max: 80 }),
  waitMs: fc.constantFrom(1000, 1000, 4000, 20_000),
  crash,
});
type Moment = typeof moment extends fc.Arbitrary<infer T> ? T : never;

interface Run {
  readonly told: readonly Told[];
  readonly actions: readonly string[];
}

const sliceMs = 100;

/** As a timer would: a storage that fails ends the process. */
function commit(kit: CoreKit): void {
  try {
    kit.core.commit();
  } catch (error) {
    if (!(error instanceof StorageFailed)) throw error;
    kit.failure = error;
    kit.core.kill();
  }
}

/** One agent over all moments; with `spoil`, called between the end of a process and the next start. */
function run(moments: readonly Moment[], isDisturbed: boolean, spoil?: (kit: CoreKit) => void): Run {
  const kit = new CoreKit(config);
  const actuatorAnswers = (): void => {
    kit.actuator.onCall = (call) => {
      if (call.kind === 'publish' && call.topic.startsWith('fans/'))
        kit.core.desk.observe('climate', 'fans/d', Buffer.from(call.payload));
    };
  };
  const restart = (): void => {
    kit.failure = undefined;
    kit.core.kill();
    spoil?.(kit);
    kit.open(config);
    kit.core.start();
  };
  try {
    actuatorAnswers();
    kit.core.start();
    for (const { value, waitMs, crash: how } of moments) {
      const time = kit.clock.now();
      if (isDisturbed && how.endsWith('COMMIT')) kit.faults.arm(whenOf(how));
      let token = kit.submit(time, value);
      commit(kit);
      // Not acked: the sensor sends it again.
      while (kit.failure !== undefined || !kit.released.includes(token)) {
        if (kit.failure !== undefined) restart();
        token = kit.submit(time, value);
        commit(kit);
      }
      if (isDisturbed && how === 'checkpoint and kill') kit.core.checkpoint();
      if (isDisturbed && how.endsWith('kill')) restart();
      if (isDisturbed && how.endsWith('by timer')) kit.faults.arm(whenOf(how));
      for (let passed = 0; passed < waitMs; passed += sliceMs) {
        kit.clock.advance(sliceMs);
        if (kit.failure !== undefined) restart();
      }
    }
    for (let passed = 0; passed < 40_000; passed += sliceMs) {
      kit.clock.advance(sliceMs);
      if (kit.failure !== undefined) restart();
    }
    check(kit);
    const actions = decidedBy(kit).map(({ alarm, phase, call }) => `${alarm} ${phase} ${JSON.stringify(call)}`);
    return { told: toldBy(kit), actions };
  } finally {
    kit.close();
  }
}

const whenOf = (how: string): 'before' | 'after' => (how.startsWith('before') ? 'before' : 'after');

/** Of any run: nothing was carried out that was not decided, all of it at least once and never after its expiry. */
function check(kit: CoreKit): void {
  const decided = decidedBy(kit);
  const outcomes = new Map(outcomesIn(kit));
  expect(decided.map(({ id }) => id)).toEqual(decided.map((_, index) => index + 1));
  for (const { id, call, at, expiresAt } of decided) {
    expect(outcomes.get(id)).toBe('done');
    const carried = kit.actuator.calls.filter((other) => JSON.stringify(other.call) === JSON.stringify(call));
    expect(carried.some((other) => other.at >= at && other.at <= expiresAt)).toBe(true);
  }
  for (const { at, call } of kit.actuator.calls) {
    const source = decided.some(
      (action) => JSON.stringify(action.call) === JSON.stringify(call) && action.at <= at && at <= action.expiresAt,
    );
    expect(source).toBe(true);
  }
  expect(kit.core.pendingActions).toBe(0);
}

/** Answers of actuators come when they come; what follows from readings comes at its time. */
const ofReadings = ({ told }: Run): readonly Told[] =>
  told.filter(({ word }) => word === 'active' || word === 'cleared');
const answers = ({ told }: Run): number => told.filter(({ word }) => word === 'confirmed').length;

/** Returns how many transitions there were. */
function compare(moments: readonly Moment[], spoil?: (kit: CoreKit) => void): number {
  const calm = run(moments, false);
  const disturbed = run(moments, true, spoil);
  expect(ofReadings(disturbed)).toEqual(ofReadings(calm));
  expect(disturbed.actions).toEqual(calm.actions);
  expect(answers(disturbed)).toBe(answers(calm));
  return calm.told.length;
}

describe('crashes around COMMIT', () => {
  it('change no transition and no decision; every action is carried out, none too late', () => {
    let transitions = 0;
    fc.assert(
      fc.property(fc.array(moment, { minLength: 4, maxLength: 25 }), (moments) => {
        transitions += compare(moments);
      }),
      { numRuns: 40 },
    );
    expect(transitions).toBeGreaterThan(200);
  });

  it('are noticed by these checks when the state of alarms is forgotten', () => {
    const forget = (kit: CoreKit): void => kit.db.exec(`DELETE FROM state WHERE key LIKE 'operator:["alarm"%'`);
    const checkpoints = (moments: readonly Moment[]): Moment[] =>
      moments.map((entry) => ({ ...entry, crash: 'checkpoint and kill' as const }));
    expect(() =>
      fc.assert(
        fc.property(fc.array(moment, { minLength: 10, maxLength: 30 }), (moments) => {
          compare(checkpoints(moments), forget);
        }),
        { numRuns: 30, endOnFailure: true },
      ),
    ).toThrow('Property failed');
  });
});

describe('a command that was committed and not carried out', () => {
  const fan = withAlarms({ ...overheat, forMs: 0 });

  /** Ends right after the COMMIT of the command. */
  function crashBeforeCarryingOut(): CoreKit {
    const kit = new CoreKit(fan);
    kit.core.start();
    kit.faults.arm('after');
    kit.submit(kit.clock.now(), 99);
    commit(kit);
    expect(kit.failure).toBeInstanceOf(StorageFailed);
    expect(kit.actuator.calls).toEqual([]);
    expect(decidedBy(kit)).toHaveLength(1);
    return kit;
  }

  it('is carried out by the next process within its expiry', () => {
    const kit = crashBeforeCarryingOut();
    kit.clock.advance(20_000);
    kit.open(fan);
    kit.core.start();
    expect(kit.actuator.published).toEqual(['fans/d/set ON']);
    kit.close();
  });

  it('is not, and told, after it', () => {
    const kit = crashBeforeCarryingOut();
    kit.clock.advance(30_000);
    kit.open(fan);
    kit.core.start();
    kit.clock.advance(60_000);
    expect(kit.actuator.calls).toEqual([]);
    expect(toldBy(kit).map(({ word }) => word)).toEqual(['active', 'expired']);
    kit.close();
  });

  it('is not when the clock was set back, so that nobody knows how long ago it was', () => {
    const kit = crashBeforeCarryingOut();
    kit.clock.jumpWall(kit.clock.now() - 3_600_000);
    kit.open(fan);
    kit.core.start();
    kit.clock.advance(60_000);
    expect(kit.actuator.calls).toEqual([]);
    kit.close();
  });
});
