/** `fogline-sim chaos` as a user runs it: short runs that pass, a planted loss or duplicate that must not, and a plan that a seed decides. */
import { expect, it } from 'vitest';
import { openStage } from '../support/stage.ts';

it('passes where nothing is wrong, seed by seed, and sums up what it did', { timeout: 400_000 }, async () => {
  const stage = openStage('chaos');
  const args = ['chaos', '--seeds', '1..2', '--jobs', '2', '--duration', '8s', '--devices', '5'];
  const { code, out, error } = await stage.run('sim', args);
  expect(`${code} ${error}`, out).toBe('0 ');
  const lines = out.trimEnd().split('\n');
  const [one, other, total] = lines.slice(0, 3).map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(new Set([one?.['seed'], other?.['seed']])).toEqual(new Set([1, 2]));
  expect([one, other]).toMatchObject([{ isPassed: true }, { isPassed: true }]);
  const sent = Number(one?.['sent']) + Number(other?.['sent']);
  expect(total).toMatchObject({ runs: 2, failedSeeds: [], durationMs: 16_000, sent });
  expect(lines.slice(3)).toContain('| faults | 16s in 2 runs, 2 of them passed |');
});

it('finds a planted loss, and says how to run it again', { timeout: 400_000 }, async () => {
  const stage = openStage('chaos');
  const args = [
    'chaos',
    '--seed',
    '2',
    '--duration',
    '5s',
    '--devices',
    '5',
    '--agents',
    '1',
    '--faults',
    'link',
    '--plant',
    'loss',
  ];
  const { code, out } = await stage.run('sim', args);
  expect(code, out).toBe(1);
  expect(out).toMatch(/NOT PASSED: edge-1: \d+ acked readings are lost, 0 items were declared/);
  expect(out).toContain('replay: fogline-sim chaos --seed 2 --duration 5s');
});

it('finds a planted duplicate, also where a database was damaged', { timeout: 400_000 }, async () => {
  const stage = openStage('chaos');
  const where = ['--duration', '8s', '--devices', '5', '--agents', '1', '--faults', 'damage'];
  const { code, out } = await stage.run('sim', ['chaos', '--seed', '6', ...where, '--plant', 'duplicate']);
  expect(code, out).toBe(1);
  expect(out).toContain('damage to the database of edge-1');
  // Two metrics of one message.
  expect(out).toContain('NOT PASSED: edge-1: 2 duplicated\n');
});

it('plans the same for the same seed, and something else for another', async () => {
  const stage = openStage('chaos');
  const plan = async (seed: string): Promise<string> =>
    (await stage.run('sim', ['chaos', '--seed', seed, '--plan', '--duration', '5m'])).out;
  const [one, again, other] = await Promise.all([plan('1'), plan('1'), plan('2')]);
  expect(one.split('\n').length).toBeGreaterThan(50);
  expect(again).toBe(one);
  expect(other).not.toBe(one);
});
