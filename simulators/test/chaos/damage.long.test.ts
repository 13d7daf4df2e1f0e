/** A thousand damaged databases. Prints what became of them. */
import { env, stdout } from 'node:process';
import { expect, it } from 'vitest';
import { runDamage } from './damage.ts';

const first = Number(env['FOGLINE_SEED'] ?? 1);
const count = Number(env['FOGLINE_SCHEDULES'] ?? 1_000);

it('a thousand flips and truncations: each harmless or declared, none needs a human', () => {
  const figures = {
    damages: 0,
    harmless: 0,
    sent: 0,
    lost: 0,
    declared: 0,
    salvages: 0,
    rollbacks: 0,
    failedStarts: 0,
  };
  const failed: string[] = [];
  for (let seed = first; seed < first + count; seed++) {
    try {
      const outcome = runDamage(seed);
      figures.damages++;
      if (outcome.lost === 0) figures.harmless++;
      for (const name of ['sent', 'lost', 'declared', 'salvages', 'rollbacks'] as const) figures[name] += outcome[name];
      figures.failedStarts += outcome.failures;
    } catch (error) {
      failed.push(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  stdout.write(`${JSON.stringify({ test: 'damage', first, ...figures })}\n`);
  expect(failed).toEqual([]);
  expect(figures.lost).toBe(figures.declared);
});
