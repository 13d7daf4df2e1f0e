/**
 * However batches are split, ordered, repeated and interrupted, the hub shows what a plain computation over the readings shows. The
 * computation here shares nothing with the store but the partial itself.
 */
import { Partial } from '@fogline/shared/aggregate/partial';
import { SeqRanges } from '@fogline/shared/seq-ranges';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import {
  Agent,
  Hub,
  type Row,
  reading,
  readingsPart,
  t0,
  type WindowRow,
  window,
  windowsPart,
} from './testing/agent-fixture.ts';

const levels = [10_000, 60_000, 900_000, 86_400_000] as const;
const widths = [0, 0, 0, 5_000, 60_000, 7_000];
const definitions = [
  reading('a'),
  reading('b'),
  reading('c'),
  window('d', 5_000),
  window('e', 60_000),
  window('f', 7_000),
];

interface Item {
  readonly series: number;
  readonly time: number;
  readonly value: number;
  readonly quality: number;
}

const item = fc.record({
  series: fc.integer({ min: 0, max: 5 }),
  time: fc
    .oneof(fc.integer({ min: -30_000, max: 30_000 }), fc.integer({ min: -200_000_000, max: 200_000_000 }))
    .map((ms) => t0 + ms),
  value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(-0, 0, 0.1, 21.5)),
  quality: fc.constantFrom(0, 0, 1, 2),
});

