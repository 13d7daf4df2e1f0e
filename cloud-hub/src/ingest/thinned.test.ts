import { encodeBatch } from '@fogline/shared/protocol/messages';
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lossesAt, lossesBySeries } from '../query/gaps.ts';
import { hubProblem } from '../store/hub-check.ts';
import { salvageHub } from '../store/hub-salvage.ts';
import { levels } from '../store/levels.ts';
import {
  Agent,
  Hub,
  h0,
  hour,
  partialOf,
  reading,
  readingsPart,
  t0,
  thinnedPart,
  visible,
  window,
  windowsPart,
} from './testing/agent-fixture.ts';

const minute = 60_000;

function ready(): { hub: Hub; agent: Agent } {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), reading('b'), window('c', 10_000), window('d', 7000));
  return { hub, agent };
}

const row = (series: number, time: number, value = 1) => ({ series, time: t0 + time, value });
type Row = ReturnType<typeof row>;

function thin(agent: Agent, first: number, ...rows: Row[]): void {
  agent.hub.take(agent.name, 'batch', agent.batchBytes(first, [thinnedPart(rows)], rows.length));
}

function rollups(hub: Hub, series: number): string[] {
  return levels.flatMap((level) =>
    [...hub.core.read.rollups(series, level, t0 - 1e9, t0 + 1e9)].map(
      ({ startMs, partial }) => `${level} ${startMs - t0} ${Buffer.from(partial).toString('hex')}`,
    ),
  );
}

const ledger = (hub: Hub) =>
  hub.core.read.ledger().map((line) => [line.hour - h0, line.delivered, line.thinned, line.voided.evicted_size]);
const quarantined = (hub: Hub) => hub.core.read.quarantine().map(({ reason }) => reason);

it('minutes are in the roll-ups of a minute and more to the byte, beside readings of the same minutes, before and after a fold', () => {
  const time = fc.integer({ min: 0, max: 5 * minute });
  const rows = fc.array(fc.tuple(fc.nat(1), time, fc.nat(1000)), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(rows, rows, fc.nat(2), (left, right, fold) => {
      const [asMinutes, asTheyAre] = [left, right].map((rows) => rows.map(([s, at, v]) => row(s, at, v / 8)));
      const [mixed, whole] = [ready(), ready()];
      thin(mixed.agent, 1, ...(asMinutes ?? []));
      if (fold === 1) mixed.hub.core.fold();
      mixed.agent.send(100, ...(asTheyAre ?? []));
      if (fold === 2) mixed.hub.core.fold();
      whole.agent.send(1, ...(asMinutes ?? []));
      whole.agent.send(100, ...(asTheyAre ?? []));
      const coarse = (hub: Hub) => [1, 2].map((id) => rollups(hub, id).filter((text) => !text.startsWith('10000 ')));
      expect(coarse(mixed.hub)).toEqual(coarse(whole.hub));
      const before = visible(mixed.hub);
      mixed.hub.restart();
      expect(visible(mixed.hub)).toEqual(before);
    }),
    { numRuns: 40 },
  );
});

it('windows whose width divides a minute become minutes, others are refused', () => {
  const { hub, agent } = ready();
  const values = [0, 1, 2, 3, 4, 5].map((n): [number, number] => [t0 + n * 10_000, n]);
  thin(agent, 1, ...values.map(([time, value]) => row(2, time - t0, value)));
  expect(rollups(hub, 3)[0]).toBe(`60000 0 ${Buffer.from(partialOf(values).encode()).toString('hex')}`);
  thin(agent, 7, row(3, 0));
  expect(quarantined(hub)).toEqual(['corrupt']);
});

it('thinned items are counted by hour apart from what was delivered, and told per series and hour', () => {
  const { hub, agent } = ready();
  thin(agent, 1, row(0, 1000, 5), row(0, 2000, 7), row(1, 3000), row(0, hour, 9));
  agent.send(5, row(0, 4000));
  expect(ledger(hub)).toEqual([
    [0, 1, 3, 0],
    [1, 0, 1, 0],
  ]);
  hub.core.fold();
  expect(ledger(hub)).toEqual([
    [0, 1, 3, 0],
    [1, 0, 1, 0],
  ]);
  expect(hub.core.read.gaps('gw1', t0, t0 + 2 * hour)).toMatchObject([
    { series: 1, hourMs: t0, reason: 'thinned', count: 2, min: 5, max: 7, mean: 6 },
    { series: 2, hourMs: t0, reason: 'thinned', count: 1 },
    { series: 1, hourMs: t0 + hour, reason: 'thinned', count: 1 },
  ]);
  const losses = lossesBySeries(hub.core.read, ['gw1'], { fromMs: t0, toMs: t0 + hour }).get(1) ?? [];
  expect(lossesAt(losses, undefined)).toMatchObject([{ reason: 'thinned', items: 2 }]);
  expect(lossesAt(losses, 10_000)).toHaveLength(1);
  expect(lossesAt(losses, 60_000)).toEqual([]);
  expect(hub.core.read.latest([1])).toMatchObject([{ timeMs: t0 + hour, value: 9 }]);
});

