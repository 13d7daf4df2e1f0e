/** What the hub does to keep its store small shows in no answer: no reading is missed, nothing that is left stands for all of it. */
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { Agent, Hub, reading, t0, thinnedPart } from '../ingest/testing/agent-fixture.ts';
import { salvageHub } from '../store/hub-salvage.ts';
import { keptForEver } from '../store/retention.ts';
import { openHubDatabase } from '../store/schema.ts';
import { answerData } from './data.ts';
import { parseGrid } from './grid.ts';
import { parseSelector } from './selector.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const iso = (ms: number): string => new Date(ms).toISOString();
const base = {
  aggregates: undefined,
  fill: undefined,
  qualities: undefined,
  cursor: undefined,
  limit: 100,
  grid: undefined,
  selectors: [parseSelector('a')],
};
function finish<T>(query: Generator<void, T>): T {
  for (;;) {
    const s = query.next();
    if (s.done === true) return s.value;
  }
}

it('a page that begins where batches were merged meanwhile misses nothing', () => {
  const clock = new ManualClock(t0 + hourMs);
  const hub = new Hub({ clock });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  for (let i = 0; i < 40; i++) agent.send(1 + i, { series: 0, time: t0 + i * 1000, value: i });
  hub.core.fold();
  clock.advance(30 * hourMs);
  const q = { ...base, from: iso(t0), to: iso(t0 + hourMs), limit: 10 };
  const first = finish(answerData(hub.core.read, q, clock.now()));
  while (hub.core.upkeep());
  const rest = finish(answerData(hub.core.read, { ...q, limit: 100, cursor: first.next ?? '' }, clock.now()));
  const n = (p: typeof first) => (p.parts[0]?.values[1] ?? []).length;
  expect([n(first), n(rest)]).toEqual([10, 30]);
});

it('a bucket that the horizon cuts is not told by what is left of it', () => {
  const clock = new ManualClock(t0 + dayMs);
  const hub = new Hub({
    clock,
    limits: {
      retention: { ...keptForEver, rawMs: dayMs, levelMs: { ...keptForEver.levelMs, 10_000: dayMs, 60_000: dayMs } },
    },
  });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, ...Array.from({ length: 240 }, (_, i) => ({ series: 0, time: t0 + i * 60_000, value: i })));
  hub.core.fold();
  clock.advance(hourMs); // horizon of 1m at t0+1h
  while (hub.core.upkeep());
  const q = {
    ...base,
    from: iso(t0),
    to: iso(t0 + 2 * hourMs),
    grid: parseGrid('40m', undefined),
    aggregates: ['count', 'delta'] as const,
  };
  const { parts } = finish(answerData(hub.core.read, q, clock.now()));
  expect(parts[0]?.values).toEqual([[t0 + 80 * 60_000], [40], [40]]);
});

it('what was thinned is told as long as 10 s are kept, which lack it, after a salvage too', () => {
  const clock = new ManualClock(t0 + dayMs);
  const hub = new Hub({ clock, limits: { retention: { ...keptForEver, rawMs: 2 * dayMs } } });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, { series: 0, time: t0 + 1000, value: 1 });
  hub.take(
    'gw1',
    'batch',
    agent.batchBytes(2, [thinnedPart([2000, 3000].map((ms) => ({ series: 0, time: t0 + ms, value: 1 })))], 2),
  );
  hub.core.fold();
  const gaps = () => hub.core.read.gaps('gw1', t0, t0 + dayMs);
  const told = gaps();
  expect(told).toMatchObject([{ reason: 'thinned', count: 2 }]);
  clock.advance(10 * dayMs);
  while (hub.core.upkeep());
  expect(hub.db.prepare('SELECT * FROM batches').all()).toEqual([]);
  expect(gaps()).toEqual(told);
  const db = openHubDatabase(':memory:');
  salvageHub(hub.db, db, '', clock.now());
  expect(new Hub({ file: db.serialize(), clock }).core.read.gaps('gw1', t0, t0 + dayMs)).toEqual(told);
});

it('the latest value after a deletion is the last that days tell of, packed or not', () => {
  const clock = new ManualClock(t0 + 100 * dayMs);
  const hub = new Hub({ clock });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, ...Array.from({ length: 20 }, (_, i) => ({ series: 0, time: t0 + i * dayMs, value: i })));
  hub.core.fold();
  while (hub.core.upkeep());
  expect(hub.db.prepare('SELECT level FROM rollup_blocks').all()).toEqual([{ level: dayMs }]);
  hub.core.order({ kind: 'series_delete', series: 1, fromMs: t0 + 15 * dayMs, toMs: t0 + 20 * dayMs });
  expect(hub.core.read.latest([1])).toMatchObject([{ value: 14 }]);
});

it('differences do not depend on where a page or a range begins, also where minutes stand for readings', () => {
  const clock = new ManualClock(t0 + dayMs);
  const hub = new Hub({ clock });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  agent.send(1, { series: 0, time: t0 + 1000, value: 1 });
  const minutes = thinnedPart([{ series: 0, time: t0 + 65_000, value: 10 }]);
  hub.take('gw1', 'batch', agent.batchBytes(2, [minutes], 1));
  agent.send(3, { series: 0, time: t0 + 121_000, value: 100 }, { series: 0, time: t0 + 131_000, value: 1000 });
  const deltas = (fromMs: number) => {
    const question = { ...base, from: iso(fromMs), to: iso(t0 + hourMs), grid: parseGrid('10s', undefined) };
    const { parts } = finish(answerData(hub.core.read, { ...question, aggregates: ['delta'] }, clock.now()));
    return parts[0]?.values[1];
  };
  expect(deltas(t0 + 120_000)).toEqual([90, 900]);
  expect(deltas(t0)).toEqual([0, 90, 900]);
});
