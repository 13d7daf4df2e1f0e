/** Between any two steps of the upkeep a check finds nothing wrong: what is half removed is not damage. */
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { expect, it } from 'vitest';
import { hubProblem } from '../store/hub-check.ts';
import { keptForEver } from '../store/retention.ts';
import { checkRunning } from '../store/running-check.ts';
import { Agent, Hub, reading, t0 } from './testing/agent-fixture.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

const findings = (hub: Hub): string[] => [...checkRunning(hub.db)].filter((found) => found !== undefined);

/** All of the upkeep; what either check found wrong after any step. */
function upkeepChecked(hub: Hub): string[] {
  const wrong = new Set<string>();
  while (hub.core.upkeep()) {
    for (const found of findings(hub)) wrong.add(found);
    const problem = hubProblem(hub.db);
    if (problem !== undefined) wrong.add(problem);
  }
  return [...wrong];
}

it('batches of several hours go with their last hour', () => {
  const clock = new ManualClock(t0 + dayMs);
  const hub = new Hub({ clock, limits: { retention: { ...keptForEver, rawMs: 2 * dayMs } } });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'));
  for (let i = 0; i < 100; i++)
    agent.send(1 + 2 * i, { series: 0, time: t0 + i, value: i }, { series: 0, time: t0 + hourMs + i, value: i });
  hub.core.fold();
  clock.advance(4 * dayMs);
  expect(upkeepChecked(hub)).toEqual([]);
  expect(hub.core.read.counters().batchesDropped).toBe(100);
});

it('batches with hours before the horizon may be merged before these hours are removed', () => {
  const clock = new ManualClock(t0 + dayMs);
  const limits = { retention: { ...keptForEver, rawMs: 2 * dayMs }, foldItemsMin: 1, tailBatchesMax: 1 };
  const hub = new Hub({ clock, limits });
  const agent = new Agent(hub);
  agent.hello();
  const many = 4;
  agent.define(0, ...Array.from({ length: many }, (_, i) => reading(`m${i}`)));
  for (let i = 0; i < 10; i++)
    agent.send(1 + 2 * i, { series: 0, time: t0 + i, value: i }, { series: 0, time: t0 + 3 * dayMs + i, value: i });
  hub.core.fold();
  clock.advance(3 * dayMs + 12 * hourMs);
  // While a fold is under way no batch is removed.
  agent.send(21, ...Array.from({ length: many }, (_, i) => ({ series: i, time: t0 + 4 * dayMs, value: i })));
  expect(upkeepChecked(hub)).toEqual([]);
  expect(hub.core.read.counters().batchesMerged).toBe(10);
  hub.core.fold();
  expect(upkeepChecked(hub)).toEqual([]);
  clock.advance(10 * dayMs);
  expect(upkeepChecked(hub)).toEqual([]);
  for (const table of ['batches', 'batch_hours', 'batch_ranges'])
    expect(hub.db.prepare(`SELECT * FROM ${table}`).all()).toEqual([]);
});