it('of two forms of one range the first stays, whichever it is, also where the range is cut otherwise', () => {
  for (const isThinnedFirst of [true, false]) {
    for (const isCutOtherwise of [true, false]) {
      const { hub, agent } = ready();
      const rows = [row(0, 1000, 1), row(0, 2000, 2), row(0, 3000, 3), row(0, 4000, 4)];
      const send = (isThinned: boolean, isCut: boolean): void => {
        const parts = isCut ? [rows.slice(0, 2), rows.slice(2)] : [rows];
        parts.forEach((part, n) => (isThinned ? thin(agent, 1 + 2 * n, ...part) : agent.send(1 + 2 * n, ...part)));
      };
      send(isThinnedFirst, isCutOtherwise);
      const before = visible(hub);
      send(!isThinnedFirst, false);
      send(isThinnedFirst, isCutOtherwise);
      expect(visible(hub)).toEqual(before);
      expect(quarantined(hub)).toEqual([]);
    }
  }
});

it('a range that is held in part is quarantined as ever', () => {
  const { hub, agent } = ready();
  agent.send(1, row(0, 1000), row(0, 2000));
  thin(agent, 2, row(0, 2000), row(0, 3000));
  expect(quarantined(hub)).toEqual(['overlap']);
});

it('minutes beat a void, and a void that comes later changes nothing', () => {
  const { hub, agent } = ready();
  agent.void(1, 2, { hours: [[h0, 2]] });
  expect(ledger(hub)).toEqual([[0, 0, 0, 2]]);
  thin(agent, 1, row(0, 1000), row(0, 2000));
  expect(ledger(hub)).toEqual([[0, 0, 2, 0]]);
  expect(hub.core.read.voids()).toEqual([]);
  agent.void(1, 2, { hours: [[h0, 2]] });
  expect(ledger(hub)).toEqual([[0, 0, 2, 0]]);
});

it('minutes whose definitions are on their way wait for them', () => {
  const { hub, agent } = ready();
  thin(agent, 1, row(4, 1000, 3));
  expect(quarantined(hub)).toEqual(['unknown_series']);
  agent.define(4, reading('e'));
  expect(quarantined(hub)).toEqual([]);
  expect(ledger(hub)).toEqual([[0, 0, 1, 0]]);
});

it('refuses a batch that holds both forms, and counts that do not add up', () => {
  const { hub, agent } = ready();
  const part = thinnedPart([row(0, 1000)]);
  for (const other of [readingsPart([row(0, 2000)]), windowsPart([{ series: 2, start: t0, values: [[t0, 1]] }])]) {
    const parts = [part, other];
    hub.take('gw1', 'batch', encodeBatch({ agent: 'gw1', epoch: agent.epoch, lane: 2, first: 1, last: 2, parts }));
  }
  hub.take('gw1', 'batch', agent.batchBytes(1, [part], 2));
  expect(quarantined(hub)).toEqual(['corrupt', 'corrupt', 'corrupt']);
});

it('nothing of it is taken for damage, and a salvage counts it once', () => {
  const { hub, agent } = ready();
  thin(agent, 1, row(0, 1000, 5), row(0, minute, 7));
  agent.send(3, row(0, 2000));
  hub.core.fold();
  expect(hubProblem(hub.db)).toBeUndefined();
  const salvaged = new Hub();
  salvageHub(hub.db, salvaged.db, '', 0);
  salvaged.restart();
  expect(visible(salvaged)).toMatchObject({
    rollups: (visible(hub) as { rollups: unknown }).rollups,
    gaps: hub.core.read.gaps('gw1', 0, Number.MAX_SAFE_INTEGER),
  });
  expect(ledger(salvaged)).toEqual([[0, 1, 2, 0]]);
});

it('what is thinned is not merged with what is not, and nothing that is seen changes when the rest is', () => {
  const clock = new ManualClock(t0);
  const hub = new Hub({ clock });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), reading('b'));
  for (let n = 0; n < 20; n++) agent.send(1 + n, row(0, n * 1000, n));
  thin(agent, 21, row(0, minute, 5), row(0, 2 * minute, 7));
  for (let n = 0; n < 20; n++) agent.send(23 + n, row(1, n * 1000, n));
  hub.core.fold();
  const before = visible(hub);
  clock.advance(48 * hour);
  while (hub.core.upkeep());
  expect(visible(hub)).toEqual(before);
  expect(hubProblem(hub.db)).toBeUndefined();
});
