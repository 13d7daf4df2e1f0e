/** What a running hub finds in its own database: nothing while it is sound, whatever arrives meanwhile, and every kind of damage. */
import { ManualClock } from '@fogline/shared/testing/manual-clock';
import { describe, expect, it } from 'vitest';
import { Agent, Hub, reading, t0, window } from '../ingest/testing/agent-fixture.ts';
import { hourMs } from './levels.ts';
import { keptForEver } from './retention.ts';
import { checkRunning } from './running-check.ts';

const row = (i: number) => ({ series: 0, time: t0 + i * 1_000, value: i });

/** A hub with folded batches, one that is not folded yet, and a void. */
function lived(retention = keptForEver): { hub: Hub; agent: Agent } {
  const hub = new Hub({ limits: { retention }, clock: new ManualClock(t0 + 2 * hourMs) });
  const agent = new Agent(hub);
  agent.hello();
  agent.define(0, reading('a'), window('w', 60_000));
  for (let seq = 1; seq <= 20; seq++) agent.send(seq, row(seq));
  agent.void(21, 30);
  hub.core.fold();
  agent.send(31, row(31));
  return { hub, agent };
}

function firstProblem(hub: Hub, between: (step: number) => void = () => undefined): string | undefined {
  let step = 0;
  for (const problem of checkRunning(hub.db)) {
    if (problem !== undefined) return problem;
    between(step++);
  }
  expect(step).toBeGreaterThan(40);
  return undefined;
}

it('finds nothing in a sound database, while batches arrive, are folded, merged, packed and removed between its steps', () => {
  const { hub, agent } = lived({ ...keptForEver, rawMs: 2 * hourMs });
  expect(firstProblem(hub)).toBeUndefined();
  let seq = 32;
  const between = (step: number): void => {
    if (step > 400) return;
    agent.send(seq, row(seq));
    seq++;
    if (step % 7 === 0) hub.core.fold();
    hub.core.upkeep();
    hub.clock.advance(60_000);
  };
  expect(firstProblem(hub, between)).toBeUndefined();
});

const flip = (column: string): string =>
  `${column} = CAST(substr(${column}, 1, 20) || x'ff' || substr(${column}, 22) AS BLOB)`;

describe('finds', () => {
  it.each([
    ['a batch whose bytes changed', `UPDATE batches SET ${flip('payload')} WHERE id = 3`, 'batches: batch 3'],
    ['a batch that is not what its row says', 'UPDATE batches SET last = last + 1 WHERE id = 3', 'batches: batch 3'],
    ['a batch of an epoch that is gone', 'UPDATE batches SET epoch = 99 WHERE id = 3', 'batches: batch 3'],
    ['a range that is gone', 'DELETE FROM batch_ranges WHERE batch = 3', 'batch 3 is not found by its range'],
    ['an hour that is gone', 'DELETE FROM batch_hours WHERE batch = 3', 'batch 3 is not found by its hours'],
    ['a batch that is gone', 'DELETE FROM batches WHERE id = 3', 'index of ranges: an entry names batch 3'],
    ['a range of another batch', 'UPDATE batch_ranges SET batch = 4 WHERE batch = 3', 'batch 3 is not found'],
    ['a roll-up whose bytes changed', `UPDATE rollups SET ${flip('partial')}`, 'roll-ups: '],
    ['a roll-up whose key changed', 'UPDATE rollups SET start = start + 1 WHERE level = 60000', 'roll-ups: '],
    ['a series that is gone', 'DELETE FROM series WHERE id = 1', 'definitions: series 0'],
    [
      'an alarm that cannot be read',
      "INSERT INTO alarms (origin, rule, agent, series, state, changed, body) VALUES ('agent', '', 1, 1, 'active', 0, '{}')",
      'alarms: the state of 1',
    ],
    ['a void that cannot be read', "UPDATE voids SET pieces = '['", 'voids: '],
    ['a table that cannot be read', 'DROP TABLE voids', 'voids: '],
  ])('%s', (_what, sql, problem) => {
    const { hub } = lived();
    hub.db.exec(sql);
    expect(firstProblem(hub)).toContain(problem);
  });
});
