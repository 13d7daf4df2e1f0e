import { expect, it } from 'vitest';
import { planOf } from '../testing/plan.ts';
import { drain, type Taken, takeFrom } from '../testing/take.ts';
import { createFleetSource } from './fleet-source.ts';

const startMs = Date.UTC(2026, 0, 1);
const minuteMs = 60_000;

interface FaultLine {
  readonly kind: string;
  readonly device: string;
  readonly metric?: string;
  readonly from: number;
  readonly to: number;
}

interface Run {
  readonly messages: readonly Taken[];
  readonly faults: readonly FaultLine[];
}

/** Six hours of ten devices, a reading every ten seconds. */
function run(faults: readonly object[], type: object = {}): Run {
  const metrics = { temperature: { like: 'temperature' }, mode: { states: { idle: '20m', busy: '30m' } } };
  const dev = { count: 10, interval: '10s', metrics, faults, ...type };
  const plan = planOf({ duration: '6h', connections: 3, devices: { dev } });
  const messages = drain(createFleetSource({ plan, startMs }));
  return {
    messages,
    faults: messages.flatMap(({ truth }) => truth.flatMap(({ f }) => (f === undefined ? [] : [f as FaultLine]))),
  };
}

const clean = run([]);
const cleanAt = new Map(clean.messages.map((message) => [`${message.name} ${message.position}`, message]));

function temperatureOf({ payload }: Taken): number {
  return (JSON.parse(payload) as { temp: number }).temp;
}

function sentLine({ truth }: Taken): Record<string, unknown> {
  return truth.find(({ s }) => s !== undefined)!;
}

function isIn({ name, position }: Taken, { device, from, to }: FaultLine): boolean {
  return name === device && position >= from && position < to;
}

/** Messages in an episode with their untouched counterparts; and that nothing else was touched. */
function touched({ messages, faults }: Run): { message: Taken; before: Taken; fault: FaultLine }[] {
  return messages.flatMap((message) => {
    const before = cleanAt.get(`${message.name} ${message.position}`)!;
    const fault = faults.find((one) => isIn(message, one));
    if (fault !== undefined) return [{ message, before, fault }];
    expect(message.payload).toBe(before.payload);
    return [];
  });
}

it('has one episode in every span, told once, at places that differ from device to device', () => {
  const { faults } = run([{ kind: 'spike', metric: 'temperature', every: '1h', size: 15 }]);
  expect(faults.length).toBeGreaterThanOrEqual(50);
  expect(faults.length).toBeLessThanOrEqual(60);
  expect(new Set(faults.map(({ device, from }) => `${device} ${from}`)).size).toBe(faults.length);
  expect(new Set(faults.map(({ from }) => from % (60 * minuteMs))).size).toBeGreaterThan(50);
  expect(faults[0]).toEqual({
    kind: 'spike',
    device: expect.stringMatching(/^dev-00/) as string,
    metric: 'temperature',
    from: expect.any(Number) as number,
    to: faults[0]!.from + 10_000,
    size: 15,
  });
});

it('befalls the share of the devices that was asked for, always the same', () => {
  const fault = { kind: 'spike', metric: 'temperature', every: '1h', lasts: '10m', size: 15, share: '30%' };
  const devices = new Set(run([fault], { count: 300, interval: '5m' }).faults.map(({ device }) => device));
  expect(devices.size).toBeGreaterThan(60);
  expect(devices.size).toBeLessThan(120);
  expect(new Set(run([fault], { count: 300, interval: '5m' }).faults.map(({ device }) => device))).toEqual(devices);
});

it('spikes by its size', () => {
  const all = touched(run([{ kind: 'spike', metric: 'temperature', every: '1h', size: 15 }]));
  expect(all.length).toBeGreaterThan(50);
  for (const { message, before } of all) expect(temperatureOf(message) - temperatureOf(before)).toBeCloseTo(15, 6);
});

it('is stuck at one value, a state as well', () => {
  const all = touched(run([{ kind: 'stuck', metric: 'temperature', every: '1h', lasts: '10m' }]));
  for (const [, episodes] of Map.groupBy(all, ({ fault }) => fault)) {
    expect(episodes.length).toBeGreaterThanOrEqual(1);
    expect(new Set(episodes.map(({ message }) => temperatureOf(message))).size).toBe(1);
  }
  const states = touched(run([{ kind: 'stuck', metric: 'mode', every: '3h', lasts: '100m' }]));
  expect(states.some(({ message, before }) => message.payload !== before.payload)).toBe(true);
});

it('drifts evenly to its size', () => {
  const all = touched(run([{ kind: 'drift', metric: 'temperature', every: '2h', lasts: '1h', size: -6 }]));
  for (const { message, before, fault } of all) {
    const expected = (-6 * (message.timeMs - fault.from)) / (fault.to - fault.from);
    expect(Math.abs(temperatureOf(message) - temperatureOf(before) - expected)).toBeLessThan(0.011);
  }
});

it('swings about the value with the period of its pattern', () => {
  const all = touched(
    run([{ kind: 'pattern', metric: 'temperature', every: '2h', lasts: '20m', size: 3, period: '2m' }]),
  );
  for (const { message, before, fault } of all) {
    const isUp = Math.floor((message.timeMs - fault.from) / minuteMs) % 2 === 0;
    expect(temperatureOf(message) - temperatureOf(before)).toBeCloseTo(isUp ? 3 : -3, 6);
  }
});

it('tells Fahrenheit for Celsius', () => {
  const all = touched(run([{ kind: 'unit_flip', metric: 'temperature', every: '2h', lasts: '10m' }]));
  for (const { message, before } of all)
    expect(Math.abs(temperatureOf(message) - (temperatureOf(before) * 1.8 + 32))).toBeLessThan(0.006);
});