const scenario = fc.record({
  batches: fc.array(fc.array(item, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }),
  /** What happens, in order: deliver batch n (modulo), commit what is queued (and crash around the first COMMIT), restart, or fold. */
  steps: fc.array(fc.oneof(fc.nat({ max: 63 }), fc.constantFrom('fold', 'restart', 'commit', 'before', 'after')), {
    maxLength: 24,
  }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

function naive(batches: readonly (readonly Item[])[]): Map<string, string> {
  const partials = new Map<string, Partial>();
  for (const { series, time, value, quality } of batches.flat()) {
    const width = widths[series] ?? 0;
    if (width === 0 && quality === 2) continue;
    for (const level of levels) {
      if (width > 0 && level % width !== 0) continue;
      const start = Math.floor(time / level) * level;
      const key = `${series + 1} ${level} ${start}`;
      const partial = partials.get(key) ?? Partial.empty();
      partial.add(time, value);
      partials.set(key, partial);
    }
  }
  return new Map([...partials].map(([key, partial]) => [key, Buffer.from(partial.encode()).toString('hex')]));
}

function shown(hub: Hub): Map<string, string> {
  const rows = new Map<string, string>();
  for (const { id } of hub.core.read.listSeries({})) {
    for (const level of levels) {
      for (const { startMs, partial } of hub.core.read.rollups(id, level, t0 - 1e12, t0 + 1e12)) {
        rows.set(`${id} ${level} ${startMs}`, Buffer.from(partial).toString('hex'));
      }
    }
  }
  return rows;
}

const bits = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
const textOf = ({ series, time, value, quality }: Item): string => {
  const width = widths[series] ?? 0;
  return width === 0
    ? `${series + 1} ${time} ${bits(value)} ${quality}`
    : `${series + 1} ${Math.floor(time / width) * width} w`;
};

/** All raw items, as sorted texts; asserts that hours ascend. */
function rawOf(hub: Hub): string[] {
  const found: string[] = [];
  let lastHour = Number.NEGATIVE_INFINITY;
  for (const chunk of hub.core.read.raw({
    agent: 'gw1',
    fromMs: t0 - 1e12,
    toMs: t0 + 1e12,
    series: new Set([1, 2, 3, 4, 5, 6]),
  })) {
    expect(chunk.hourMs).toBeGreaterThanOrEqual(lastHour);
    lastHour = chunk.hourMs;
    const { readings, windows } = chunk;
    for (let i = 0; i < readings.count; i++) {
      found.push(`${readings.series[i]} ${readings.time[i]} ${bits(readings.value[i] ?? 0)} ${readings.flags[i]}`);
    }
    for (let i = 0; i < windows.count; i++) found.push(`${windows.series[i]} ${windows.start[i]} w`);
  }
  return found.sort();
}

/** Of readings only. */
function latestOf(hub: Hub): string[] {
  return hub.core.read
    .latest([1, 2, 3])
    .map((latest) =>
      latest.kind === 'number' ? `${latest.series} ${latest.timeMs} ${bits(latest.value)}` : latest.kind,
    );
}

function naiveLatest(items: readonly Item[]): string[] {
  return [0, 1, 2].flatMap((series) => {
    const own = items.filter((candidate) => candidate.series === series);
    const time = Math.max(...own.map((candidate) => candidate.time));
    const values = own.filter((candidate) => candidate.time === time).map((candidate) => candidate.value);
    const greatest = values.reduce((a, b) => (b > a || (b === a && Object.is(a, -0)) ? b : a), values[0] ?? 0);
    return own.length === 0 ? [] : [`${series + 1} ${time} ${bits(greatest)}`];
  });
}

/** A window item is one reading in the window around it. */
function payloadOf(agent: Agent, first: number, items: readonly Item[]): Uint8Array {
  const rows: Row[] = items.filter(({ series }) => widths[series] === 0);
  const windows: WindowRow[] = items
    .filter(({ series }) => (widths[series] ?? 0) > 0)
    .map(({ series, time, value }) => {
      const width = widths[series] ?? 1;
      return { series, start: Math.floor(time / width) * width, values: [[time, value]] };
    });
  const parts = [
    ...(rows.length > 0 ? [readingsPart(rows)] : []),
    ...(windows.length > 0 ? [windowsPart(windows)] : []),
  ];
  return agent.batchBytes(first, parts, items.length);
}

function check({ batches, steps }: Scenario): void {
  let armed: string | undefined;
  const strike = (at: string) => () => {
    if (armed === at) throw new Error('crash');
  };
  const faults = { beforeCommit: strike('before'), afterCommit: strike('after') };
  // Small limits, so that folds begin by themselves and are under way when something happens.
  const hub = new Hub({ faults, limits: { tailItemsMax: 12, foldItemsMin: 2, groupMessagesMax: 2 } });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, ...definitions);
  let next = 1;
  const payloads = batches.map((items) => {
    const payload = payloadOf(agent, next, items);
    next += items.length;
    return payload;
  });
  const deliver = (index: number): void =>
    void hub.submit('gw1', 'batch', payloads[index % payloads.length] ?? new Uint8Array(0));
  for (const step of steps) {
    if (typeof step === 'number') deliver(step);
    else if (step === 'fold') hub.core.fold();
    else if (step === 'commit') hub.commitAll();
    else if (step === 'restart') hub.restart();
    else {
      armed = step;
      deliver(0);
      expect(() => hub.commitAll()).toThrow('crash');
      armed = undefined;
      // Both a new process and one that goes on must be right.
      if (batches.length % 2 === 0) hub.restart();
    }
  }
  // What was lost with a restart is sent again, as the agent does after its next hello.
  for (const index of payloads.keys()) deliver(index);
  hub.commitAll();
  expect(hub.core.read.quarantineCounts()).toEqual([]);
  const expected = naive(batches);
  expect(shown(hub)).toEqual(expected);
  expect(rawOf(hub)).toEqual(batches.flat().map(textOf).sort());
  expect(latestOf(hub)).toEqual(naiveLatest(batches.flat()));
  hub.core.fold();
  expect(shown(hub)).toEqual(expected);
  expect(rawOf(hub)).toEqual(batches.flat().map(textOf).sort());
  expect(latestOf(hub)).toEqual(naiveLatest(batches.flat()));
  expect(hub.core.read.ledger().reduce((sum, line) => sum + line.delivered, 0)).toBe(next - 1);
  hub.db.close();
}

it('roll-ups equal a plain computation, whatever the order, splits, repeats, folds and restarts', () => {
  fc.assert(fc.property(scenario, check), { numRuns: 150 });
});

it('canary: a hub that does not check ranges is caught', () => {
  const spy = vi.spyOn(SeqRanges.prototype, 'classify').mockReturnValue('new');
  try {
    expect(() => fc.assert(fc.property(scenario, check), { numRuns: 150, endOnFailure: true })).toThrow(
      'Property failed',
    );
  } finally {
    spy.mockRestore();
  }
});
