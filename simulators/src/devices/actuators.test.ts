import { expect, it } from 'vitest';
import { planOf } from '../testing/plan.ts';
import { takeFrom } from '../testing/take.ts';
import { createFleetSource } from './fleet-source.ts';

const startMs = Date.UTC(2026, 0, 1);

/** Two rooms at a steady 60 °C, a reading a second, whose fans cool by 6 °C within a minute. */
function rooms() {
  const fan = {
    command: 'actuators/{site}/{device}/fan/set',
    state: 'actuators/{site}/{device}/fan',
    takes: '500ms',
    effect: { metric: 'temperature', change: -6, within: '1m' },
  };
  const room = {
    count: 2,
    tags: { site: ['a', 'b'] },
    topic: 'sensors/{device}/climate',
    metrics: { temperature: { base: 60 } },
    actuators: { fan },
  };
  return createFleetSource({ plan: planOf({ connections: 1, devices: { room } }), startMs });
}

/** What comes from `from` on, up to `toMs`: temperatures by device, and states. */
function until(source: ReturnType<typeof rooms>, toMs: number) {
  const temperatures: number[][] = [[], []];
  const states: string[] = [];
  while (source.dueMs(0) < toMs) {
    const { topic, payload, device, truth, position } = takeFrom(source, 0)!;
    if (topic.startsWith('actuators')) {
      states.push(`${topic} ${payload} ${position - startMs}`);
      expect(truth).toEqual([]);
    } else temperatures[device]!.push((JSON.parse(payload) as { temperature: number }).temperature);
  }
  return { temperatures, states };
}

it('carries out a command, says so after a while, and moves its metric and no other', () => {
  const source = rooms();
  expect(source.subscriptions?.(0)).toEqual(['actuators/+/+/fan/set']);
  expect(until(source, startMs + 10_000).temperatures[0]?.every((value) => value === 60)).toBe(true);
  source.onMessage?.('actuators/a/room-0001/fan/set', 'ON', startMs + 10_000);
  const cooling = until(source, startMs + 40_500);
  expect(cooling.states).toEqual(['actuators/a/room-0001/fan ON 10500']);
  expect(cooling.temperatures[0]?.at(-1)).toBeCloseTo(60 - 6 * (29.5 / 60), 2);
  expect(cooling.temperatures[1]?.every((value) => value === 60)).toBe(true);
  expect(until(source, startMs + 120_000).temperatures[0]?.at(-1)).toBe(54);
  source.onMessage?.('actuators/a/room-0001/fan/set', 'OFF', startMs + 120_000);
  const warming = until(source, startMs + 200_000);
  expect(warming.states).toEqual(['actuators/a/room-0001/fan OFF 120500']);
  expect(warming.temperatures[0]?.at(-1)).toBe(60);
  expect(source.commands).toEqual({ commands: 2, ignored: 0 });
});

it('turns back from where it is', () => {
  const source = rooms();
  source.onMessage?.('actuators/b/room-0002/fan/set', 'ON', startMs);
  until(source, startMs + 30_500);
  source.onMessage?.('actuators/b/room-0002/fan/set', 'OFF', startMs + 30_000);
  const { temperatures } = until(source, startMs + 45_500);
  // At 44.5 s: after 30 s of cooling by a tenth a second, 14 s of warming.
  expect(temperatures[1]?.at(-1)).toBe(58.4);
});

it.each([
  ['another device', 'actuators/a/room-0003/fan/set', 'ON'],
  ['a device at another site', 'actuators/b/room-0001/fan/set', 'ON'],
  ['no device', 'actuators/a/x/fan/set', 'ON'],
  ['a word that is no command', 'actuators/a/room-0001/fan/set', 'on'],
])('ignores and counts a command to %s', (_what, topic, payload) => {
  const source = rooms();
  source.onMessage?.(topic, payload, startMs);
  expect(source.commands).toEqual({ commands: 0, ignored: 1 });
  expect(until(source, startMs + 5_000).states).toEqual([]);
});
