import { expect, it } from 'vitest';
import { type RunResult, summaryOf, tableOf, totalOf } from './summary.ts';

const verdict = {
  agent: 'edge-1',
  sent: 1_000,
  acked: 990,
  atHub: 980,
  lost: 10,
  declared: 12,
  resent: 0,
  duplicated: 0,
  wrong: 0,
  unexpected: 0,
  bucket: 0,
  unaccounted: 0,
  quarantined: 0,
};
const result: RunResult = {
  objections: [],
  verdicts: [verdict, { ...verdict, agent: 'edge-2', sent: 500 }],
  faults: { kill: 3, link: 2 },
  starts: 6,
  ownEnds: 1,
  helpless: 0,
};

it('a run is the sum of its agents, and a total the sum of its runs', () => {
  const passed = summaryOf(7, 60_000, result);
  expect(passed).toMatchObject({ seed: 7, isPassed: true, sent: 1_500, acked: 1_980, lost: 20, declared: 24 });
  const failed = summaryOf(8, 60_000, { ...result, objections: ['edge-1: 1 wrong'], faults: { kill: 1, damage: 1 } });
  const total = totalOf([passed, failed]);
  expect(total).toMatchObject({ runs: 2, failedSeeds: [8], durationMs: 120_000, sent: 3_000, starts: 12 });
  expect(total.faults).toEqual({ kill: 4, link: 2, damage: 1 });
});

it('the table names every figure, and the seeds that did not pass', () => {
  const failed = summaryOf(8, 60_000, { ...result, objections: ['edge-1: 1 wrong'], helpless: 1 });
  const table = tableOf(totalOf([summaryOf(7, 60_000, result), failed]));
  expect(table).toContain('| faults | 2m in 2 runs, 1 of them passed |');
  expect(table).toContain('| kill -9 of hub or agent, also while starting | 6 (12 starts) |');
  expect(table).toContain('| readings sent / acked / at the hub | 3,000 / 3,960 / 3,920 |');
  expect(table).toContain('| acked and not at the hub | 40; declared 48 |');
  expect(table).toContain('| processes that needed a human | 1; 2 ended by themselves and came back |');
  expect(table.at(-1)).toBe('Not passed: seeds 8');
});
