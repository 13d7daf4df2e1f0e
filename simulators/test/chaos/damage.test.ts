/**
 * Flipped bits and missing ends of an agent's files, from seeds: harmless or declared, and never a human. A thousand of them are
 * damage.long.test.ts. Replay one with FOGLINE_SEED=123.
 */
import { env } from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { type DamageOutcome, runDamage, runSpoiled } from './damage.ts';

const seeds =
  env['FOGLINE_SEED'] === undefined ? Array.from({ length: 40 }, (_, i) => i + 1) : [Number(env['FOGLINE_SEED'])];

it('whatever is damaged, the agent starts, and what the hub lacks was declared', { timeout: 300_000 }, () => {
  const outcomes: DamageOutcome[] = [];
  for (const seed of seeds) {
    try {
      outcomes.push(runDamage(seed));
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  const sum = (name: 'lost' | 'declared' | 'salvages' | 'rollbacks'): number =>
    outcomes.reduce((total, outcome) => total + outcome[name], 0);
  expect(sum('lost')).toBe(sum('declared'));
  if (seeds.length === 1) return;
  // Something was really hit, and in different ways.
  expect(sum('lost')).toBeGreaterThan(0);
  expect(sum('salvages')).toBeGreaterThan(5);
  expect(sum('rollbacks')).toBeGreaterThan(0);
  expect(new Set(outcomes.map(({ target }) => target)).size).toBeGreaterThan(2);
});

it('a seal that is not that of its bytes does not stop the agent again and again', () => {
  let spoiled = 0;
  const outcome = runSpoiled((path) => {
    const db = new DatabaseSync(path);
    spoiled = Number(db.prepare('UPDATE batches SET crc = crc + 1 WHERE acked = 0').run().changes);
    db.close();
  });
  expect(spoiled).toBeGreaterThan(0);
  expect(outcome).toMatchObject({ lost: 0, declared: 0, salvages: 1, failures: 0 });
});
