/** What waits in quarantine holds its range; what comes for it cut otherwise is no repeat of anything that was applied. */
import { expect, it } from 'vitest';
import { Agent, Hub, reading, t0 } from './testing/agent-fixture.ts';

it('a batch over ranges that wait in quarantine is kept, not dropped as a repeat', () => {
  const hub = new Hub();
  const agent = new Agent(hub);
  agent.hello();
  const row = (i: number) => ({ series: 0, time: t0 + i, value: i });
  agent.send(1, row(1));
  agent.send(2, row(2));
  agent.send(1, row(1), row(2));
  expect(hub.core.read.quarantine().map(({ reason }) => reason)).toEqual([
    'overlap',
    'unknown_series',
    'unknown_series',
  ]);
  agent.define(0, reading('a'));
  expect(hub.core.read.quarantine().map(({ reason }) => reason)).toEqual(['overlap']);
});
