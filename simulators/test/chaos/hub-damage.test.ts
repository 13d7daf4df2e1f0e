/** Flipped bits and missing ends of a hub's database, from seeds. Replay one with FOGLINE_SEED=123; more with FOGLINE_SCHEDULES=300. */
import { env } from 'node:process';
import { expect, it } from 'vitest';
import { type HubDamageOutcome, runHubDamage } from './hub-damage.ts';

const count = Number(env['FOGLINE_SCHEDULES'] ?? 30);
const seeds =
  env['FOGLINE_SEED'] === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(env['FOGLINE_SEED'])];

it('whatever is damaged, the hub starts, and the agents make it whole', { timeout: 600_000 }, () => {
  const outcomes: HubDamageOutcome[] = [];
  for (const seed of seeds) {
    try {
      outcomes.push(runHubDamage(seed));
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  if (seeds.length < 20) return;
  const salvaged = outcomes.filter(({ salvages }) => salvages > 0).length;
  expect(salvaged).toBeGreaterThan(5);
  expect(salvaged).toBeLessThan(outcomes.length);
  expect(outcomes.filter(({ packed }) => packed > 0).length).toBeGreaterThan(1);
  expect(outcomes.filter(({ merged }) => merged > 0).length).toBeGreaterThan(5);
});