it('writes NaN, which nobody must take for a reading: the truth has none', () => {
  const all = touched(run([{ kind: 'nan', metric: 'temperature', every: '1h' }]));
  expect(all.length).toBeGreaterThan(50);
  for (const { message } of all) {
    expect(message.payload).toContain('"temp":NaN,');
    expect(sentLine(message)).toMatchObject({ v: {}, t: message.timeMs });
  }
});

it('falls silent in a gap, or leaves one metric out', () => {
  const silent = run([{ kind: 'gap', every: '2h', lasts: '10m' }]);
  expect(touched(silent)).toEqual([]);
  const missing = clean.messages.length - silent.messages.length;
  const inGaps = clean.messages.filter((message) => silent.faults.some((fault) => isIn(message, fault)));
  expect(inGaps.length).toBe(missing);
  expect(missing).toBeGreaterThan(60 * 25);
  for (const { message } of touched(run([{ kind: 'gap', metric: 'mode', every: '2h', lasts: '10m' }]))) {
    expect(Object.keys(JSON.parse(message.payload) as object)).toEqual(['ts', 'temp']);
    expect(Object.keys(sentLine(message)['v'] as object)).toEqual(['temperature']);
  }
});

it('sends a message twice, which the truth tells as one reading', () => {
  const { messages, faults } = run([{ kind: 'duplicate', every: '1h', lasts: '1m' }]);
  const bySlot = Map.groupBy(messages, ({ name, position }) => `${name} ${position}`);
  expect(bySlot.size).toBe(clean.messages.length);
  for (const [first, second, third] of bySlot.values()) {
    expect(third).toBeUndefined();
    expect(second !== undefined).toBe(faults.some((fault) => isIn(first!, fault)));
    if (second !== undefined) expect(sentLine(second)).toEqual(sentLine(first!));
  }
});

it('sends in reverse order, group by group, nothing lost', () => {
  const { messages, faults } = run([{ kind: 'reorder', every: '1h', lasts: '10m', depth: 4 }]);
  const text = ({ name, payload }: Taken) => `${name} ${payload}`;
  expect(messages.map(text).toSorted()).toEqual(clean.messages.map(text).toSorted());
  const backwards = [...Map.groupBy(messages, ({ name }) => name).values()].flatMap((list) =>
    list.filter((message, index) => message.timeMs < (list[index - 1]?.timeMs ?? 0)),
  );
  expect(backwards.length).toBeGreaterThan(faults.length * 30);
  expect(faults.length).toBeGreaterThan(50);
});

it('tells a wrong time while the clock is wrong, and owns up to one that a receiver may refuse', () => {
  for (const [key, byMs, isOpen] of [
    ['behind', -7_200_000, undefined],
    ['ahead', 7_200_000, 1],
  ] as const) {
    const all = touched(run([{ kind: 'clock_skew', every: '2h', lasts: '10m', [key]: '2h' }]));
    expect(all.length).toBeGreaterThan(1_000);
    for (const { message, before } of all) {
      expect(message.timeMs).toBe(before.timeMs + byMs);
      expect(sentLine(message)).toEqual({
        ...sentLine(before),
        t: before.timeMs + byMs,
        ...(isOpen === 1 ? { o: 1 } : {}),
      });
    }
  }
});

it('boots in 1970: the times count from then, and nobody must take them', () => {
  const all = touched(run([{ kind: 'boot_1970', every: '2h', lasts: '10m' }]));
  expect(all.length).toBeGreaterThan(1_000);
  for (const { message, before, fault } of all) {
    expect(message.timeMs).toBe(before.timeMs - fault.from + 5_000);
    expect(sentLine(message)).toMatchObject({ v: {}, t: message.timeMs });
  }
});

it('keeps readings while offline and sends them all when it is back, with their own times', () => {
  const metrics = { temperature: { like: 'temperature' } };
  const fault = { kind: 'offline', every: '2h', lasts: '20m' };
  const plan = planOf({
    duration: '6h',
    connections: 1,
    devices: { dev: { count: 1, interval: '10s', metrics, faults: [fault] } },
  });
  const source = createFleetSource({ plan, startMs });
  const dues: { dueMs: number; timeMs: number }[] = [];
  for (let dueMs = source.dueMs(0); dueMs !== Infinity; dueMs = source.dueMs(0)) {
    dues.push({ dueMs, timeMs: takeFrom(source, 0)!.timeMs });
  }
  const held = dues.filter(({ dueMs, timeMs }) => dueMs > timeMs);
  expect(dues).toHaveLength(2_160);
  expect(held.length).toBeGreaterThan(200);
  for (const [dueMs, burst] of Map.groupBy(held, (one) => one.dueMs)) {
    expect(burst.every(({ timeMs }) => timeMs >= dueMs - 20 * minuteMs)).toBe(true);
  }
  expect(dues.map(({ timeMs }) => timeMs)).toEqual(dues.map(({ timeMs }) => timeMs).toSorted((a, b) => a - b));
});

it('lets devices go and others come in their place, each with a name of its own', () => {
  const { messages, faults } = run([{ kind: 'churn', every: '2h', lasts: '5m' }]);
  const names = [...new Set(messages.map(({ name }) => name))];
  expect(names.length).toBeGreaterThanOrEqual(35);
  expect(names.every((name) => /^dev-00\d\d-g\d+$/.test(name))).toBe(true);
  for (const { device, to } of faults) {
    const last = messages.filter(({ name }) => name === device).at(-1);
    expect(last === undefined || last.timeMs < to).toBe(true);
  }
  const topics = new Set(messages.map(({ topic }) => topic));
  expect(topics.size).toBe(names.length);
});
