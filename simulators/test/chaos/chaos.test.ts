/** `fogline-sim chaos` as a user runs it: a short run that passes, a planted loss that must not, and a plan that a seed decides. */
import { expect, it } from 'vitest';
import { openStage } from '../support/stage.ts';

it('passes where nothing is wrong, and says what it did', { timeout: 400_000 }, async () => {
  const stage = openStage('chaos');
  const args = ['chaos', '--seed', '1', '--duration', '12s', '--devices', '5'];
  const { code, out, error } = await stage.run('sim', args);
  expect(`${code} ${error}`, out).toBe('0 ');
  const last = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  expect(last).toMatchObject({ seed: 1, isPassed: true });
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

it('plans the same for the same seed, and something else for another', async () => {
  const stage = openStage('chaos');
  const plan = async (seed: string): Promise<string> =>
    (await stage.run('sim', ['chaos', '--seed', seed, '--plan', '--duration', '5m'])).out;
  const [one, again, other] = await Promise.all([plan('1'), plan('1'), plan('2')]);
  expect(one.split('\n').length).toBeGreaterThan(50);
  expect(again).toBe(one);
  expect(other).not.toBe(one);
});
